"""Do all the work of a report, and put its results together, as data.py says."""

from __future__ import annotations

import datetime
import operator
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..checks.determinism import Determinism, Digests, compared
from ..checks.envelope import FLOOR, MULTIPLE
from ..checks.runs import RunResult
from ..engines import RIVALS, Adapter, names
from ..pool import Stage, workers
from ..spec import skips
from ..spec.runs import RUNS
from . import data, entries, planning, verdict
from .planning import Asked
from .words import plural
from .work import Judged

SCHEMA_VERSION = 2


@dataclass
class Done:
    """The results of the work, by planning.Kind."""

    trained: list[RunResult] = field(default_factory=list)
    digested: list[Digests | str] = field(default_factory=list)
    hunted: list[data.Hunt] = field(default_factory=list)
    planted: list[list[data.Fault]] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)


def collect(engines: Sequence[Adapter], stage: Stage, asked: Asked) -> data.Report:
    """Do all the work of a report, and return its results."""
    started, surroundings = time.perf_counter(), entries.surroundings()
    done = work_done(engines, stage, asked)
    judged = {each.name: each for each in done.judged}
    results = [result for each in done.judged for result in each.results]
    order = [run.name for run in RUNS]
    trainings = sorted(done.trained, key=lambda result: order.index(result.run))
    repeats = [repeated(engine, asked, done.digested) for engine in engines]
    summaries = [entries.engine(engine, results, trainings, repeats) for engine in engines]
    faults = [fault for share in done.planted for fault in share]
    report: data.Report = {
        "schema": SCHEMA_VERSION,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": time.perf_counter() - started,
        "jobs": asked.jobs,
        "selection": selection(engines, asked),
        "passed": True,  # so far
        "environment": surroundings,
        "envelope": {"multiple": MULTIPLE, "floor": FLOOR},
        "engines": summaries,
        "ops": [entries.op(family, op, judged.get(op.name)) for family, op in planning.ops(asked)],
        "parts": [entries.part(part, judged.get(part.name)) for part in planning.parts(asked)],
        "results": [entries.fields(result) for result in results],
        "runs": [entries.run(run) for run in planning.runs(asked)],
        "trainings": [entries.training(result) for result in trainings],
        "determinism": [entries.fields(result) for result in repeats],
        "faults": faults,
        "fuzz": done.hunted,
        "mutants": [],
        "speed": None,
        "changes": None,
    }
    report["passed"] = not verdict.failures(report)
    whole: data.Report = entries.plain(report)
    return whole


def work_done(engines: Sequence[Adapter], stage: Stage, asked: Asked) -> Done:
    done = Done()
    tasks = list(planning.tasks(engines, asked))
    title = f"{len(tasks)} pieces of work for {plural(asked.jobs, 'process')}"
    with workers(asked.jobs) as spread, stage(title, len(tasks)) as advance:
        outcomes = spread(operator.call, [task for _, task in tasks])
        for (kind, _), found in zip(tasks, outcomes, strict=True):
            getattr(done, kind).append(found)
            advance()
    return done


def repeated(engine: Adapter, asked: Asked, taken: Sequence[Digests | str]) -> Determinism:
    """Compare the digests of an engine's bits that several processes returned."""
    if reason := skips.reason(engine.name, "determinism"):
        return Determinism(engine.name, len(taken), status="skipped", message=reason)
    return compared(engine.name, asked.ops, taken, 0.0)


def selection(engines: Sequence[Adapter], asked: Asked) -> data.Selection:
    """How the report was narrowed. Leaving out torch and rivals does not count."""
    judged = [engine.name for engine in engines]
    return {
        "left_out": [name for name in names() if name not in (*judged, *RIVALS)],
        "ops": list(asked.ops),
        "steps": asked.steps,
        "quick": asked.quick,
    }
