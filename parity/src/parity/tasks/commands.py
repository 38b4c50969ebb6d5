"""parity train: one command for each task."""

from __future__ import annotations

from pathlib import Path

import click

from .options import FOLDER, Plan, trains
from .settings import Settings


@click.group()
def train() -> None:
    """Train an engine, or several side by side, on one of the tasks."""


XOR = Settings(steps=5000, batch_size=4, optimizer="SGD", lr=0.3, eval_every=500)


@train.command()
@trains(XOR)
def xor(plan: Plan) -> int:
    """The truth table of XOR, by a network of four sigmoids."""
    from .launching import launch
    from .xor import Xor

    return launch(plan, plan.settings(XOR), Xor)


MOONS = Settings(steps=500, batch_size=50, optimizer="Adam", lr=1e-2)


@train.command()
@trains(MOONS)
def moons(plan: Plan) -> int:
    """Which of two half moons a point belongs to, by a network of two hidden layers."""
    from .launching import launch
    from .moons import Moons

    return launch(plan, plan.settings(MOONS), Moons)


SALES = Settings(steps=1, batch_size=256, optimizer="Adam", schedule="cosine")


@train.command()
@trains(SALES, steps="5 epochs", eval_every="1 epoch", lr="0.003; 0.1 with SGD")
@click.option(
    "--data", "file", type=click.Path(path_type=Path), help="File of sales, tab-separated."
)
def sales(plan: Plan, file: Path | None) -> int:
    """What a sale comes to, from a file of sales, by a network of one hidden layer."""
    if file is None:
        raise click.UsageError("say which sales with --data; parity data sales writes some")
    from .data.sales import read
    from .launching import launch, refusing
    from .sales import SalesTotals, defaults

    with refusing(OSError, ValueError):
        found = read(file)
        settings = plan.settings(defaults(found, plan.settings(SALES)))
    if skipped := found.skipped():
        click.echo(skipped, err=True)
    return launch(plan, settings, lambda settings: SalesTotals(settings, found))


DIGITS = Settings(steps=1000, batch_size=64, optimizer="Adam", lr=5e-3, schedule="cosine")


@train.command()
@trains(DIGITS)
@click.option(
    "--data",
    "folder",
    type=FOLDER,
    help="Folder of MNIST's four files.  [default: scikit-learn's 1797 small images]",
)
@click.option("--download", is_flag=True, help="Download MNIST, to --data or else to the cache.")
def digits(plan: Plan, folder: Path | None, download: bool) -> int:
    """Which digit an image shows, by a network of two convolutions."""
    from .data.downloads import fetch
    from .digits import Digits
    from .launching import launch, refusing

    if download:
        with refusing(OSError):
            folder = fetch("mnist", folder)[0].parent
    return launch(plan, plan.settings(DIGITS), lambda settings: Digits(settings, folder))
