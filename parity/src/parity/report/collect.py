"""Run every check and every run on some engines, and collect the results as JSON (schema.json)."""

from __future__ import annotations

import datetime
import math
import operator
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from .. import checks, corpus
from ..checks.determinism import Determinism, compared, determinism, process
from ..checks.envelope import FLOOR, MULTIPLE, Band
from ..checks.runs import RunResult, check_run
from ..engines import RIVALS, Adapter, names
from ..environment import environment, executor, version
from ..pool import Stage, workers
from ..spec import BUILT, FAMILIES, Op, skips
from ..spec.run import Run
from ..spec.runs import RUNS
from . import work

SCHEMA_VERSION = 2
QUICK_RUN, QUICK_STEPS = "gpt-tiny", 25
PROCESSES, QUICK_PROCESSES = 4, 2  # few, as each imports torch and computes all cases
HUNTS, QUICK_HUNTS = 4, 1  # seeds per engine, each of fuzz.hunting.BATCH graphs
SHARES = 8  # tasks that the planted faults are divided into
REASONS = ("why", "kink", "flat", "chance")  # attributes of a case that the report shows

Report = dict[str, Any]


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


def collect(engines: Sequence[Adapter], stage: Stage, asked: Asked) -> Report:
    """Do all the work of a report, and return its results."""
    started = time.perf_counter()
    tasks = list(planned_work(engines, asked))
    title = f"{len(tasks)} pieces of work for {asked.jobs} process{'es' * (asked.jobs > 1)}"
    done: dict[str, list[Any]] = {kind: [] for kind, _ in tasks}
    with workers(asked.jobs) as spread, stage(title, len(tasks)) as advance:
        outcomes = spread(operator.call, [task for _, task in tasks])
        for (kind, _), found in zip(tasks, outcomes, strict=True):
            done[kind].append(found)
            advance()
    judged = {each.name: each for each in done.get("judged", ())}
    results = [result for each in judged.values() for result in each.results]
    order = [run.name for run in RUNS]
    trainings = sorted(done.get("trained", []), key=lambda result: order.index(result.run))
    repeats = [repeated(engine, asked, done.get("digested", [])) for engine in engines]
    summaries = [summary(engine, results, trainings, repeats) for engine in engines]
    caught = [each for some in done.get("planted", ()) for each in some]
    hunts = done.get("hunted", [])
    failed = any(entry["failed"] for entry in summaries)
    failed |= any(hunt["status"] == "failed" for hunt in hunts)
    failed |= not all(each.caught for each in caught)
    return plain(
        {
            "schema": SCHEMA_VERSION,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "seconds": time.perf_counter() - started,
            "jobs": asked.jobs,
            "selection": selection(engines, asked),
            "passed": not failed,
            "environment": environment() | {"corpus": corpus.describe()},
            "envelope": {"multiple": MULTIPLE, "floor": FLOOR},
            "engines": summaries,
            "ops": [
                described_op(family, op, judged)
                for family, members in families().items()
                for op in members
                if not asked.ops or op.name in asked.ops
            ],
            "parts": [
                described(part.name, judged.get(part.name))
                | {
                    "kind": part.kind,
                    "cases": [{"id": case.id, "call": repr(case)} for case in part.cases],
                }
                for part in BUILT.values()
                if not asked.ops
            ],
            "results": [asdict(result) for result in results],
            "runs": [run.settings() for run in planned(asked)],
            "trainings": [training(result) for result in trainings],
            "determinism": [asdict(result) for result in repeats],
            "faults": [asdict(each) | {"caught": each.caught} for each in caught],
            "fuzz": hunts,
            "mutants": [],
            "speed": None,
            "changes": None,
        }
    )


