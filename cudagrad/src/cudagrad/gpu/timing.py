"""How long things take: medians of interleaved runs, timed between events on the device."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping

from .. import streams

Run = Callable[[], object]


def medians(runs: Mapping[str, Run], seconds: float, rounds: int = 7) -> dict[str, float]:
    """Milliseconds of each run, its median over rounds in which all take turns.

    seconds: that each may take in all, about. A round repeats a run until its share is filled,
    once at least. All run on the current stream, the legacy default one, which is torch's too.
    """
    counts: dict[str, int] = {}
    for name, run in runs.items():
        run()  # compiles, and fills caches
        once = measured(run, 1)
        counts[name] = max(1, int(1000 * seconds / rounds / max(once, 1e-3)))
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            samples[name].append(measured(run, counts[name]))
    return {name: statistics.median(found) for name, found in samples.items()}


def measured(run: Run, count: int) -> float:
    """Milliseconds of one run, of count one after the other."""
    start, end = streams.Event(enable_timing=True), streams.Event(enable_timing=True)
    streams.synchronize()
    start.record()
    for _ in range(count):
        run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / count
