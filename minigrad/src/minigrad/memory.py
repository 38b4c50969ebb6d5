"""Keep memory between training steps, rather than return it to the system and ask for it again.

glibc gets memory for a large array from the system page by page, and returns it when it is freed:
the next array of that size pays for its pages anew, which may be half the time of a training step.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

# glibc's malloc.h: what to take from the heap, when to shrink it, and by how much to grow it.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
KEPT = {M_MMAP_THRESHOLD: 1 << 30, M_TRIM_THRESHOLD: 1 << 30, M_TOP_PAD: 64 << 20}
# What they were cannot be queried: these are the largest that glibc comes to by itself.
USUAL = {M_MMAP_THRESHOLD: 32 << 20, M_TRIM_THRESHOLD: 64 << 20, M_TOP_PAD: 128 << 10}

_depth = 0


@contextlib.contextmanager
def keep_memory() -> Iterator[None]:
    """Inside, this process keeps the memory of freed arrays; afterwards it gives it back.

    Meant for loops of similar steps. Does nothing if the C library is not glibc, or if the
    environment variable MINIGRAD_KEEP_MEMORY is 0. Affects all of the process's memory.
    """
    global _depth
    libc = _glibc() if os.environ.get("MINIGRAD_KEEP_MEMORY") != "0" else None
    if libc is None:
        yield
        return
    _depth += 1
    if _depth == 1:
        _set(libc, KEPT)
    try:
        yield
    finally:
        _depth -= 1
        if _depth == 0:
            _set(libc, USUAL)
            libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library of this process, if it is glibc."""
    try:
        libc = ctypes.CDLL(None)
        return libc if libc.gnu_get_libc_version and libc.mallopt and libc.malloc_trim else None
    except (AttributeError, OSError, TypeError):
        return None


def _set(libc: ctypes.CDLL, options: dict[int, int]) -> None:
    for option, value in options.items():
        libc.mallopt(option, value)
