"""Time a training step of an engine and its rivals, and compare their gradients and memory.

The rival of a scalar engine is a small engine like microgpt's, that of an array engine is torch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial

import numpy as np

from ..checks.measure import EPS
from ..engines import Adapter
from ..threads import pinned
from . import memory, profile
from .ceilings import Ceilings
from .contestants import Contestant, Engine, Graphed, Lists, Plain, contestants
from .costs import Cost, against_roofline, counted
from .items import NAMES, Item
from .rivals import recursion
from .rows import Row
from .timing import interleaved

BATCHES = len(NAMES)
APART = 2.0**14  # in eps: gradients may differ by this much, as engines sum in different orders
KEPT = "{}, keep_memory()"  # the engine's name in rows that were timed inside keep_memory()


def run(
    item: Item,
    engine: Adapter,
    pairs: int | None,
    collector: bool,
    threads: int = 1,
    kept: bool = False,
) -> list[Row]:
    """Time an engine at an item; raises ValueError if not all compute the same gradients.

    Rows compare with the rival, and for scalars also with plain lists. Those hardly need memory, so
    that ratios to them depend little on what else the machine is doing.
    pairs: rounds; None for the item's own. collector: whether Python's garbage collector is on.
    kept: time everything inside the engine's keep_memory(), as in its training loop.
    """
    memory_kept = engine.package.keep_memory() if kept else nullcontext()
    with _deep(), pinned(threads), memory_kept:
        others = {
            name: make()
            for name, make in contestants(item, engine).items()
            if not kept or name != Plain.name  # by hand, no memory is given back to be reused
        }
        rival, *rest = others
        apart = {name: difference(item, others[rival], others[name]) for name in rest}
        for name, eps in apart.items():
            if not eps <= APART:
                raise ValueError(
                    f"{item.name}: {name} and {rival} differ by {eps:.3g} eps: not one step of one"
                    " model"
                )
        beside = [(rival, name, apart[name]) for name in rest]
        if Lists.name in rest:
            floor = others[Lists.name]
            beside += [
                (Lists.name, name, difference(item, floor, others[name]))
                for name in rest
                if name != Lists.name
            ]
        steps = {name: _step(item, each) for name, each in others.items()}
        seconds = interleaved(steps, pairs or item.pairs, item.block, collector)
    rows = [
        Row.timed(
            seconds,
            name,
            against,
            kind="steps",
            item=item.name,
            op="",
            phase="step",
            size=item.name,
            dtype=item.dtype,
            collector=collector,
            apart=eps,
        )
        for against, name, eps in beside
    ]
    return [replace(row, engine=KEPT.format(row.engine)) for row in rows] if kept else rows


def with_memory(rows: list[Row], item: Item, engine: Adapter, threads: int) -> list[Row]:
    """Add to the rows the memory of each contestant, measured in a process of its own.

    Rows from inside keep_memory() get none: their peak depends on what the process did before.
    """
    names = contestants(item, engine)
    used = {name: memory.measured(engine.name, item.name, name, threads) for name in names}
    return [
        replace(
            row,
            cost=replace(row.cost, memory=used[row.engine].peak),
            growth=used[row.engine].growth,
            against_cost=replace(row.against_cost, memory=used[row.against].peak),
            against_growth=used[row.against].growth,
        )
        if row.engine in used
        else row
        for row in rows
    ]


def with_costs(
    rows: list[Row], item: Item, engine: Adapter, ceilings: Ceilings, threads: int = 1
) -> list[Row]:
    """Add to the rows of an item what a step of each engine costs besides time."""
    found: dict[str, tuple[Adapter, Cost]] = {}
    with pinned(threads):
        for make in contestants(item, engine).values():
            trained, batch = make(), item.batch(0)
            if isinstance(trained, Engine):
                step = partial(trained.step, batch)
                for _ in range(trained.unlike):
                    step()
                cost = counted(trained.engine, partial(trained.graph, batch), step)
                cost = replace(cost, moved=item.moved, flops=item.flops)
                if isinstance(trained, Graphed):  # which holds its memory before, and no nodes
                    cost = replace(cost, nodes=None, memory=None)
                found[trained.name] = trained.engine, cost

        def shared(name: str, seconds: float) -> Cost:
            if name not in found:
                return Cost()
            own, cost = found[name]
            return against_roofline(cost, own, item.dtype, seconds, ceilings)

        return [
            replace(
                row,
                cost=shared(row.engine, row.seconds),
                against_cost=shared(row.against, row.against_seconds),
            )
            for row in rows
        ]


def with_shares(rows: list[Row], item: Item, engine: Adapter) -> list[Row]:
    """Add a profile of a step to the engine's rows."""
    contestant = contestants(item, engine)[engine.name]()
    shares = profile.shares(engine, _step(item, contestant))
    return [replace(row, shares=shares) if row.engine == engine.name else row for row in rows]


def difference(item: Item, rival: Contestant, other: Contestant) -> float:
    """The largest difference between two contestants' losses and gradients, in eps."""
    batch = item.batch(0)
    (loss, grads), (own_loss, own) = rival.probe(batch), other.probe(batch)
    if own.keys() != grads.keys():
        raise ValueError(f"{item.name}: {other.name} and {rival.name} train other parameters")
    pairs = [(np.array(loss), np.array(own_loss)), *((grads[name], own[name]) for name in grads)]
    worst = [float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs]
    return float(np.max(worst)) / EPS[item.dtype]  # np.max, unlike max, does not lose a NaN


def _step(item: Item, contestant: Contestant) -> Callable[[int], float]:
    """A function that takes step number n; the batches are drawn in advance, untimed."""
    batches = [item.batch(number) for number in range(BATCHES)]
    return lambda number: contestant.step(batches[number % BATCHES])


@contextmanager
def _deep() -> Iterator[None]:
    """Raise Python's recursion limit for the rival, whose backward is recursive."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(recursion.DEPTH)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
