"""Run a training from the command line: checkpoints, the training itself, and its results."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from .. import files
from ..engines import Adapter
from ..environment import source
from ..usage import printed, refusing, require_writable, trainable
from .checkpoints import Checkpoints, difference
from .options import Plan
from .parallel import World, joined
from .progress import Display
from .results import data, table
from .running import run
from .settings import Settings
from .task import Task
from .training import DivergedError, Training

METRICS = "metrics.json"


def launch(plan: Plan, settings: Sequence[Settings], build: Callable[[Settings], Task]) -> int:
    """Train the task that build makes, once with each of the settings; return the exit status.

    The settings differ only in the optimizer and its learning rate. Processes started by MPI train
    together; only the first prints and writes. Raises ClickException, which is status 2, for
    options that cannot be followed.
    """
    world = joined()
    if world.size == 1:
        return trained(plan, settings, build, world)
    try:
        return trained(plan, settings, build, world)
    except click.ClickException as error:
        click.echo(f"parity: {error.format_message()}", err=True)
        status = 2
    except KeyboardInterrupt:
        status = 130
    except BaseException:
        traceback.print_exc()
        status = 1
    return world.abort(status)


def trained(
    plan: Plan, settings: Sequence[Settings], build: Callable[[Settings], Task], world: World
) -> int:
    """launch, in one process of the world."""
    entries = [
        (each.name if len(settings) == 1 else f"{each.name} {chosen.optimizer}", each, chosen)
        for each in trainable(plan.engines)
        for chosen in settings
    ]
    checkpoints = prepared(plan, {name: engine for name, engine, _ in entries})
    with refusing(OSError, ValueError, ImportError, MemoryError):
        task = build(settings[0])
        trainings = [
            Training(engine, task, chosen, name, world) for name, engine, chosen in entries
        ]
        if plan.resume and plan.out is not None:
            resume(trainings, checkpoints)
            require_all(checkpoints, plan.out)
    if world.size > 1:
        for each in trainings:
            tell(each, f"{each.name}: {world.size} processes, summed by {each.door.way}")
    first = min(each.step for each in trainings)
    try:
        with (
            refusing(OSError, MemoryError),
            Display(task.name, task.settings, first, task.unit, world.rank > 0) as display,
        ):
            run(trainings, checkpoints, display)
    except DivergedError as error:
        # All processes have the same loss and weights, so all of them stop here.
        if world.rank == 0:
            click.echo(f"parity: {error}; {newest(checkpoints)}", err=True)
        return 1
    except KeyboardInterrupt:
        click.echo(f"parity: {newest(checkpoints, 'the same command with --resume')}", err=True)
        raise
    except click.ClickException as error:
        again = newest(checkpoints, "--resume, once that is mended,")
        raise click.ClickException(f"{error.message}; {again}") from error
    if world.rank == 0:
        report(trainings, plan.out)
    return 0


def prepared(plan: Plan, engines: Mapping[str, Adapter]) -> dict[str, Checkpoints]:
    """The checkpoints of each training by name; none without --out, which must be writable."""
    if plan.out is None:
        return {}
    require_writable(plan.out)
    source()  # results name it as it is now
    checkpoints = {
        name: Checkpoints(plan.out / name.replace(" ", "-"), engine)
        for name, engine in engines.items()
    }
    if not plan.resume:
        require_new(checkpoints, plan.out)
    for store in checkpoints.values():
        require_writable(store.folder)
    return checkpoints


def report(trainings: Sequence[Training], out: Path | None) -> None:
    """Write the results, if there is a folder for them, and print them."""
    if out is not None:
        write(trainings, out)  # before printing, which fails if the output pipe is closed
    printed(table(trainings))
    for training in trainings:
        if closing := training.closing():
            name = "" if len(trainings) == 1 else f"{training.name}:\n"
            click.echo(f"\n{name}{closing}")
    if out is not None:
        click.echo(f"\nwritten: metrics.json, curve.png and the checkpoints, in {out}")


def require_new(checkpoints: Mapping[str, Checkpoints], out: Path) -> None:
    """Refuse a folder that already has checkpoints of one of the trainings, or results of any."""
    for each in checkpoints.values():
        if paths := each.paths():
            raise click.UsageError(
                f"{paths[-1]} exists already: --resume goes on from there, or choose another --out"
            )
    if (results := out / METRICS).exists():
        raise click.UsageError(f"{results} exists already: choose another --out")


def require_all(checkpoints: Mapping[str, Checkpoints], out: Path) -> None:
    """Refuse a folder with results of further trainings, which would be lost.

    Raises ValueError, or OSError if the results cannot be read.
    """
    if (results := out / METRICS).exists():
        held = files.load(results, "holds no results of parity train", lambda v: [*v["trainings"]])
        if lost := [name for name in held["trainings"] if name not in checkpoints]:
            raise ValueError(
                f"{results} holds the results of {', '.join(lost)}, which would be lost: "
                "name all that it holds, or choose another --out"
            )


def resume(trainings: Sequence[Training], checkpoints: Mapping[str, Checkpoints]) -> None:
    """Load every training's newest checkpoint; raises ValueError if it is of another training."""
    for training in trainings:
        store = checkpoints[training.name]
        state = store.load()
        if state is None:
            tell(training, f"no checkpoint in {store.folder} yet: from the beginning")
            continue
        if (trained := state["engine"]) != training.engine.name:
            raise ValueError(f"{store.folder} is of another training: by {trained}")
        if differs := difference(state, training.task, training.settings):
            raise ValueError(f"{store.folder} is of another training: with {differs}")
        if state["step"] > training.task.settings.steps:
            raise ValueError(
                f"{store.folder} is at step {state['step']} already, "
                f"beyond --steps {training.task.settings.steps}"
            )
        training.load_state_dict(state)
        tell(training, f"{training.name}: on from step {training.step} of {store.folder}")


def tell(training: Training, sentence: str) -> None:
    """Print a sentence to stderr, once for all processes."""
    if training.world.rank == 0:
        click.echo(sentence, err=True)


def newest(checkpoints: Mapping[str, Checkpoints], again: str = "") -> str:
    """Name the newest checkpoints; again: how to continue from there."""
    found = [str(paths[-1]) for each in checkpoints.values() if (paths := each.paths())]
    if not found:
        return "no checkpoint was written"
    if again:
        return f"{again} goes on from {', '.join(found)}"
    return f"the last checkpoint before it is {', '.join(found)}"


def write(trainings: Sequence[Training], out: Path) -> None:
    """Write metrics.json and curve.png."""
    from .curve import png

    with refusing(OSError):
        files.dump(out / METRICS, data(trainings))
        files.replace(out / "curve.png", [png(trainings)])
