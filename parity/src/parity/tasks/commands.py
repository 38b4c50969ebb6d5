"""parity train: one command for each task."""

from __future__ import annotations

import click

from .options import Plan, trains
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
