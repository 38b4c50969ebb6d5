"""What dropout means; a random case is judged by its distribution."""

from __future__ import annotations

from math import inf, nan

from torch.nn import functional

from .case import Case, Op, Reject, bools, ints, randn, uniform, values
from .reasons import BLOCK, INFINITE, NO_ELEMENTS

OPS = (
    Op(
        "dropout",
        functional.dropout,
        Case(randn(2, 3, 5), training=False),
        Case(randn(2, 3), 0.25, False),
        Case(randn(2, 3, 5), p=0.0),
        Case(randn(2, 3), 1.0, flat="nothing is left"),
        Case(randn(3, 0), flat=NO_ELEMENTS),
        Case(uniform(40, 30, low=0.5, high=2.0), p=0.5, chance="p"),
        Case(uniform(40, 30, low=0.5, high=2.0), p=0.25, training=True, chance="p"),
        Case(randn(), 0.25, training=False),
        Case(randn(37), training=False, why=BLOCK),
        Case(ints([1, -2, 3]), training=False),
        Case(values([nan, inf, -1.5]), training=False, kink=INFINITE, why="all of it goes through"),
        Case(
            values([nan, inf, -1.5]),
            p=1.0,
            kink=INFINITE,
            flat="nothing is left",
            why="to leave out is to multiply by 0",
        ),
        Case(ints([1, -2, 3]), 0.0, why="nothing is left out, so that integers stay what they are"),
        rejects=[
            Reject(ValueError, randn(2, 3), 1.5),
            Reject(ValueError, randn(2, 3), p=-0.25),
            Reject(ValueError, randn(2, 3), nan),
            Reject(ValueError, randn(2, 3), 2.0, training=False),
            Reject(TypeError, randn(2, 3), "0.5"),
            Reject(TypeError, randn(2, 3), training=None),
            Reject(TypeError, ints([1, 2, 3])),
            Reject(TypeError, bools([True, False])),
        ],
    ),
)
