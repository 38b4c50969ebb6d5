"""Write what was found as the entries of a report, which are data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .. import checks, corpus
from ..checks.determinism import Determinism
from ..checks.envelope import Band
from ..checks.runs import RunResult
from ..engines import Adapter
from ..environment import environment, executor, version
from ..spec import Op
from ..spec.case import Call
from ..spec.part import Part
from ..spec.run import Run
from . import data
from .work import Judged


def fields(found: Any) -> Any:
    """A dataclass as the entry of the same fields, of which data.py says the types."""
    return asdict(found)


def surroundings() -> data.Environment:
    found: Any = environment() | {"corpus": corpus.describe()}
    return found


def engine(
    judged: Adapter,
    results: Sequence[checks.Result],
    trainings: Sequence[RunResult],
    repeats: Sequence[Determinism] = (),
) -> data.Engine:
    """One engine's results: how many checks passed, and the worst errors."""
    own = [result for result in results if result.engine == judged.name]
    own_runs = [result for result in trainings if result.engine == judged.name]
    own_repeats = [result for result in repeats if result.engine == judged.name]
    statuses = [r.status for kind in (own, own_runs, own_repeats) for r in kind]
    return {
        "name": judged.name,
        "version": version(judged),
        "executor": executor(judged),
        "dtypes": list(judged.dtypes),
        "ops": len(judged.ops),
        "checks": len(own),
        "trainings": len(own_runs),
        "passed": statuses.count("passed"),
        "failed": statuses.count("failed"),
        "skipped": statuses.count("skipped"),
        "worst": {"forward": worst(own, "forward"), "backward": worst(own, "backward")},
        "seconds": sum(result.seconds for result in own),
        "training_seconds": sum(result.elapsed for result in own_runs),
    }


def worst(results: Sequence[checks.Result], check: str) -> data.Worst | None:
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


def op(family: str, entry: Op, judged: Judged | None) -> data.Op:
    """An op with its formula, its source code in each engine, and its cases' values there."""
    return {
        "name": entry.name,
        "formula": judged.formula if judged else "",
        "code": code(judged),
        "family": family,
        "cases": [case(each, judged) for each in (*entry.cases, *entry.rejects)],
    }


def part(entry: Part, judged: Judged | None) -> data.Part:
    found: Any = {
        "name": entry.name,
        "formula": judged.formula if judged else "",
        "code": code(judged),
        "kind": entry.kind,
        "cases": [{"id": case.id, "call": repr(case)} for case in entry.cases],
    }
    return found


def code(judged: Judged | None) -> dict[str, list[data.Piece]]:
    found = judged.code if judged else {}
    return {engine: [fields(piece) for piece in pieces] for engine, pieces in found.items()}


def case(call: Call, judged: Judged | None) -> data.Case:
    """A case with its reasons, and its inputs and outputs."""
    return {
        "id": call.id,
        "call": repr(call),
        "why": getattr(call, "why", ""),
        "kink": getattr(call, "kink", ""),
        "flat": getattr(call, "flat", ""),
        "chance": getattr(call, "chance", ""),
        "arrays": [fields(value) for value in judged.samples[call.id]] if judged else [],
    }


def run(settled: Run) -> data.Run:
    found: Any = settled.settings()
    return found


def training(result: RunResult) -> data.Training:
    """A run's result, with the losses and their bands as columns."""
    entry = fields(result)
    del entry["losses"], entry["torch_losses"], entry["loss_bands"]
    loss: data.Loss = {
        "engine": list(result.losses),
        "torch": list(result.torch_losses),
        "error": [band.error for band in result.loss_bands],
        "torch_error": [band.torch_error for band in result.loss_bands],
        "limit": [band.limit for band in result.loss_bands],
    }
    bands = {"gradients": by_name(result.gradients), "weights": by_name(result.weights)}
    whole: data.Training = entry | bands | {"loss": loss}
    return whole


def by_name(bands: Mapping[str, Band]) -> dict[str, data.Band]:
    return {
        name: {"error": band.error, "torch_error": band.torch_error, "limit": band.limit}
        for name, band in bands.items()
    }


def plain(value: Any) -> Any:
    """Replace infinities and NaN, which JSON does not have, by None."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
