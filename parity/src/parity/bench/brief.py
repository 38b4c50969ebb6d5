"""A little of every benchmark, within a minute: what a report holds if nothing is handed in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from .. import engines as registry
from ..engines import Adapter
from . import ops, rows, scaling, steps
from .ceilings import Ceilings
from .items import Item, items
from .rivals import arrays
from .rows import Row
from .threads import pinned
from .timing import frozen
from .workloads import Workload

SECONDS = 40.0  # after which nothing more is begun
PAIRS, TURN = 3, 5e-4
STEPS, STEP_PAIRS = ("names", "tiny", "cpu", "digits", "sales"), 5
THREADS = 1
Task = Callable[[], list[Row]]


def measured(
    engines: Sequence[Adapter],
    only: Sequence[str],
    stage: Callable[[str, int], Any],
    seconds: float = SECONDS,
) -> dict[str, Any] | None:
    """The document of what is measured of engines beside torch, as of parity bench; None of none.

    only: these ops, and no steps; empty for all. stage: as the report's. What there was no time for
    is counted in left_out.
    """
    rival = registry.load("torch")
    members = [engine for engine in engines if engine.name != rival.name]
    if not members:
        return None
    ceilings = Ceilings((rival, *members), THREADS)
    tasks = list(planned(members, rival, only, ceilings))
    found: list[Row] = []
    began, left = time.perf_counter(), 0
    title = f"{len(tasks)} measurements"
    with pinned(THREADS), frozen(), stage(title, len(tasks)) as advance:
        for task in tasks:
            if time.perf_counter() - began > seconds:
                left += 1
            else:
                found += task()
            advance()
    return rows.document(found, (rival, *members), THREADS, ceilings) | {"left_out": left}


def planned(
    members: Sequence[Adapter], rival: Adapter, only: Sequence[str], ceilings: Ceilings
) -> Iterator[Task]:
    """Steps, then each op, then growth."""
    if not only:
        for engine in members:
            for item in items(engine):
                if item.name in STEPS:
                    yield partial(_step, replace(item, block=1), engine, ceilings)
    for some, dtype, works in ops.planned(members, only, "brief"):
        for work in _first(works):
            yield partial(ops.compared, work, some, [rival], dtype, ceilings, PAIRS, TURN, True)
    if not only:
        yield from scaling.planned(members, rival, ceilings)


def _first(works: Sequence[Workload]) -> Iterator[Workload]:
    """The first of each op, and those that are written for NumPy by hand, too."""
    seen = set()
    for work in works:
        if work.op.name not in seen or arrays.written(work.op.name, work.case.inputs()[1]):
            yield work
        seen.add(work.op.name)


def _step(item: Item, engine: Adapter, ceilings: Ceilings) -> list[Row]:
    found = steps.run(item, engine, STEP_PAIRS, collector=True)
    return steps.with_costs(found, item, engine, ceilings)
