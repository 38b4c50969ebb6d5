"""What came of a training: one table with the engines side by side, and the same as data."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from ..environment import environment, executor
from .progress import number
from .training import Training

ROWS = 10  # where no evaluations divide the training
REFERENCE = "torch"


def table(trainings: Sequence[Training]) -> Table:
    """Losses of some steps, with the metrics where there is one engine; then what came of it."""
    settings = trainings[0].task.settings
    alone = trainings[0] if len(trainings) == 1 else None
    shown = list(trainings[0].metrics) if alone and len(alone.history.metrics) > 1 else []
    names = [each.engine.name for each in trainings]
    found = Table("step", *([f"loss on {names[0]}", *shown] if alone else names))
    for column in found.columns[1:]:
        column.justify = "right"
    every = settings.eval_every or max(settings.steps // ROWS, 1)
    for step in range(1, settings.steps + 1):
        if step == 1 or settings.due(step, every):
            metrics = trainings[0].history.metrics.get(step, {})
            losses = [f"{each.history.losses[step - 1]:.6g}" for each in trainings]
            rest = [number(metrics[name]) if name in metrics else "" for name in shown]
            found.add_row(str(step), *losses, *rest)
    found.add_section()
    blank = [""] * len(shown)
    for name in trainings[0].metrics:
        found.add_row(name, *(number(each.metrics[name]) for each in trainings), *blank)
    found.add_row("ms per step", *(number(milliseconds(each)) for each in trainings), *blank)
    if not alone and REFERENCE in names:
        parts = (deviation(each, trainings) for each in trainings)
        found.add_row("loss off torch's by", *("" if d is None else f"{d:.1e}" for d in parts))
    return found


def data(trainings: Sequence[Training]) -> dict[str, Any]:
    """All of it, for metrics.json."""
    task = trainings[0].task
    return {
        "task": task.name,
        "settings": asdict(task.settings),
        "environment": environment(),
        "engines": {
            each.engine.name: {
                "runs on": executor(each.engine),
                "dtype": each.dtype,
                "metrics": each.metrics,
                "milliseconds per step": milliseconds(each),
                "largest deviation of the loss from torch's": deviation(each, trainings),
                "losses": each.history.losses,
                "evaluations": [
                    {"step": step, **metrics} for step, metrics in each.history.metrics.items()
                ],
            }
            for each in trainings
        },
    }


def milliseconds(training: Training) -> float:
    """Of a step: the median."""
    return 1e3 * statistics.median(training.history.seconds)


def deviation(training: Training, trainings: Sequence[Training]) -> float | None:
    """How far a loss was from torch's at most; None where there is no torch."""
    reference = next((each for each in trainings if each.engine.name == REFERENCE), None)
    if reference is None or training is reference:
        return None
    pairs = zip(training.history.losses, reference.history.losses, strict=True)
    return max(abs(loss - want) for loss, want in pairs)
