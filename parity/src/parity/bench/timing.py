"""Times taken in turn in one process, and what of them can be trusted: ratios within a pair."""

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

TRIES = 8
SHORT = 0.05  # seconds of work: what takes longer is hardly ever left alone
REST = 0.1  # seconds in which threads that have nothing more to do fall asleep


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
    """Seconds a step, by name: in every round each one does a block of steps, after the others.

    A step is called with its number. The first round, which warms up, is not counted. collector:
    whether Python's cyclic collector is on. Each block begins without the others' garbage, and
    what there was before the first is never looked at. A short block that another process has
    interrupted is done again, some times. Where there are several threads, each block waits until
    those of the one before are at rest, for they look for more work for a while, on the cores that
    the next one needs; and it begins with a step that is not counted, which wakes its own.
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
    """Seconds for the steps of these numbers, without an interruption or else in the best try."""
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
    """How often the system has taken the processor away; 0 where it does not tell."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw if resource else 0


def ratios(seconds: Mapping[str, Sequence[float]], rival: str) -> dict[str, Spread]:
    """Each one's time as a share of the rival's in the same round."""
    return {
        name: Spread.of([own / its for own, its in zip(taken, seconds[rival], strict=True)])
        for name, taken in seconds.items()
    }


@contextmanager
def frozen() -> Iterator[None]:
    """All objects that there are set aside, and the collector afterwards as it was before.

    To look for garbage among all of them takes long: around many measurements they are looked at
    once, and inside only what is new.
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
