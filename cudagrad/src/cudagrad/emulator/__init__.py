"""Kernels without a GPU: the same source, compiled for the CPU by numba.

    names      `cuda`, and what kernels say of it, which only the transform understands
    source     a function's syntax tree, and what its free names mean
    trees      pieces of syntax trees: made, and looked at
    transform  rewrites a kernel in Python that numba can compile
    uniform, fission, seams, inference
                cut a kernel at its barriers, if nothing can change by that
    forms      which form a kernel takes: generators, or loops over the threads
    module     the text of a generated module
    runtime, atomics, warps, wide
                what the compiled code calls: checked indices, local memory, shuffles, 128 bits
    intrinsics what single instructions do: tensor cores, rounding, copies on their way
    copies     memory that such a copy has not filled yet
    loops      what runs it: blocks and threads, barriers, orders
    cache      modules and machine code on disk
    array      device memory, as the host sees it
    launch     `kernel[grid, block](...)`: finds the code, runs it, explains faults

One thread runs after the other, in an order that `order` can reverse, or draw. Where a GPU would go
on with a wrong number this emulator stops: an index out of bounds, threads that miss each other at
a barrier, a while loop without a barrier that does not seem to end, such as one that waits for
another thread. (A loop that never ends and meets a barrier in each turn only the checker stops.)
Memory that nobody has written holds NaN, or integers that nobody expects.
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
