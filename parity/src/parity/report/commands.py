"""parity report: check engines and write the results as a page and as data."""

from __future__ import annotations

from pathlib import Path

import click

from ..usage import ENGINES, loaded, refusing, require_ops, require_writable, several, stage

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Directory to write.")
@ENGINES
@several("--op", "Only these ops, and no layers, optimizers or training runs.")
@click.option(
    "--steps", type=click.IntRange(min=1), help="Steps of each training run.  [default: its own]"
)
@click.option(
    "--quick",
    is_flag=True,
    help="Skip finite differences, planted faults, timing and all but one run.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Worker processes.  [default: all cores]")
@click.option("--baseline", type=FILE, help="An earlier report.json to compare with.")
@click.option("--fail-on-regression", is_flag=True, help="Exit with 1 if --baseline was better.")
@click.option(
    "--speed",
    type=FILE,
    help="A file from parity bench ops --json, instead of timing ops briefly.",
)
@click.option("--mutants", type=FILE, help="A file from parity mutants --json, to include.")
def report(
    out: Path,
    engine: tuple[str, ...],
    op: tuple[str, ...],
    steps: int | None,
    quick: bool,
    jobs: int | None,
    baseline: Path | None,
    fail_on_regression: bool,
    speed: Path | None,
    mutants: Path | None,
) -> int:
    """Check engines, and write a report.

    Its files are index.html, report.json, summary.md and junit.xml.
    """
    if fail_on_regression and baseline is None:
        raise click.UsageError("--fail-on-regression needs --baseline")
    require_writable(out)
    require_ops(op)
    chosen = loaded(engine)
    from ..bench import brief, comparing, rows
    from ..pool import cores
    from . import changes, collect, mutation, page, planning, verdict
    from . import speed as pace

    if op and steps:
        raise click.UsageError("--steps sets the length of training runs, which --op leaves out")
    with refusing(ValueError):
        before = baseline and changes.read(baseline, collect.SCHEMA_VERSION)
        handed = rows.read(speed) if speed else None
        scores = mutation.read(mutants) if mutants else []
    found = collect.collect(chosen, stage, planning.Asked(op, steps, quick, jobs or cores()))
    found["mutants"], found["speed"] = scores, handed
    here = rows.document([], chosen, brief.THREADS)
    if handed and not quick and (reason := comparing.unlike(handed, here)):
        click.echo(f"nothing is timed besides {speed}: {reason}")
    elif not quick:
        found["speed"] = pace.joined(handed, brief.measured(chosen, op, stage, ops=not handed))
    if before:
        found["changes"] = changes.since(found, before)
    for path in page.write(found, out):
        click.echo(path)
    click.echo(verdict.headline(found))
    if changed := found["changes"]:
        click.echo(f"Since {changed['baseline']['created']}: {changes.sentence(changed)}")
    regressed = fail_on_regression and changed is not None and changes.regressed(changed)
    return int(regressed or not found["passed"])
