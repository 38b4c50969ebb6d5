"""Work shared by processes: map(), done by several at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

Spread = Callable[..., Iterator[Any]]  # map(), maybe by several processes

# What says how many threads a library starts.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def cores() -> int:
    """How many there are for this process, which may be kept from some."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def workers(jobs: int) -> Iterator[Spread]:
    """So many processes, of one thread each; this one alone, as it is, if it is one."""
    if jobs == 1:
        yield map
        return
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))  # what is spawned begins with these
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))

    def spread(function: Callable[..., Any], *items: Any) -> Iterator[Any]:
        with _uninterrupted():  # by now all processes start that are needed
            return pool.map(function, *items)

    try:
        yield spread
    except KeyboardInterrupt:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Inside, Ctrl-C is ignored, as it is for good by the processes that start inside.

    They would print how far they had come; who started them says it in a word.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
