"""What part of a step goes where, as Python's profiler sees it.

It makes calls dearer than they are: the shares of what is called often are rather too large.
"""

from __future__ import annotations

import cProfile
import pstats
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..engines import Adapter

WARM, STEPS = 3, 5
# Places in an engine's package, by their names there, and what the time spent there is called.
PLACES = {
    "ops/linalg": "matmul",
    "ops/convolution": "convolution",
    "ops/normalization": "normalization",
    "ops/attention": "attention",
    "ops/activation": "activation",
    "ops/embedding": "embedding",
    "ops/loss": "loss",
    "ops": "other ops",
    "optim": "optimizer",
    "nn/utils": "optimizer",  # clipping
    "engine": "tape",
}
OTHER = "Python, other"

Function = tuple[str, int, str]  # file, line and name, as pstats has them


def shares(engine: Adapter, step: Callable[[int], object]) -> dict[str, float] | None:
    """Of the time of steps; None of an engine that does not run its own Python."""
    file = getattr(engine.package, "__file__", None)
    if file is None:
        return None
    for number in range(WARM):
        step(number)
    profiler = cProfile.Profile()
    with profiler:
        for number in range(WARM, WARM + STEPS):
            step(number)
    return summed(pstats.Stats(profiler).stats, Path(file).parent)  # type: ignore[attr-defined]


def summed(stats: Mapping[Function, Any], package: Path) -> dict[str, float]:
    """The time of each function, counted where it is, or else where its callers are."""
    spent: defaultdict[str, float] = defaultdict(float)

    def charge(function: Function, seconds: float, below: frozenset[Function]) -> None:
        name = place(function[0], package)
        callers = {
            caller: times
            for caller, times in stats[function][4].items()
            if caller in stats and caller not in below
        }
        if name is not None or not callers:
            spent[name or OTHER] += seconds
            return
        calls = {caller: times[2] for caller, times in callers.items()}  # seconds in its name
        total = sum(calls.values())
        for caller, part in calls.items():
            share = part / total if total else 1 / len(calls)
            if seconds * share > 1e-7:
                charge(caller, seconds * share, below | {function})

    for function, (_, _, seconds, _, _) in stats.items():
        charge(function, seconds, frozenset())
    total = sum(spent.values())
    largest = sorted(spent.items(), key=lambda pair: -pair[1])
    return {name: seconds / total for name, seconds in largest}


def place(file: str, package: Path) -> str | None:
    """What a file of the package is called among PLACES; None for what only works for others."""
    if not Path(file).is_relative_to(package):
        return None
    within = Path(file).relative_to(package).with_suffix("").as_posix()
    for start, name in PLACES.items():
        if within == start or within.startswith((f"{start}/", f"{start}_")):
            return name
    return None
