"""The parity command: check engines, report on them, and train with them.

Exit status: 0 success; 1 a check failed, a training diverged, or the output pipe was closed; 2 it
cannot be done as asked, as with bad usage, a missing package or a full disk; 130 interrupted.
torch takes seconds to import, so whatever needs it is imported by the command that does.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from . import files
from .adding import new_op
from .bench.commands import bench
from .families import parts
from .listing import engines, ops
from .report.commands import report
from .tasks.commands import generate, train
from .tasks.data.commands import data
from .usage import (
    ENGINES,
    JSON,
    Commands,
    loaded,
    printed,
    refusing,
    require_known,
    require_ops,
    sentence,
    several,
    stage,
)

if TYPE_CHECKING:
    from .checks import Item
    from .engines import Adapter
    from .mutants import Score

FEW = 40  # up to this many results are listed one by one


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    try:
        status = app(args=arguments, prog_name="parity", standalone_mode=False)
        print(end="", flush=True)  # unlike sys.stdout.flush(), also where stdout is closed
    except click.exceptions.NoArgsIsHelpError as error:  # a group of commands, and none of them
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        click.echo(f"parity: {error.format_message()}", err=True)
        return 2
    except ModuleNotFoundError as error:
        if (error.name or "parity").partition(".")[0] == "parity":
            raise  # our own bug, not a package to install
        click.echo(f"parity: {needed(error)}", err=True)
        return 2
    except BrokenPipeError:  # as after `| head`: quiet, as click and rich are
        discard_stdout()
        return 1
    except OSError as error:  # such as a full disk under stdout
        discard_stdout()
        click.echo(f"parity: {sentence(error)}", err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("parity: interrupted", err=True)
        return 130
    return status if isinstance(status, int) else 0


def discard_stdout() -> None:
    """Drop buffered output: Python would flush it again at exit, fail, and change the status."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def needed(error: ModuleNotFoundError) -> str:
    """The message for a package that parity itself could not import."""
    package = (error.name or "").partition(".")[0]
    return f"parity needs the package {package}: pip install {package}"


@click.group(cls=Commands, context_settings={"max_content_width": 110})
def app() -> None:
    """Judge automatic differentiation engines against torch, and train them on tasks."""


app.add_command(engines)
app.add_command(ops)
app.add_command(new_op)
app.add_command(report)
app.add_command(bench)
app.add_command(data)
app.add_command(train)
app.add_command(generate)


@app.command()
@ENGINES
@several("--op", "Only these ops.")
@several("--layer", "Only these layers, losses and models, such as Linear or GPT.")
@several("--optimizer", "Only these optimizers and schedulers, such as Adam.")
@several("--case", "Only these cases, such as softmax[2].")
@several("--check", "Only these checks, such as backward.")
@several("--dtype", "Only these dtypes.")
@several("--run", "Check these training runs, such as gpt-tiny, instead of single cases.")
def check(
    engine: tuple[str, ...],
    op: tuple[str, ...],
    layer: tuple[str, ...],
    optimizer: tuple[str, ...],
    case: tuple[str, ...],
    check: tuple[str, ...],
    dtype: tuple[str, ...],
    run: tuple[str, ...],
) -> int:
    """Check ops, layers, optimizers or training runs against torch."""
    names = (*op, *layer, *optimizer)
    if run and (names or case or check):
        raise click.UsageError(
            "--run trains whole models: leave out --op, --layer, --optimizer, --case and --check"
        )
    built, of_cases = parts(), [stem(name) for name in case]
    known = [name for members in built.values() for name in members]
    require_ops([*op, *(name for name in of_cases if name not in known)])
    require_known("layer", layer, [*built["layer"], *built["model"]])
    require_known("optimizer", optimizer, [*built["optimizer"], *built["scheduler"]])
    chosen = loaded(engine)
    from . import checks
    from .report.words import listed
    from .spec.runs import RUNS

    for name in case:
        require_case(name)
    require_known("check", check, list(checks.CHECKS))
    require_known("run", run, [each.name for each in RUNS])
    require_known("dtype", dtype, sorted({name for each in chosen for name in each.dtypes}))

    differences = (not check or "differences" in check) and (not dtype or "float64" in dtype)
    kinks = kink_sentences(names, case) if differences and not run else []
    # Select everything before checking anything, so that a wrong option is refused at once.
    selected: list[tuple[Adapter, list[str], list[Item]]] = []
    lacking = []
    for each in chosen:
        if absent := [name for name in dtype if name not in each.dtypes]:
            lacking.append(f"{each.name} has no {listed(absent)}")
        dtypes = [name for name in each.dtypes if not dtype or name in dtype]
        items = [
            item
            for item in (() if run else checks.cases(each, names or of_cases or None))
            if (not case or item.case.id in case) and (not check or item.check in check)
            if item.dtype in dtypes
        ]
        if items or (run and dtypes):
            selected.append((each, dtypes, items))
        elif dtypes:
            lacking.append(f"{each.name} has no check that fits all of these options")
    if lacking and (engine or not selected):
        raise click.UsageError("; ".join([*lacking, *kinks]))
    for reason in lacking:
        click.echo(f"– skipped: {reason}")

    failed = [run_checks(each, dtypes, items, run) for each, dtypes, items in selected]
    for reason in kinks:
        click.echo(reason)
    return int(sum(failed) > 0)


