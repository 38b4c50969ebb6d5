"""A map() over several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

Spread = Callable[..., Iterator[Any]]  # map(), or one like it that uses several processes
# stage(title, total) starts a stage of the work; what it yields is called after each unit.
Stage = Callable[[str, int], AbstractContextManager[Callable[[], object]]]

# The environment variables that set how many threads a library starts.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def workers(jobs: int) -> Iterator[Spread]:
    """A map() over this many processes with one thread each; for one job, Python's own map()."""
    if jobs == 1:
        yield map
        return
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))  # inherited by the processes
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))

    def spread(function: Callable[..., Any], *items: Any) -> Iterator[Any]:
        with _uninterrupted():  # the pool starts its processes here
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
    """Ignore Ctrl-C inside; processes that start inside ignore it for good.

    Otherwise each of them would print a traceback, when one message of their parent's is enough.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
