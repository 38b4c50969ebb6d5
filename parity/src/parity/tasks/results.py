"""The results of a training: a table with the engines side by side, and the same as data."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from ..environment import environment, executor
from .progress import number
from .running import compared
from .settings import Settings
from .training import Training

ROWS = 10  # about as many steps or epochs are shown
REFERENCE = "torch"


def table(trainings: Sequence[Training]) -> Table:
    """Losses and metrics during the training, then the final results.

    Rows are steps, or epochs with the mean loss since the row before.
    """
    settings, epoch = trainings[0].settings, trainings[0].task.epoch
    alone = trainings[0] if len(trainings) == 1 else None
    metrics = trainings[0].history.metrics
    shown = list(trainings[0].metrics) if alone and len(metrics) > 1 else []
    changing = [
        name for name in trainings[0].metrics if len({m[name] for m in metrics.values()}) > 1
    ]
    names = [each.name for each in trainings]
    title = "epoch" if epoch else "step"
    found = Table(title, *([f"loss on {names[0]}", *shown] if alone else names))
    for column in found.columns[1:]:
        column.justify = "right"
    steps = epochs(settings, epoch) if epoch else chosen(settings)
    labels = {step: f"{step / epoch:.3g}" if epoch else str(step) for step in steps}
    if changing and not alone:
        found.add_row("training loss")
    for before, step in itertools.pairwise([0, *steps]):
        since = before if epoch else step - 1
        losses = [f"{statistics.fmean(each.history.losses[since:step]):.6g}" for each in trainings]
        rest = [number(metrics[step][name]) if step in metrics else "" for name in shown]
        found.add_row(labels[step], *losses, *rest)
    for name in [] if alone else changing:
        found.add_section()
        found.add_row(name)
        for step in steps:
            if all(step in each.history.metrics for each in trainings):
                values = (number(each.history.metrics[step][name]) for each in trainings)
                found.add_row(labels[step], *values)
    found.add_section()
    if changing and not alone:
        found.add_row("at the end")
    blank = [""] * len(shown)
    for name in trainings[0].metrics:
        found.add_row(name, *(number(each.metrics[name]) for each in trainings), *blank)
    each_one = ", one thread each" if compared(trainings) else ""
    found.add_row(
        f"ms per step{each_one}", *(number(milliseconds(each)) for each in trainings), *blank
    )
    parts = [deviation(each, trainings) for each in trainings]
    if any(part is not None for part in parts):
        found.add_row("loss off torch's by", *("" if d is None else f"{d:.1e}" for d in parts))
    return found


def chosen(settings: Settings) -> list[int]:
    """The steps to show: the first, the last, and about ten others, if possible evaluated ones."""
    every = max(settings.steps // ROWS, 1)
    if followed := settings.eval_every:
        every = followed * max(round(every / followed), 1)
    steps = range(1, settings.steps + 1)
    return [step for step in steps if step == 1 or settings.due(step, every)]


def epochs(settings: Settings, epoch: int) -> list[int]:
    """The epochs to show, at most about ten, by their last steps."""
    every = epoch * max(round(settings.steps / epoch / ROWS), 1)
    return [step for step in range(1, settings.steps + 1) if settings.due(step, every)]


def data(trainings: Sequence[Training]) -> dict[str, Any]:
    """All results, for metrics.json."""
    task = trainings[0].task
    return {
        "task": task.name,
        "epoch": task.epoch or None,
        "environment": environment(),
        "trainings": {
            each.name: {
                "engine": each.engine.name,
                "settings": asdict(each.settings),
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
    """The median time of a step."""
    return 1e3 * statistics.median(training.history.seconds)


def deviation(training: Training, trainings: Sequence[Training]) -> float | None:
    """The largest difference from torch's losses; None if torch did not train beside it."""
    reference = next(
        (
            each
            for each in trainings
            if each.engine.name == REFERENCE and each.settings == training.settings
        ),
        None,
    )
    if reference is None or training is reference:
        return None
    pairs = zip(training.history.losses, reference.history.losses, strict=True)
    return max(abs(loss - want) for loss, want in pairs)
