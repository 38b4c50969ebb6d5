"""The results of a training: a table with the engines side by side, and the same as data."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from ..environment import environment, executor
from .progress import number
from .running import compared
from .settings import Settings
from .training import Training

ROWS = 10  # about this many steps or epochs are shown
REFERENCE = "torch"


def table(trainings: Sequence[Training]) -> Table:
    """Losses and metrics during the training, then the final results.

    Rows are steps, or epochs with the mean loss since the row before.
    """
    settings, epoch = trainings[0].settings, trainings[0].task.epoch
    steps = epochs(settings, epoch) if epoch else chosen(settings)
    labels = {step: f"{step / epoch:.3g}" if epoch else str(step) for step in steps}
    title = "epoch" if epoch else "step"
    if len(trainings) == 1:
        found = table_of_one(trainings[0], title, labels)
    else:
        found = table_of_several(trainings, title, labels)
    for column in found.columns[1:]:
        column.justify = "right"
    return found


def table_of_one(training: Training, title: str, labels: Mapping[int, str]) -> Table:
    """A column for the loss and each metric; labels: what each row's step is called."""
    metrics = training.history.metrics
    shown = list(training.metrics) if len(metrics) > 1 else []
    found = Table(title, f"loss on {training.name}", *shown)
    for step, losses in losses_at([training], labels):
        values = [number(metrics[step][name]) if step in metrics else "" for name in shown]
        found.add_row(labels[step], *losses, *values)
    found.add_section()
    for name, values in final_results([training]):
        found.add_row(name, *values, *[""] * len(shown))
    return found


def table_of_several(trainings: Sequence[Training], title: str, labels: Mapping[int, str]) -> Table:
    """A column for each training, and a section for the loss and each metric that changes."""
    metrics = trainings[0].history.metrics
    changing = [
        name for name in trainings[0].metrics if len({m[name] for m in metrics.values()}) > 1
    ]
    found = Table(title, *(each.name for each in trainings))
    if changing:
        found.add_row("training loss")
    for step, losses in losses_at(trainings, labels):
        found.add_row(labels[step], *losses)
    for name in changing:
        found.add_section()
        found.add_row(name)
        for step in labels:
            if all(step in each.history.metrics for each in trainings):
                values = (number(each.history.metrics[step][name]) for each in trainings)
                found.add_row(labels[step], *values)
    found.add_section()
    if changing:
        found.add_row("at the end")
    for name, results in final_results(trainings):
        found.add_row(name, *results)
    return found


def losses_at(
    trainings: Sequence[Training], steps: Iterable[int]
) -> Iterator[tuple[int, list[str]]]:
    """Each step with the loss of every training, which is a mean if the task has epochs."""
    for before, step in itertools.pairwise([0, *steps]):
        since = before if trainings[0].task.epoch else step - 1
        yield (
            step,
            [f"{statistics.fmean(each.history.losses[since:step]):.6g}" for each in trainings],
        )


def final_results(trainings: Sequence[Training]) -> Iterator[tuple[str, list[str]]]:
    """Names and values of the final metrics, the time per step, and the deviation from torch."""
    for name in trainings[0].metrics:
        yield name, [number(each.metrics[name]) for each in trainings]
    each_one = ", one thread each" if compared(trainings) else ""
    yield f"ms per step{each_one}", [number(milliseconds(each)) for each in trainings]
    deviations = [deviation(each, trainings) for each in trainings]
    if any(each is not None for each in deviations):
        yield "loss off torch's by", ["" if d is None else f"{d:.1e}" for d in deviations]


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
