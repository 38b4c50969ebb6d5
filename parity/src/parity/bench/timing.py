"""Time contestants in turns in one process; what can be trusted are ratios within a round."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from .. import threads

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

TRIES = 8  # attempts at a turn that keeps being interrupted
SHORT = 0.05  # seconds; a longer turn is hardly ever uninterrupted, so it is not repeated
REST = 0.1  # seconds after which idle threads of a library have gone to sleep


@dataclass(frozen=True)
class Spread:
    """The median of some numbers, and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread:
        low, median, high = statistics.quantiles(numbers, n=4, method="inclusive")
        return cls(median, low, high)


def interleaved(
    steps: Mapping[str, Callable[[int], object]],
    pairs: int,
    block: int,
    collector: bool,
) -> dict[str, list[float]]:
    """Seconds per step by name, one for each round, in which everyone does one block of steps.

    A step is called with its number. The first round warms up and is not counted. collector:
    whether Python's cyclic garbage collector is on; every block starts with no garbage, and objects
    from before the first block are frozen. A short block that was interrupted by another process is
    repeated. With several threads, every block first waits until the previous contestant's threads
    stop spinning on the cores, then wakes its own threads with a step that is not counted.
    """
    several = threads.several()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    with frozen():
        for number in range(pairs + 1):
            for name, step in steps.items():
                if several:
                    time.sleep(REST)
                    step(number * block)
                gc.enable()
                gc.collect()
                if not collector:
                    gc.disable()
                taken = _turn(step, range(number * block, (number + 1) * block))
                if number:
                    seconds[name].append(taken / block)
    return seconds


def _turn(step: Callable[[int], object], numbers: range) -> float:
    """Seconds for these steps without an interruption, or else the best of several tries."""
    best = math.inf
    for _ in range(TRIES):
        before, worked, started = _interruptions(), time.process_time(), time.perf_counter()
        for number in numbers:
            step(number)
        taken, worked = time.perf_counter() - started, time.process_time() - worked
        if _interruptions() == before:
            return taken
        best = min(best, taken)
        if worked > SHORT:
            break
    return best


def _interruptions() -> int:
    """How often the system has preempted this process; always 0 on Windows."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw if resource else 0


def ratios(seconds: Mapping[str, Sequence[float]], rival: str) -> dict[str, Spread]:
    """Everyone's time divided by the rival's in the same round."""
    return {
        name: Spread.of([own / its for own, its in zip(taken, seconds[rival], strict=True)])
        for name, taken in seconds.items()
    }


@contextmanager
def frozen() -> Iterator[None]:
    """Freeze all existing objects, so that the collector only looks at new ones; then restore it.

    Wrapped around many measurements, it saves searching all of these objects in each of them.
    """
    enabled, outermost = gc.isenabled(), gc.get_freeze_count() == 0
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        if outermost:
            gc.unfreeze()
        (gc.enable if enabled else gc.disable)()
