"""parity bench: time ops, training and generation on engines and their rivals."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from .. import files
from ..tasks.presets import PRESETS
from ..usage import (
    ENGINES,
    JSON,
    UNUSABLE,
    Commands,
    loaded,
    printed,
    refusing,
    require_known,
    require_ops,
    several,
    stage,
    trainable,
)
from . import PAIRS

if TYPE_CHECKING:
    from ..engines import Adapter
    from .ceilings import Ceilings
    from .items import Item
    from .rows import Row
    from .timing import Spread

ROUNDS = "Number of rounds; in each, every contestant has one turn."
THREADS = click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Threads of every contestant.",
)
SIZES = click.Choice(("small", "brief", "gpt", "large"))


def rounds(default: int | None, help: str = ROUNDS) -> Callable[[Any], Any]:
    return click.option(
        "--pairs",
        type=click.IntRange(min=2),
        default=default,
        show_default=default is not None,
        help=help,
    )


@click.group(cls=Commands, invoke_without_command=True)
@click.option(
    "--compare",
    nargs=2,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="BEFORE AFTER",
    help="List what got faster or slower between two result files.",
)
@click.option("--fail-on-regression", is_flag=True, help="Exit with 1 if --compare finds one.")
@click.pass_context
def bench(
    context: click.Context, compare: tuple[Path, Path] | None, fail_on_regression: bool
) -> int:
    """Time engines against rivals.

    Results are compared first. Contestants take turns, and each is timed as a ratio to the rival in
    the same round. Tables show the median ratio and its quartiles.
    """
    if context.invoked_subcommand is not None:
        if compare:
            raise click.UsageError("--compare only reads two files: it takes no benchmark")
        return 0
    if compare is None:
        if fail_on_regression:
            raise click.UsageError("--fail-on-regression needs --compare")
        click.echo(context.get_help())
        return 0
    from . import rows
    from .comparing import changes

    with refusing(ValueError):
        every = changes(*map(rows.read, compare))
    found = [change for change in every if change.beyond_noise]
    table = Table("change", "before", "after", "engine / rival", "phase", "item")
    for change in found:
        before, after = change.before, change.after
        table.add_row(
            f"{change.factor:.2f}×",
            _spread(before),
            _spread(after),
            f"{after.engine} / {after.against}",
            after.phase,
            after.item,
        )
    if found:
        printed(table)
    slower = sum(change.slower for change in found)
    click.echo(
        f"of {len(every)} measurements {slower} slower and {len(found) - slower} faster"
        " beyond the noise"
    )
    return int(fail_on_regression and slower > 0)


@bench.command()
@ENGINES
@several("--op", "Only these ops.")
@click.option(
    "--size",
    type=SIZES,
    multiple=True,
    default=("gpt",),
    show_default=True,
    help="Size of the inputs; repeat it to see how time grows.",
)
@several("--against", "Engines to compare with.  [default: torch]")
@THREADS
@rounds(PAIRS)
@JSON
def ops(
    engine: tuple[str, ...],
    op: tuple[str, ...],
    size: tuple[str, ...],
    against: tuple[str, ...],
    threads: int,
    pairs: int,
    file: Path | None,
) -> None:
    """Time every op: forward alone, and forward with backward."""
    require_ops(op)
    rivals = against or ("torch",)
    chosen = [each for each in loaded(engine) if each.name not in rivals]
    loaded(rivals)
    from .. import engines
    from . import ops as work
    from . import rows
    from .ceilings import Ceilings
    from .workloads import NOTHING, untimed

    if not chosen:
        raise click.UsageError("an engine cannot be its own rival: name another --against")
    for name in untimed(op):
        if op:
            raise click.UsageError(f"{name} has {NOTHING}")
        click.echo(f"– skipped: {name} has {NOTHING}")
    plans = {each: work.planned(chosen, op, each) for each in dict.fromkeys(size)}
    total = sum(len(works) for plan in plans.values() for _, _, works in plan)
    ceilings = Ceilings((*map(engines.load, rivals), *chosen), threads)
    effort = threads, pairs
    found: list[Row] = []
    with refusing(*UNUSABLE), stage(f"workloads: {total}", total) as advance:
        for each in plans:
            found += work.measure(chosen, op, each, rivals, *effort, advance, ceilings)
    _table(found, chosen, threads, 1e6, "µs")
    for line in rows.summaries(found):
        click.echo(line)
    for curve in rows.curves(found):
        click.echo(
            f"{curve.op}, {curve.phase}: n ** {curve.exponent:.2f} on {curve.engine},"
            f" n ** {curve.against_exponent:.2f} on {curve.against}"
        )
    _write(file, found, chosen, rivals, threads, ceilings)


@bench.command()
@ENGINES
@several("--item", "Only these models, such as names.")
@THREADS
@rounds(None, f"{ROUNDS}  [default: the model's]")
@click.option("--profile", is_flag=True, help="Also profile where the time of a step goes.")
@JSON
def steps(
    engine: tuple[str, ...],
    item: tuple[str, ...],
    threads: int,
    pairs: int | None,
    profile: bool,
    file: Path | None,
) -> None:
    """Time training steps, and measure their peak memory.

    A step is forward, backward and the optimizer.
    """
    chosen = trainable(engine)
    from . import steps as work
    from .ceilings import Ceilings
    from .contestants import keeps_memory
    from .items import items

    plan = _plan(chosen, items, item)
    ceilings = Ceilings(chosen, threads)
    found: list[Row] = []
    with refusing(*UNUSABLE), stage(f"work items: {len(plan)}", len(plan)) as advance:
        for each, one in plan:
            rows: list[Row] = []
            for collector in (True, False):
                rows += work.run(one, each, pairs, collector, threads)
            if keeps_memory(each):
                rows += work.run(one, each, pairs, collector=True, threads=threads, kept=True)
            rows = work.with_costs(rows, one, each, ceilings, threads)
            rows = work.with_memory(rows, one, each, threads)
            found += work.with_shares(rows, one, each) if profile else rows
            advance()
    _table(found, chosen, threads, 1e3, "ms")
    for row in found:
        if row.shares and row.collector:
            parts = ", ".join(f"{name} {share:.0%}" for name, share in row.shares.items())
            click.echo(f"{row.engine}, {row.item}: {parts}")
    _write(file, found, chosen, ["torch"], threads, ceilings)


@bench.command()
@ENGINES
@several("--item", "Only these models, such as cpu.")
@THREADS
@rounds(PAIRS)
@JSON
def generation(
    engine: tuple[str, ...],
    item: tuple[str, ...],
    threads: int,
    pairs: int,
    file: Path | None,
) -> None:
    """Time how long a GPT with its key-value cache takes per token."""
    chosen = trainable(engine)
    from . import generation as work

    plan = _plan(chosen, work.items, item)
    found: list[Row] = []
    with refusing(*UNUSABLE), stage(f"models: {len(plan)}", len(plan)) as advance:
        for each, one in plan:
            found += work.run(one, each, pairs, threads)
            advance()
    _table(found, chosen, threads, 1e3, "ms")
    _write(file, found, chosen, ["torch"], threads)


@bench.command()
@several("--engine", "Only these engines.  [default: minigrad]")
@click.option(
    "--preset",
    type=click.Choice(tuple(PRESETS)),
    default="cpu",
    show_default=True,
    help="Model to train; each process has this preset's batch.",
)
@rounds(30)
def parallel(engine: tuple[str, ...], preset: str, pairs: int) -> None:
    """Time training in several processes against one.

    Each process has the work of the one. Run it under MPI: mpiexec -n 2 parity bench parallel
    """
    chosen = trainable(engine or ("minigrad",))
    from ..tasks.parallel import joined
    from ..threads import pinned
    from . import parallel as work

    with refusing(*UNUSABLE):
        world = joined()
    if world.size == 1:
        raise click.UsageError("needs several processes: mpiexec -n 2 parity bench parallel")
    table = Table(
        *("engine", "the same work for each process", "ms a step", "times those of one process"),
        caption=_machine(chosen, 1),
    )
    with refusing(*UNUSABLE), pinned(1, chosen):
        for each in chosen:
            for turn, spread, share in work.compared(work.measured(each, preset, world, pairs)):
                cells = (f"{spread.median * 1e3:.1f}", _quartiles(share, 2))
                table.add_row(each.name, turn, *cells)
    if world.rank == 0:
        printed(table)


def _plan(
    chosen: Sequence[Adapter], items: Callable[[Adapter], Sequence[Item]], names: Sequence[str]
) -> list[tuple[Adapter, Item]]:
    """Pairs of an engine and an item to time; names: only these items."""
    chosen = [each for each in chosen if each.name != "torch"]
    if not chosen:
        raise click.UsageError("torch is the rival here: name another --engine")
    require_known(
        "item", names, list(dict.fromkeys(item.name for each in chosen for item in items(each)))
    )
    return [
        (each, item) for each in chosen for item in items(each) if item.name in names or not names
    ]


def _table(
    found: Sequence[Row], chosen: Sequence[Adapter], threads: int, unit: float, symbol: str
) -> None:
    """Print the rows by phase, the worst ratio first."""
    columns = (
        *("ratio", "contestant / rival", "phase", "work", symbol, f"rival's {symbol}", "apart"),
        *("peak MB", "rival's MB", "collector"),
    )
    table = Table(*columns, caption=_machine(chosen, threads))
    for row in sorted(found, key=lambda row: (row.phase, row.against, -row.ratio)):
        memory = (row.cost.memory, row.against_cost.memory)
        table.add_row(
            _spread(row),
            f"{row.engine} / {row.against}",
            row.phase,
            row.item,
            f"{row.seconds * unit:.2f}",
            f"{row.against_seconds * unit:.2f}",
            "" if row.apart is None else f"{row.apart:.1f} eps",
            *("" if size is None else f"{size / 1e6:.2f}" for size in memory),
            "on" if row.collector else "off",
        )
    table.columns[0].no_wrap = True
    printed(table, spare=4)


def _spread(row: Row) -> str:
    """The ratio of a row, with its quartiles."""
    return _quartiles(row.spread, 2 if row.low >= 0.1 else 4)


def _quartiles(spread: Spread, digits: int) -> str:
    """The median, and the quartiles in brackets."""
    return f"{spread.median:.{digits}f} [{spread.low:.{digits}f}, {spread.high:.{digits}f}]"


def _machine(chosen: Sequence[Adapter], threads: int) -> str:
    """The machine, and what runs the engines that do not run on its CPU."""
    from ..environment import cpu, executor

    runs = [f"{each.name} on {executor(each)}" for each in chosen if executor(each) != "CPU"]
    many = f"{threads} thread{'s' * (threads > 1)}"
    return "; ".join([f"Python {platform.python_version()} on {cpu()}, {many}", *runs])


def _write(
    file: Path | None,
    found: Sequence[Row],
    chosen: Sequence[Adapter],
    rivals: Sequence[str],
    threads: int,
    ceilings: Ceilings | None = None,
) -> None:
    """Write the results to the file of --json, if there is one."""
    if file is None:
        return
    from .. import engines
    from . import rows

    everyone = (*chosen, *map(engines.load, rivals))
    files.dump(file, rows.document(found, everyone, threads, ceilings))
