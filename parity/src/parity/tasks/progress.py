"""Show the progress of a training: a bar on a terminal, lines in a file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column

from .settings import Settings
from .training import Training

LINES = 10  # printed if there are no evaluations along the way


class Display:
    """Prints the progress to stderr.

    step: where the training starts. unit: what its speed is counted in. quiet: print nothing.
    """

    def __init__(self, title: str, settings: Settings, step: int, unit: str, quiet: bool) -> None:
        self.settings, self.first, self.unit = settings, step, unit
        self.every = settings.eval_every or max(settings.steps // LINES, 1)
        self.units, self.started = 0, time.perf_counter()
        self.latest = ""  # metrics
        self.console = Console(stderr=True, quiet=quiet)
        text = TextColumn("{task.description}", table_column=Column())  # which may wrap
        columns = (TextColumn(title), BarColumn(20), MofNCompleteColumn(), text)
        self.bar = Progress(*columns, console=self.console, disable=not self.console.is_terminal)
        self.row = self.bar.add_task("", total=settings.steps, completed=step)

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def stepped(self, step: int, trainings: Sequence[Training], units: int) -> None:
        self.units += units
        passed = time.perf_counter() - self.started
        left = passed / (step - self.first) * (self.settings.steps - step)
        losses = named(trainings, [number(each.history.losses[-1]) for each in trainings])
        ends = (f"{self.units / passed:,.0f} {self.unit}/s", f"{clock(left)} left")
        followed = [self.latest] if self.latest else []
        shown = followed if len(trainings) == 1 else []  # or the line would not fit the terminal
        self.bar.update(
            self.row, completed=step, description=" · ".join([f"loss {losses}", *shown, *ends])
        )
        if self.bar.disable and self.settings.due(step, self.every):
            said = " · ".join([f"loss {losses}", *followed, *ends])
            self.console.print(f"step {step} of {self.settings.steps}: {said}", soft_wrap=True)

    def evaluated(self, step: int, trainings: Sequence[Training]) -> None:
        self.latest = " · ".join(
            f"{name} {named(trainings, [number(each.metrics[name]) for each in trainings])}"
            for name in trainings[0].metrics
        )


def named(trainings: Sequence[Training], values: Sequence[str]) -> str:
    """The values, each with the name of its training if there are several."""
    if len(trainings) == 1:
        return values[0]
    return ", ".join(f"{t.name} {v}" for t, v in zip(trainings, values, strict=True))


def number(value: float) -> str:
    return f"{value:.4g}"


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