def stem(case: str) -> str:
    """The op or part of a case, or of a call to be refused: softmax of softmax[2] and softmax!0."""
    return re.split(r"[\[!]", case)[0]


def require_case(name: str) -> None:
    """Refuse a case that its op or part does not have, and say which ones it has."""
    from .spec import BUILT, BY_NAME

    entry = BY_NAME.get(stem(name)) or BUILT[stem(name)]
    refusals = getattr(entry, "rejects", ())
    if name not in [call.id for call in (*entry.cases, *refusals)]:
        has = f"{entry.name} has cases [0] to [{len(entry.cases) - 1}]"
        if refusals:
            has += f", and refusals !0 to !{len(refusals) - 1}"
        raise click.UsageError(f"no case {name!r}; {has}")


def kink_sentences(names: Sequence[str], case_ids: Sequence[str]) -> list[str]:
    """Why some of the chosen cases have no differences check; no names or ids mean all."""
    from . import spec
    from .report.verdict import grouped
    from .report.words import plural

    reasons = (
        (case.id, case.kink)
        for op in spec.OPS
        for case in op.cases
        if case.kink and (not names or op.name in names) and (not case_ids or case.id in case_ids)
    )
    return [
        f"no finite differences at {plural(row['count'], 'case')}: {row['reason']}"
        for row in grouped(reasons)
    ]


def run_checks(
    engine: Adapter, dtypes: Sequence[str], items: Sequence[Item], run_names: Sequence[str]
) -> int:
    """Run the checks and training runs of one engine, print the results, and count the failures."""
    from .report import entries, lines, watched
    from .spec.runs import RUNS

    trained = [
        result
        for run in RUNS
        if run.name in run_names
        for result in watched.train(engine, run, dtypes, stage)
    ]
    results = watched.judge(engine, items, stage) if items else []
    one = len({result.case for result in results}) == 1  # as in the command of a failure
    for result in results:
        if one and result.traceback:
            click.echo(result.traceback)
        if result.status == "failed" or len(results) <= FEW:
            click.echo(lines.of_check(result))
    for training in trained:
        if training.traceback:
            click.echo(training.traceback)
        click.echo(lines.of_training(training))
    summary = entries.engine(engine, results, trained)
    click.echo(lines.of_engine(summary))
    return summary["failed"]


