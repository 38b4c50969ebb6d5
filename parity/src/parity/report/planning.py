"""Plan a report: which ops, parts and runs it is about, and the pieces of work that this takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from ..checks.determinism import process
from ..engines import Adapter
from ..families import families
from ..spec import BUILT, BY_NAME, Op, skips
from ..spec.part import Part
from ..spec.run import Run
from ..spec.runs import RUNS
from . import work

QUICK_RUN, QUICK_STEPS = "gpt-tiny", 25
PROCESSES, QUICK_PROCESSES = 4, 2  # few, as each imports torch and computes all cases
HUNTS, QUICK_HUNTS = 4, 1  # seeds per engine, each of fuzz.hunting.BATCH graphs
SHARES = 8  # tasks that the planted faults are divided into

# What a piece of work is: to train, to digest the bits of one process, to hunt on random graphs,
# to plant faults, or to judge an op or a part.
Kind = Literal["trained", "digested", "hunted", "planted", "judged"]


@dataclass(frozen=True)
class Asked:
    """The options of a report.

    quick: no finite differences and no planted faults, fewer processes and graphs, and only the
    start of one run.
    """

    ops: tuple[str, ...] = ()  # only these, no parts and no training runs; empty for everything
    steps: int | None = None  # of every run, instead of its own number
    quick: bool = False
    jobs: int = 1  # processes that share the work


def ops(asked: Asked) -> list[tuple[str, Op]]:
    """The ops of a report, each after its family."""
    every = [(family, name) for family, members in families().items() for name in members]
    return [(family, BY_NAME[op]) for family, op in every if not asked.ops or op in asked.ops]


def parts(asked: Asked) -> list[Part]:
    """The layers, optimizers, schedulers and models of a report."""
    return [] if asked.ops else list(BUILT.values())


def runs(asked: Asked) -> list[Run]:
    """The training runs of a report, with their numbers of steps."""
    if asked.ops:
        return []
    if asked.quick:
        (quick_run,) = (run for run in RUNS if run.name == QUICK_RUN)
        return [replace(quick_run, steps=asked.steps or QUICK_STEPS)]
    return [replace(run, steps=asked.steps or run.steps) for run in RUNS]


def tasks(engines: Sequence[Adapter], asked: Asked) -> Iterator[tuple[Kind, Callable[[], Any]]]:
    """The work as pairs of a kind and a function; the longest first."""
    given: list[work.Engine] = [each.name if asked.jobs > 1 else each for each in engines]
    for run in sorted(runs(asked), key=lambda run: -run.steps):
        for engine, each in zip(engines, given, strict=True):
            for dtype in engine.dtypes:
                yield "trained", partial(work.trained, each, run.name, run.steps, dtype)
    comparable = [e.name for e in engines if not skips.reason(e.name, "determinism")]
    for number in range(QUICK_PROCESSES if asked.quick else PROCESSES):
        if comparable:
            yield "digested", partial(process, comparable, asked.ops, number)
    for each in given:
        seeds = QUICK_HUNTS if asked.quick else HUNTS
        yield "hunted", partial(work.hunted, each, asked.ops, seeds)
    if not asked.ops and not asked.quick and work.plantable():
        for first in range(SHARES):
            yield "planted", partial(work.planted, first, SHARES)
    for name in [*(op.name for _, op in ops(asked)), *(part.name for part in parts(asked))]:
        yield "judged", partial(work.judged, given, name, asked.quick)
