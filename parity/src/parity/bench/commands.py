"""parity bench: how long training takes on an engine, beside its rivals."""

from __future__ import annotations

import dataclasses
import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from ..usage import known, loaded, printed

if TYPE_CHECKING:
    from .timing import Spread


@click.group()
def bench() -> None:
    """Time training on an engine, beside rivals, after checking that they compute the same."""


@bench.command()
@click.option("--engine", "name", required=True, help="The engine to time.")
@click.option("--item", "chosen", multiple=True, help="Only this work item, such as names.")
@click.option("--pairs", type=click.IntRange(min=2), default=15, show_default=True)
@click.option("--json", "file", type=click.Path(path_type=Path), help="File to write it all to.")
def steps(name: str, chosen: tuple[str, ...], pairs: int, file: Path | None) -> None:
    """Time a training step of a GPT (forward, backward, optimizer) as a share of its rival's.

    The contestants take turns in one process; each figure is a median, with the quartiles.
    """
    from . import steps as work

    (engine,) = loaded([name])
    every = {item.name: item for item in work.items(engine)}
    known("item", chosen, list(every))
    lines: list[work.Line] = []
    for item in (every[each] for each in chosen or every):
        for collector in (True, False):
            click.echo(f"{item.name}, collector {_on(collector)}: {pairs} pairs", err=True)
            try:
                lines += work.run(item, engine, pairs, collector)
            except ValueError as error:
                raise click.ClickException(str(error)) from error
    columns = ("ratio", "item", "contestant", "collector", "ms a step", "gradients apart")
    table = Table(*columns, caption=f"ratios to the first of each item; {_machine()}")
    for line in lines:
        table.add_row(
            _spread(line.ratio, 1.0, 4),
            line.item,
            line.contestant,
            _on(line.collector),
            _spread(line.seconds, 1e3, 2),
            f"{line.apart:.1f} eps",
        )
    printed(table)
    if file is not None:
        found: dict[str, Any] = {"machine": _machine(), "pairs": pairs}
        found["lines"] = [dataclasses.asdict(line) for line in lines]
        file.write_text(json.dumps(found, indent=1), encoding="utf-8")


def _on(collector: bool) -> str:
    return "on" if collector else "off"


def _spread(spread: Spread, unit: float, digits: int) -> str:
    """The median, and the quartiles in brackets."""
    low, median, high = (
        f"{number * unit:.{digits}f}" for number in (spread.low, spread.median, spread.high)
    )
    return f"{median} [{low}, {high}]"


def _machine() -> str:
    from ..environment import cpu

    return f"Python {platform.python_version()} on {cpu()}"
