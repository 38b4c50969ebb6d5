"""The command-line options that all tasks share."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import click

from ..usage import Names, several
from .settings import DTYPES, OPTIMIZERS, SCHEDULES, Settings

SPELT = {name.lower(): name for name in OPTIMIZERS}


class Optimizers(Names):
    """Optimizers separated by commas, in any case."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        names = super().convert(value, param, ctx)
        if unknown := [name for name in names if name.lower() not in SPELT]:
            self.fail(f"{unknown[0]!r} is none of {', '.join(OPTIMIZERS)}", param, ctx)
        return tuple(SPELT[name.lower()] for name in names)


class Real(click.FloatRange):
    """A range of finite numbers: click's own accepts nan, and inf if there is no upper bound."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


POSITIVE, NATURAL = click.IntRange(min=1), click.IntRange(min=0)
REAL, ABOVE = Real(min=0), Real(min=0, min_open=True)
SEED = click.IntRange(min=0, max=2**32 - 1)  # scikit-learn takes no larger seed
OPTIONS: dict[str, tuple[click.ParamType, str]] = {
    "steps": (POSITIVE, "Steps of the optimizer."),
    "batch_size": (POSITIVE, "Samples per batch."),
    "accumulate": (POSITIVE, "Batches per step, whose gradients are averaged."),
    "lr": (ABOVE, "Learning rate."),
    "schedule": (click.Choice(tuple(SCHEDULES)), "How the learning rate falls, to a tenth of lr."),
    "warmup": (NATURAL, "Steps over which the learning rate first rises."),
    "weight_decay": (REAL, "Weight decay."),
    "clip": (REAL, "Clip the norm of all gradients to this; 0 does not clip."),
    "eval_every": (NATURAL, "Steps between evaluations; 0 evaluates only at the end."),
    "checkpoint_every": (NATURAL, "Steps between checkpoints; 0 writes one only at the end."),
    "seed": (SEED, "Seed of the initial weights, the batches and dropout."),
    "dtype": (click.Choice(DTYPES), "Dtype of the weights, if the engine has both."),
}
ENGINES = ("minigrad",)
FOLDER = click.Path(path_type=Path, file_okay=False)
OUT = "Folder for checkpoints, metrics.json and curve.png.  [default: write nothing]"
RESUME = "Continue from the latest checkpoint in --out."


@dataclass(frozen=True)
class Plan:
    """The options that a user gave."""

    engines: tuple[str, ...]
    optimizers: tuple[str, ...]
    given: dict[str, Any]  # other settings
    out: Path | None
    resume: bool

    def settings(
        self, defaults: Settings, fitted: Callable[[Settings], Settings] = lambda chosen: chosen
    ) -> list[Settings]:
        """The settings for each optimizer; fitted: adjusts defaults that depend on given ones."""
        asked = [
            {**self.given, "optimizer": optimizer}
            for optimizer in self.optimizers or (defaults.optimizer,)
        ]
        return [replace(fitted(replace(defaults, **each)), **each) for each in asked]


def trains(
    defaults: Settings | None, **depends: str
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """A decorator that adds the options; the command gets a Plan before its own options.

    defaults: shown by --help; None if they depend on a preset. depends: what --help shows for
    defaults that depend on something else.
    """

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(command)
        def planned(
            engine: tuple[str, ...],
            optimizer: tuple[str, ...],
            out: Path | None,
            resume: bool,
            **options: Any,
        ) -> int:
            if resume and out is None:
                raise click.UsageError("--resume needs --out, the folder to continue from")
            asked = {name: options.pop(name) for name in OPTIONS}
            given = {name: value for name, value in asked.items() if value is not None}
            return command(Plan(engine or ENGINES, optimizer, given, out, resume), **options)

        found: Callable[..., int] = planned
        found = click.option("--resume", is_flag=True, help=RESUME)(found)
        found = click.option("--out", type=FOLDER, help=OUT)(found)
        for name, (kind, help) in reversed(OPTIONS.items()):
            flag = f"--{name.replace('_', '-')}"
            found = click.option(flag, type=kind, help=f"{help}  [default: {default(name)}]")(found)
        help = (
            f"One or more of {', '.join(OPTIMIZERS)}; several train side by side.  "
            f"[default: {default('optimizer')}]"
        )
        found = several("--optimizer", help, Optimizers())(found)
        help = f"One or more engines; several train side by side.  [default: {','.join(ENGINES)}]"
        return several("--engine", help)(found)

    def default(name: str) -> Any:
        preset = "the preset's" if defaults is None else getattr(defaults, name)
        return depends.get(name, preset)

    assert {*OPTIONS, "optimizer"} == {field.name for field in fields(Settings)}
    return decorate
