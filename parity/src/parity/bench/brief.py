"""A minute's worth of every benchmark, for a report that is given no results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from .. import engines as registry
from ..engines import Adapter
from ..environment import executor_kind
from ..pool import Stage
from ..threads import pinned
from . import rows, scaling, steps
from .ceilings import Ceilings
from .items import Item, items
from .ops import compared, planned
from .rivals import arrays
from .rows import Row
from .timing import frozen
from .workloads import NOTHING, Workload, untimed

SECONDS = 60.0  # of processor time, after which no further measurement starts
PAIRS, TURN = 3, 5e-4
STEPS, STEP_PAIRS = ("names", "tiny", "cpu", "digits", "sales"), 5
SLOW = ("cpu",)  # models left out on an emulator, where a step takes seconds
THREADS = 1
Task = Callable[[], list[Row]]


def measured(
    engines: Sequence[Adapter],
    only: Sequence[str],
    stage: Stage,
    ops: bool = True,
    seconds: float = SECONDS,
) -> dict[str, Any] | None:
    """Time engines beside torch, as a document of parity bench; None if there is only torch.

    only: these ops and no steps; empty for all. ops: whether to time ops at all. The document also
    has left_out, the number of measurements that did not fit into seconds, and refused, the reasons
    why others were not timed: wrong results, or an op without a workload.
    """
    rival = registry.load("torch")
    members = [engine for engine in engines if engine.name != rival.name]
    if not members:
        return None
    ceilings = Ceilings((rival, *members), THREADS)
    tasks = [
        *(of_models(members, ceilings) if not only else ()),
        *(of_ops(members, rival, only, ceilings) if ops else ()),
        *(scaling.planned(members, rival, ceilings) if not only else ()),
    ]
    found: list[Row] = []
    refused = [f"{name} has {NOTHING}" for name in untimed(only)] if ops else []
    began, left = time.process_time(), 0
    title = f"measurements: {len(tasks)}"
    with pinned(THREADS), frozen(), stage(title, len(tasks)) as advance:
        for task in tasks:
            if time.process_time() - began > seconds:
                left += 1
            else:
                try:
                    found += task()
                except Exception as error:  # a wrong engine, which the checks report
                    refused.append(f"{type(error).__name__}: {error}")
            advance()
    made = rows.document(found, (rival, *members), THREADS, ceilings)
    return made | {"left_out": left, "refused": refused}


def of_models(members: Sequence[Adapter], ceilings: Ceilings) -> Iterator[Task]:
    """Tasks that time a training step, for each engine and model."""
    for engine in members:
        for item in items(engine):
            emulated = executor_kind(engine) not in ("cpu", "gpu")
            if item.name in STEPS and not (emulated and item.name in SLOW):
                yield partial(_step, replace(item, block=1), engine, ceilings)


def of_ops(
    members: Sequence[Adapter], rival: Adapter, only: Sequence[str], ceilings: Ceilings
) -> Iterator[Task]:
    """Tasks that time an op."""
    for some, dtype, works in planned(members, only, "brief"):
        for work in _first(works):
            yield partial(compared, work, some, [rival], dtype, ceilings, PAIRS, TURN, True)


def _first(works: Sequence[Workload]) -> Iterator[Workload]:
    """The first workload of each op, and all that have a version by hand in NumPy."""
    seen = set()
    for work in works:
        if work.op.name not in seen or arrays.written(work.op.name, work.case.inputs()[1]):
            yield work
        seen.add(work.op.name)


def _step(item: Item, engine: Adapter, ceilings: Ceilings) -> list[Row]:
    found = steps.run(item, engine, STEP_PAIRS, collector=True)
    return steps.with_costs(found, item, engine, ceilings)
