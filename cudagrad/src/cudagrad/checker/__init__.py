"""Kernels under a race detector: the same source, run in Python, with every access looked at.

    translate   rewrites a kernel as Python that calls the following
    numbers     arithmetic, with the types that numba gives to results
    memory      arrays that remember who has accessed which element
    operations  the functions of `cuda`: barriers, atomics, shuffles
    threads     blocks and threads, and how they wait for each other
    launch      `kernel[grid, block](...)`, and `check` for numba's kernels
    errors      what is found
    places      where in the source

It is slow: use small arrays. Threads run one after the other, each up to its next barrier. So a
thread that waits in a loop for what another one will write may wait for ever, and is then stopped.
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
