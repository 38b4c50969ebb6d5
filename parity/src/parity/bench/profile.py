"""Which share of a training step is spent where, by Python's profiler.

The profiler makes calls more expensive, so functions that are called often look slower than they
are.
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
# Modules and folders of an engine's package, with the names under which their time is shown.
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

Function = tuple[str, int, str]  # file, line and name, as in pstats


def shares(engine: Adapter, step: Callable[[int], object]) -> dict[str, float] | None:
    """The share of a step's time by place; None if the engine is no Python package."""
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
    """Sum the times by place; a function outside all PLACES is charged to its callers."""
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
        calls = {caller: times[2] for caller, times in callers.items()}  # seconds on its behalf
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
    """The name in PLACES that a file belongs to; None if its time is charged to its callers."""
    if not Path(file).is_relative_to(package):
        return None
    within = Path(file).relative_to(package).with_suffix("").as_posix()
    for start, name in PLACES.items():
        if within == start or within.startswith((f"{start}/", f"{start}_")):
            return name
    return None
