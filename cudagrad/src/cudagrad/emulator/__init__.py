"""Kernels without a GPU: the same source, compiled for the CPU by numba.

docs/emulator.md follows one kernel through these modules, which are listed as they are best read:

    names           `cuda`, and the names under it that the transform understands
    places          how messages name a line of source
    source          a function's syntax tree, and what its free names mean
    trees           helpers that make and inspect syntax trees
    module          the text of generated modules
    transform       rewrites a kernel as Python that numba can compile: threads are generators
    uniform, regions, uses, seams, inference, slots, fission
                    cut a kernel at its barriers into loops, if that cannot change its results
    forms           chooses between generators and loops over the threads
    refusals        what numba compiles for a CPU but numba-cuda refuses, and so do we
    runtime, atomics, instructions, libdevice, warps, wide, copies, printing
                    called by compiled code: checked indices, local memory, popc and fma, rsqrtf,
                    shuffles, 128-bit accesses, copies that have not arrived yet, print
    intrinsics      emulate single instructions: tensor cores, rounding, asynchronous copies
    suspended       threads that wait, as generators in a buffer
    loops           run compiled code: blocks and threads, barriers, orders
    array           device memory, as the host sees it
    errors          what is raised
    cache           modules and machine code on disk
    library         how LLVM optimizes a kernel: once, as a whole
    launch          `kernel[grid, block](...)`: finds the code, runs it, explains errors

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