@app.command()
@ENGINES
@several("--op", "Only these ops.")
@click.option(
    "--processes",
    type=click.IntRange(min=2),
    default=20,
    show_default=True,
    help="Number of processes, with different hash seeds and thread counts.",
)
def determinism(engine: tuple[str, ...], op: tuple[str, ...], processes: int) -> int:
    """Check that every op gives the same bits in every process."""
    require_ops(op)
    chosen = loaded(engine)
    from .report import lines, watched

    results = [watched.repeat(each, op, processes, stage) for each in chosen]
    for result in results:
        click.echo(lines.of_determinism(result))
    return int(any(result.status == "failed" for result in results))


@app.command()
@ENGINES
@several("--op", "Only the gradients of these ops.")
@click.option("--jobs", type=click.IntRange(min=1), help="Worker processes.  [default: all cores]")
@JSON
def mutants(
    engine: tuple[str, ...], op: tuple[str, ...], jobs: int | None, file: Path | None
) -> int:
    """Break one gradient at a time; list what no case notices."""
    require_ops(op)
    chosen = loaded(engine)
    from . import mutants
    from .pool import cores

    with refusing(mutants.NothingToJudgeError):
        scores = [mutants.score(each, op, jobs or cores(), stage) for each in chosen]
    for score in scores:
        print_score(score)
    if file is not None:
        files.dump(file, [score.data() for score in scores])
    return int(not all(score.passed for score in scores))


def print_score(score: Score) -> None:
    """Print how many mutants each function had and lost, every survivor, and the total."""
    from .mutants import place, share
    from .report.words import plural

    table = Table(score.engine, "mutants", "killed", "equivalent", "survived", "score")
    for name, judged in {**score.by_function(), "all": score.verdicts}.items():
        killed = sum(bool(each.killer) for each in judged)
        same = sum(each.mutant in score.equivalents and not each.killer for each in judged)
        counts = (len(judged), killed, same, len(judged) - killed - same)
        table.add_row(name, *map(str, counts), f"{share(judged, score.equivalents):.1%}")
    printed(table)
    for each in score.survivors:
        wrong = each.mutant
        click.echo(f"✗ {place(wrong)} {wrong.kind}: {wrong.original} → {wrong.mutated}")
    for entry in score.false:
        click.echo(f"✗ equivalents.py has an entry that matches no survivor: {entry}")
    excused = len(score.equivalents)
    graded = plural(len(score.verdicts) - excused, "mutant")
    graded += f", {excused} excused" if excused else ""
    mark = "✓" if score.passed else "✗"
    click.echo(f"{mark} {score.engine}: {score.share:.2%} of {graded}, {score.seconds:.0f} s")


@app.command()
@ENGINES
@several("--op", "Only graphs of these ops.")
@click.option(
    "--seconds", type=click.IntRange(min=1), default=30, show_default=True, help="Time per engine."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the graphs."
)
def fuzz(engine: tuple[str, ...], op: tuple[str, ...], seconds: int, seed: int) -> int:
    """Compare engines with torch on random graphs of ops.

    A failure is shrunk, and printed as a program.
    """
    require_ops(op)
    chosen = loaded(engine)
    from . import fuzz, spec
    from .report.words import plural

    for name in op:
        if name in fuzz.UNDRAWN:
            raise click.UsageError(f"no random graph has {name}: {fuzz.UNDRAWN[name]}")
    failed = 0
    for each in chosen:
        ops = [name for name in op or spec.BY_NAME if name in each.ops and name not in fuzz.UNDRAWN]
        if not ops:
            raise click.UsageError(f"{each.name} does not have {' or '.join(op)}")
        if refusal := next(filter(None, map(fuzz.refused, ops)), ""):
            raise click.ClickException(refusal)
        with stage(f"{each.name}: random graphs for {seconds} s", seconds) as advance:
            found = fuzz.hunt(each, ops, fuzz.seeds(seed, seconds, advance))
        graphs = f"{plural(found.graphs, 'graph')} of {plural(len(found.ops), 'op')}"
        click.echo(f"{'✗' if found.failure else '✓'} {each.name}: right on {graphs}")
        if found.failure:
            failed += 1
            click.echo(f"\n{found.failure.program()}")
    return int(failed > 0)
