"""Kernels under a race detector: the same source, run in Python, with every access looked at.

    translate   rewrites a kernel in Python that calls the following
    numbers     arithmetic, with the types that numba gives to results
    memory      arrays that remember who has touched which element
    operations  what follows `cuda`: barriers, atomics, shuffles
    threads     blocks and threads, and how they wait for each other
    launch      `kernel[grid, block](...)`, and `check` for kernels of numba's
    errors      what is found
    places      where in the source

It is slow, for small arrays. Threads run one after the other, each up to its next barrier: one that
waits in a loop for what another will write may wait for ever, and is stopped.
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
