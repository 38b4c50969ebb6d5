"""As many threads for everyone: NumPy's BLAS, torch's OpenMP, and MKL where there is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import threadpoolctl

from .engines import Adapter


@contextmanager
def pinned(threads: int, engines: Sequence[Adapter] = ()) -> Iterator[None]:
    """Inside, every pool of threads that is loaded has so many; raises ValueError if one has not.

    Load the engines before: a library that comes later is not held to it. Of these engines some may
    have threads of their own, which were given to them when they started, and say how many.
    """
    for engine in engines:
        own = getattr(engine, "threads", threads)
        if own != threads:
            raise ValueError(
                f"{engine.name} has started with {own} threads, not {threads}:"
                f" set OMP_NUM_THREADS to {threads}"
            )
    with threadpoolctl.threadpool_limits(threads):
        for pool in threadpoolctl.threadpool_info():
            if pool["num_threads"] != threads:
                raise ValueError(
                    f"{pool['internal_api']} has {pool['num_threads']} threads, not {threads}:"
                    " set OMP_NUM_THREADS and OPENBLAS_NUM_THREADS to as many, or more"
                )
        yield


def several() -> bool:
    """Whether any pool of threads that is loaded has more than one."""
    return any(pool["num_threads"] > 1 for pool in threadpoolctl.threadpool_info())
