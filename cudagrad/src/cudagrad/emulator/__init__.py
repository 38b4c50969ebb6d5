"""Kernels without a GPU: the same source, compiled for the CPU by numba.

    names      `cuda`, and the names under it that the transform understands
    places     how messages name a line of source
    source     a function's syntax tree, and what its free names mean
    trees      helpers that make and inspect syntax trees
    transform  rewrites a kernel as Python that numba can compile
    uniform, fission, seams, inference
                cut a kernel at its barriers, if that cannot change its results
    forms      chooses between generators and loops over the threads
    module     the text of a generated module
    known      what numba knows on a CPU and not on a GPU, which is refused
    runtime, atomics, warps, wide
                called by compiled code: checked indices, local memory, shuffles, 128-bit accesses
    intrinsics emulate single instructions: tensor cores, rounding, asynchronous copies
    copies     asynchronous copies that have not arrived yet
    loops      run compiled code: blocks and threads, barriers, orders
    cache      modules and machine code on disk
    array      device memory, as the host sees it
    launch     `kernel[grid, block](...)`: finds the code, runs it, explains errors

Threads run one after the other, in an order that `order` can reverse or draw at random. The
emulator raises an error where a GPU would silently compute a wrong number: an index out of bounds,
threads that do not all reach the same barrier, a `while` loop that does not seem to end, because it
waits for another thread, say. Memory that was never written holds NaN, or conspicuous integers.
"""

from . import intrinsics
from .array import DeviceArray, empty
from .errors import AlignmentError, BarrierError, KernelError, LoopError, UnsupportedError
from .launch import generators, jit, order
from .names import cuda

__all__ = [
    "AlignmentError",
    "BarrierError",
    "DeviceArray",
    "KernelError",
    "LoopError",
    "UnsupportedError",
    "cuda",
    "empty",
    "generators",
    "intrinsics",
    "jit",
    "order",
]
