"""Give all libraries the same number of threads: NumPy's BLAS, torch's OpenMP, and MKL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import threadpoolctl

from .engines import Adapter


@contextmanager
def pinned(threads: int, engines: Sequence[Adapter] = ()) -> Iterator[None]:
    """Set the size of every loaded library's thread pool; raises ValueError if one differs.

    Load the engines before, as libraries that are loaded later are not affected. Some engines have
    threads of their own, whose number is fixed at their start; it is compared, too.
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
    """Whether any loaded thread pool has more than one thread."""
    return any(pool["num_threads"] > 1 for pool in threadpoolctl.threadpool_info())
