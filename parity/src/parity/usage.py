"""What the commands have in common: names in options, refusals, how work and tables are shown."""

from __future__ import annotations

import difflib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from .engines import Adapter

# A package or a GPU that is not there, a setting or an adapter that is wrong: each says which.
UNUSABLE = (ImportError, RuntimeError, TypeError, ValueError)
TRAINING = ("nn", "optim", "gpt")  # what a package trains and writes with


class Names(click.ParamType):
    """Names separated by commas."""

    name = "NAME[,NAME]"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        names = tuple(value.split(","))
        if not all(names):
            self.fail("a name is empty", param, ctx)
        return names


NAMES = Names()


def several(name: str, help: str, kind: Names = NAMES) -> Callable[[Any], Any]:
    """An option that takes names: separated by commas, or given again."""

    def flat(ctx: Any, param: Any, value: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for group in value for name in group))

    return click.option(name, type=kind, multiple=True, callback=flat, help=help)


ENGINES = several("--engine", "Only these engines.  [default: all except torch and the rivals]")


def loaded(names: Sequence[str]) -> list[Adapter]:
    """The engines of these names, or all but RIVALS; refuses unknown ones and missing packages."""
    from . import engines as registry

    every = registry.names()
    known("engine", names, every)
    try:
        return [
            registry.load(name) for name in names or (n for n in every if n not in registry.RIVALS)
        ]
    except UNUSABLE as error:
        raise click.UsageError(str(error)) from error


def trainable(names: Sequence[str]) -> list[Adapter]:
    """As loaded, but refuses engines of ops alone, which have nothing to train or to write with."""
    found = loaded(names)
    for engine in found:
        if lacking := [part for part in TRAINING if not hasattr(engine.package, part)]:
            raise click.UsageError(
                f"{engine.name} has no {', '.join(lacking)}: it cannot train, its ops alone can be"
                " checked and timed"
            )
    return found


def known(kind: str, names: Sequence[str], every: Sequence[str]) -> None:
    """Refuse a name that is not among every."""
    for name in names:
        if name not in every:
            raise click.UsageError(unknown(kind, name, every))


def unknown(kind: str, name: str, every: Sequence[str]) -> str:
    """The message for an unknown name: similar names, or all of them if there are few."""
    near = difflib.get_close_matches(name, every, 5, 0.5) if len(every) > 8 else ()
    hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(every)}"
    return f"no {kind} {name!r}; {hint}"


def writable(directory: Path) -> None:
    """Make the directory; refuse one that cannot be written to before any work is done."""
    if directory.is_file():
        raise click.UsageError(f"cannot write to {directory}: it is a file, not a folder")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise click.UsageError(f"cannot write to {directory}: {error.strerror}") from error


def _checked(ctx: Any, param: Any, file: Path | None) -> Path | None:
    if file is not None:
        writable(file.absolute().parent)
    return file


JSON = click.option(
    "--json",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=_checked,
    help="Also write all results to this JSON file.",
)


def printed(table: Table, spare: int = 0) -> None:
    """Print a table, whole: a file has no width to fit.

    spare: so many of the last columns are left out, from the right, where a terminal is too narrow.
    """
    terminal = Console()
    if not terminal.is_terminal:
        Console(width=200).print(table)
        return
    unlimited = terminal.options.update(width=sys.maxsize)
    for _ in range(spare):
        if Measurement.get(terminal, unlimited, table).maximum <= terminal.width:
            break
        table.columns.pop()
    for column in table.columns:
        column.overflow = "fold"  # a figure may take two lines, but none is cut
    terminal.print(table)


@contextmanager
def stage(title: str, total: int) -> Iterator[Callable[[], object]]:
    """A progress bar for people; for a file, the title alone."""
    terminal = Console(stderr=True)
    if not terminal.is_terminal:
        click.echo(title, err=True)
        yield lambda: None
        return
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=terminal) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)
