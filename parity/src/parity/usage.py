"""What the commands have in common: options, refusals, tables and progress bars."""

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

from .families import families

if TYPE_CHECKING:
    from .engines import Adapter

# Errors of an engine that cannot be used, with a message for the user: a missing package or GPU, or
# a wrong setting or adapter.
UNUSABLE = (ImportError, RuntimeError, TypeError, ValueError)
TRAINING = ("nn", "optim", "gpt")  # the modules that training and generation need


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
    """An option that takes several names, separated by commas or by repeating the option."""

    def flat(ctx: Any, param: Any, value: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for group in value for name in group))

    return click.option(name, type=kind, multiple=True, callback=flat, help=help)


ENGINES = several("--engine", "Only these engines.  [default: all except torch and the rivals]")


@contextmanager
def refusing(*kinds: type[Exception]) -> Iterator[None]:
    """Turn errors of these kinds into one-sentence messages of the command."""
    try:
        yield
    except kinds as error:
        raise click.ClickException(sentence(error)) from error


def sentence(error: Exception) -> str:
    """An error as a message for the user; of one from the system, without its number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return f"there is not enough memory{f': {error}' if str(error) else ''}"
    return str(error)


def loaded(names: Sequence[str]) -> list[Adapter]:
    """Load engines by name, by default all but RIVALS; refuse one that cannot be loaded."""
    from . import engines as registry

    every = registry.names()
    require_known("engine", names, every)
    with refusing(*UNUSABLE):
        return [
            registry.load(name) for name in names or (n for n in every if n not in registry.RIVALS)
        ]


def trainable(names: Sequence[str]) -> list[Adapter]:
    """As loaded, but refuse engines that only have ops, and no layers or optimizers."""
    found = loaded(names)
    for engine in found:
        if lacking := [part for part in TRAINING if not hasattr(engine.package, part)]:
            raise click.UsageError(
                f"{engine.name} has no {', '.join(lacking)}: it cannot train, its ops alone can be"
                " checked and timed"
            )
    return found


def require_known(kind: str, names: Sequence[str], every: Sequence[str]) -> None:
    """Raise UsageError if one of the names is not in every."""
    for name in names:
        if name not in every:
            raise click.UsageError(unknown(kind, name, every))


def require_ops(names: Sequence[str]) -> None:
    """Raise UsageError if one of the names is no op; ask before torch is imported."""
    if names:
        require_known("op", names, [op for family in families().values() for op in family])


def unknown(kind: str, name: str, every: Sequence[str]) -> str:
    """The message for an unknown name: similar names in any case, or all if there are few."""
    spelt = {each.lower(): each for each in every}
    alike = difflib.get_close_matches(name.lower(), spelt, 5, 0.5) if len(every) > 8 else ()
    near = [spelt[each] for each in alike]
    there = "there is" if len(every) == 1 else "there are"
    hint = f"did you mean {', '.join(near)}?" if near else f"{there} {', '.join(every)}"
    return f"no {kind} {name!r}; {hint}"


class Commands(click.Group):
    """A group that, asked for a command that it lacks, names similar ones or all that it has."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        completing = ctx.resilient_parsing  # what is half typed, and no mistake
        if self.get_command(ctx, name) is None and not (completing or name.startswith("-")):
            raise click.UsageError(unknown("command", name, self.list_commands(ctx)), ctx)
        return super().resolve_command(ctx, args)


def require_writable(directory: Path) -> None:
    """Raise UsageError now if the directory cannot be written to; it need not exist yet.

    Nothing is created: what is interrupted before it writes leaves no empty folder behind.
    """
    if directory.is_file():
        raise click.UsageError(f"cannot write to {directory}: it is a file, not a folder")
    nearest = directory.absolute()
    try:
        while not (nearest.exists() or nearest.is_symlink()):
            nearest = nearest.parent
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise click.UsageError(f"cannot write to {directory}: {error.strerror}") from error


def _checked(ctx: Any, param: Any, file: Path | None) -> Path | None:
    if file is not None:
        require_writable(file.absolute().parent)
        from .environment import source

        source()  # results name it as it is now
    return file


JSON = click.option(
    "--json",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=_checked,
    help="Also write all results to this JSON file.",
)


def printed(table: Table, spare: int = 0) -> None:
    """Print a table; into a file or pipe in full width.

    spare: up to this many columns are dropped, from the right, if a terminal is too narrow.
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
        column.overflow = "fold"  # break a long number into lines rather than cut it
    terminal.print(table)


@contextmanager
def stage(title: str, total: int) -> Iterator[Callable[[], object]]:
    """A progress bar on a terminal; in a file, only the title. Call what it yields to advance."""
    terminal = Console(stderr=True)
    if not terminal.is_terminal:
        click.echo(title, err=True)
        yield lambda: None
        return
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=terminal) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)