def planned_work(
    engines: Sequence[Adapter], asked: Asked
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The work as pairs of a kind and a function; the longest first."""
    given: list[work.Engine] = [each.name if asked.jobs > 1 else each for each in engines]
    for run in sorted(planned(asked), key=lambda run: -run.steps):
        for engine, each in zip(engines, given, strict=True):
            for dtype in engine.dtypes:
                named = run.name if asked.jobs > 1 else run
                yield "trained", partial(work.trained, each, named, run.steps, dtype)
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
    ops = [op.name for members in families().values() for op in members]
    for name in (*ops, *(() if asked.ops else BUILT)):
        if not asked.ops or name in asked.ops:
            yield "judged", partial(work.judged, given, name, asked.quick)


def described(name: str, judged: work.Judged | None) -> Report:
    """An op or a part: its formula, and its source code in each engine."""
    code = (
        {engine: [asdict(p) for p in some] for engine, some in judged.code.items()}
        if judged
        else {}
    )
    return {"name": name, "formula": judged.formula if judged else "", "code": code}


def described_op(family: str, op: Op, judged: dict[str, work.Judged]) -> Report:
    """An op and its cases, with their values on every engine."""
    cases = [described_case(op, case, judged) for case in (*op.cases, *op.rejects)]
    return described(op.name, judged.get(op.name)) | {"family": family, "cases": cases}


def described_case(op: Op, case: Any, judged: dict[str, work.Judged]) -> Report:
    """A case, with its inputs and outputs."""
    samples = judged[op.name].samples[case.id] if op.name in judged else []
    return {
        "id": case.id,
        "call": repr(case),
        **{name: getattr(case, name, "") for name in REASONS},
        "arrays": [asdict(value) for value in samples],
    }


def repeated(engine: Adapter, asked: Asked, taken: Sequence[Any]) -> Determinism:
    """Compare the digests of an engine's bits that several processes returned."""
    if reason := skips.reason(engine.name, "determinism"):
        return Determinism(engine.name, len(taken), status="skipped", message=reason)
    return compared(engine.name, asked.ops, taken, 0.0)


def selection(engines: Sequence[Adapter], asked: Asked) -> Report:
    """How the report was narrowed. Leaving out torch and rivals does not count."""
    judged = [engine.name for engine in engines]
    return {
        "left_out": [name for name in names() if name not in (*judged, *RIVALS)],
        "ops": list(asked.ops),
        "steps": asked.steps,
        "quick": asked.quick,
    }


def families() -> dict[str, tuple[Op, ...]]:
    """The ops of the spec by family, which is the name of their file."""
    return {family.__name__.rpartition(".")[2]: family.OPS for family in FAMILIES}


def planned(asked: Asked) -> list[Run]:
    """The training runs of a report, with their numbers of steps."""
    if asked.ops:
        return []
    if asked.quick:
        (quick_run,) = (run for run in RUNS if run.name == QUICK_RUN)
        return [replace(quick_run, steps=asked.steps or QUICK_STEPS)]
    return [replace(run, steps=asked.steps or run.steps) for run in RUNS]


def judge(engine: Adapter, items: Sequence[checks.Item], stage: Stage) -> list[checks.Result]:
    """Run checks, and return their results."""
    results = []
    with stage(f"{engine.name}: {len(items)} checks", len(items)) as advance:
        for item in items:
            results.append(checks.run(engine, item.op, item.case, item.check, item.dtype))
            advance()
    return results


def train(engine: Adapter, run: Run, dtypes: Sequence[str], stage: Stage) -> list[RunResult]:
    """Train a run on an engine, once in each dtype."""
    results = []
    for dtype in dtypes:
        if skipped := work.skipped(engine, run, dtype):
            results.append(skipped)
            continue
        title = f"{engine.name}: {run.name} in {dtype}, {run.steps} steps"
        with stage(title, run.steps) as advance:
            results.append(check_run(engine, run, dtype, advance))
    return results


def repeat(engine: Adapter, ops: Sequence[str], processes: int, stage: Stage) -> Determinism:
    """Compare the bits of an engine between processes."""
    if reason := skips.reason(engine.name, "determinism"):
        return Determinism(engine.name, processes, status="skipped", message=reason)
    with stage(f"{engine.name}: {processes} processes", processes) as advance:
        return determinism(engine.name, ops, processes, advance)


def summary(
    engine: Adapter,
    results: Sequence[checks.Result],
    trainings: Sequence[RunResult],
    repeats: Sequence[Determinism] = (),
) -> Report:
    """One engine's results: how many checks passed, and the worst errors."""
    own = [result for result in results if result.engine == engine.name]
    own_runs = [result for result in trainings if result.engine == engine.name]
    own_repeats = [result for result in repeats if result.engine == engine.name]
    statuses = [r.status for kind in (own, own_runs, own_repeats) for r in kind]
    counts = {status: statuses.count(status) for status in ("passed", "failed", "skipped")}
    return {
        "name": engine.name,
        "version": version(engine),
        "executor": executor(engine),
        "dtypes": list(engine.dtypes),
        "ops": len(engine.ops),
        "checks": len(own),
        "trainings": len(own_runs),
        **counts,
        "worst": {check: worst(own, check) for check in ("forward", "backward")},
        "seconds": sum(result.seconds for result in own),
        "training_seconds": sum(result.elapsed for result in own_runs),
    }


def worst(results: Sequence[checks.Result], check: str) -> Report | None:
    """The largest error of a check and its case, and torch float32's largest on the same cases."""
    errors = [
        (r.error, r.torch_error, r)
        for r in results
        if r.check == check and r.error is not None and r.torch_error is not None
    ]
    if not errors:
        return None
    error, _, top = max(errors, key=lambda found: found[0])
    return {
        "error": error,
        "torch_error": max(torch_error for _, torch_error, _ in errors),
        "case": top.case,
        "dtype": top.dtype,
    }


def training(result: RunResult) -> Report:
    """A run's result as data, with the losses and their bands as columns."""
    entry = asdict(result)
    del entry["loss_bands"]
    return entry | {
        "loss": {
            "engine": entry.pop("losses"),
            "torch": entry.pop("torch_losses"),
            "error": [band.error for band in result.loss_bands],
            "torch_error": [band.torch_error for band in result.loss_bands],
            "limit": [band.limit for band in result.loss_bands],
        },
        "gradients": by_name(result.gradients),
        "weights": by_name(result.weights),
    }


def by_name(bands: dict[str, Band]) -> Report:
    return {name: asdict(band) | {"limit": band.limit} for name, band in bands.items()}


def plain(value: Any) -> Any:
    """Replace infinities and NaN, which JSON does not have, by None."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
