"""Judging engines: every case and every run, as one JSON document (schema.json says its form)."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from typing import Any

from .. import checks, corpus
from ..checks.determinism import PROCESSES, Determinism, determinism
from ..checks.envelope import FLOOR, MULTIPLE, Band
from ..checks.runs import RunResult, check_run
from ..engines import RIVALS, Adapter, names
from ..environment import environment, executor, version
from ..spec import BUILT, FAMILIES, Op, skips
from ..spec.run import Run
from ..spec.runs import RUNS

SCHEMA_VERSION = 1
QUICK_RUN, QUICK_STEPS = "gpt-tiny", 25
QUICK_PROCESSES = 2
REASONS = ("why", "kink", "flat", "chance")  # what a case says of itself

# stage(title, total) opens a stage of the work and gives what to call after each unit of it.
Stage = Callable[[str, int], AbstractContextManager[Callable[[], object]]]
Report = dict[str, Any]


def collect(
    engines: Sequence[Adapter],
    stage: Stage,
    ops: Sequence[str] = (),
    steps: int | None = None,
    quick: bool = False,
) -> Report:
    """Judge the engines and tell what came out.

    ops: only these, no parts and no training runs; empty for all. steps: of every run, in place of
    its own. quick: no finite differences, two processes, and only the start of one run.
    """
    runs = planned(ops, steps, quick)
    results: list[checks.Result] = []
    for engine in engines:
        items = [
            item
            for item in checks.cases(engine, ops or None)
            if not (quick and item.check == "differences")
        ]
        results += judge(engine, items, stage)
    trainings = [
        result for run in runs for e in engines for result in train(e, run, e.dtypes, stage)
    ]
    processes = QUICK_PROCESSES if quick else PROCESSES
    repeats = [repeat(engine, ops, processes, stage) for engine in engines]
    summaries = [summary(engine, results, trainings, repeats) for engine in engines]
    return plain(
        {
            "schema": SCHEMA_VERSION,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "selection": selection(engines, ops, steps, quick),
            "passed": not any(entry["failed"] for entry in summaries),
            "environment": environment() | {"corpus": corpus.describe()},
            "envelope": {"multiple": MULTIPLE, "floor": FLOOR},
            "engines": summaries,
            "ops": [
                {
                    "name": op.name,
                    "family": family,
                    "cases": [
                        {
                            "id": case.id,
                            "call": repr(case),
                            **{name: getattr(case, name, "") for name in REASONS},
                        }
                        for case in (*op.cases, *op.rejects)
                    ],
                }
                for family, members in families().items()
                for op in members
                if not ops or op.name in ops
            ],
            "parts": [
                {
                    "name": part.name,
                    "kind": part.kind,
                    "cases": [{"id": case.id, "call": repr(case)} for case in part.cases],
                }
                for part in BUILT.values()
                if not ops
            ],
            "results": [asdict(result) for result in results],
            "runs": [run.settings() for run in runs],
            "trainings": [training(result) for result in trainings],
            "determinism": [asdict(result) for result in repeats],
        }
    )


def selection(
    engines: Sequence[Adapter], ops: Sequence[str], steps: int | None, quick: bool
) -> Report:
    """What was asked for, of all that there is; rivals, and torch, need not be judged."""
    judged = [engine.name for engine in engines]
    return {
        "left_out": [name for name in names() if name not in (*judged, *RIVALS)],
        "ops": list(ops),
        "steps": steps,
        "quick": quick,
    }


def families() -> dict[str, tuple[Op, ...]]:
    """The ops of the spec by family: the name of the file that holds them, in every engine."""
    return {family.__name__.rpartition(".")[2]: family.OPS for family in FAMILIES}


def planned(ops: Sequence[str], steps: int | None, quick: bool) -> list[Run]:
    """The runs of a report, each with its number of steps."""
    if ops:
        return []
    if quick:
        (quick_run,) = (run for run in RUNS if run.name == QUICK_RUN)
        return [replace(quick_run, steps=steps or QUICK_STEPS)]
    return [replace(run, steps=steps or run.steps) for run in RUNS]


def judge(engine: Adapter, items: Sequence[checks.Item], stage: Stage) -> list[checks.Result]:
    """The results of the checks, skipped ones included."""
    results = []
    with stage(f"{engine.name}: {len(items)} checks", len(items)) as advance:
        for item in items:
            results.append(checks.run(engine, item.op, item.case, item.check, item.dtype))
            advance()
    return results


def train(engine: Adapter, run: Run, dtypes: Sequence[str], stage: Stage) -> list[RunResult]:
    """A run on an engine, once in each dtype."""
    if reason := skips.reason(engine.name, run.name, executor(engine)):
        return [
            RunResult(engine.name, run.name, dtype, status="skipped", message=reason)
            for dtype in dtypes
        ]
    results = []
    for dtype in dtypes:
        title = f"{engine.name}: {run.name} in {dtype}, {run.steps} steps"
        with stage(title, run.steps) as advance:
            results.append(check_run(engine, run, dtype, advance))
    return results


def repeat(engine: Adapter, ops: Sequence[str], processes: int, stage: Stage) -> Determinism:
    """The bits of an engine, compared between processes."""
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
    """One engine in numbers: how many checks passed, and the worst error of each kind."""
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
    """The largest error of a check, where, and the largest of torch's float32 on the same cases."""
    errors = [(r.error, r) for r in results if r.check == check and r.error is not None]
    if not errors:
        return None
    # A NaN is worse than any number, and max() alone would not say so.
    error, top = max(errors, key=lambda pair: math.inf if math.isnan(pair[0]) else pair[0])
    return {
        "error": error,
        "torch_error": max(result.torch_error or 0.0 for _, result in errors),
        "case": top.case,
        "dtype": top.dtype,
    }


def training(result: RunResult) -> Report:
    """A run's result, with its losses and their bands by column."""
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
    """value for JSON, which knows no infinity and no NaN: they become null."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
