"""A race detector for kernels: the same source, run as Python, every access of memory watched.

    functions  a kernel's source as Python functions, which stop at barriers
    names      `cuda`, as a kernel finds it while it runs
    memory     arrays that remember who read and wrote each element, and when
    launch     `kernel[grid, block](...)`: runs the threads from barrier to barrier
    errors     what can be wrong

Two threads race for an element if one of them writes it, and nothing says who comes first: between
the two accesses there is no barrier of their block, no operation of their warp, no barrier of the
grid. A race is found whatever order the threads happen to run in, also where the numbers come out
right.
"""

from .errors import RaceError, UninitializedError, WarpError
from .launch import check, empty, jit

__all__ = ["RaceError", "UninitializedError", "WarpError", "check", "empty", "jit"]
