"""Kernels under a race detector: the same source, run in Python, with every access looked at.

    translate   rewrites a kernel in Python that calls the following
    numbers     arithmetic, with the types that numba gives to results
    memory      arrays that remember who has touched which element
    operations  what follows `cuda`: barriers, atomics, shuffles
    threads     blocks and threads, and how they wait for each other
    launch      `kernel[grid, block](...)`, and `check` for kernels of numba's
    errors      what is found
    places      where in the source

It is slow, for small arrays. On what it does not see it is silent: threads that wait for what
another thread will write, without a barrier, are not run at the same time, and wait for ever.
"""

from .errors import RaceError, UninitializedError, WarpError
from .launch import check, jit
from .memory import empty

__all__ = [
    "RaceError",
    "UninitializedError",
    "WarpError",
    "check",
    "empty",
    "jit",
]
