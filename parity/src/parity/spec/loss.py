"""What it means to be wrong: how far a prediction is from its target, as one number."""

from __future__ import annotations

from math import inf, nan

from torch.nn import functional

from .case import Case, Op, Reject, bools, integers, ints, randn, uniform, values
from .reasons import INFINITE, NO_ELEMENTS, ONE_OPTION

TARGETS = ints([2, 0, 4])

OPS = (
    Op(
        "cross_entropy",
        functional.cross_entropy,
        Case(randn(3, 5), TARGETS),
        Case(randn(3, 5), TARGETS, reduction="mean"),
        Case(randn(3, 5), TARGETS, reduction="sum"),
        Case(randn(3, 5), TARGETS, reduction="none"),
        Case(randn(5), ints(3)),
        Case(randn(5), ints(3), reduction="none"),
        Case(randn(2, 5, 3), integers(2, 3, low=0, high=5)),
        Case(randn(2, 5, 3), integers(2, 3, low=0, high=5), reduction="none"),
        Case(randn(2, 4, 3, 1), integers(2, 3, 1, low=0, high=4), reduction="sum"),
        Case(randn(1, 5), ints([4]), why="one row"),
        Case(randn(3, 37), ints([36, 0, 36]), why="more classes than a block of 32 threads"),
        Case(randn(37, 3), integers(37, low=0, high=3)),
        Case(randn(4, 5), ints([2, -100, 0, -100]), why="two of four are ignored"),
        Case(randn(4, 5), ints([2, -100, 0, -100]), reduction="none"),
        Case(randn(4, 5), ints([2, 1, 0, 1]), ignore_index=1),
        Case(randn(4, 5), ints([2, -1, 0, 3]), ignore_index=-1, reduction="sum"),
        Case(randn(2, 5, 3), ints([[0, 4, -100], [-100, 2, 2]])),
        Case(
            randn(2, 5),
            ints([-100, -100]),
            kink=INFINITE,
            flat="all targets are ignored",
            why="a mean over nothing is NaN",
        ),
        Case(randn(2, 5), ints([-100, -100]), reduction="sum", flat="all targets are ignored"),
        Case(randn(3, 1), ints([0, 0, 0]), flat=ONE_OPTION),
        Case(
            values([[1000.0, 0.0], [30.0, -30.0], [-1000.0, -1001.0]]),
            ints([1, 1, 0]),
            why="only the subtracted maximum holds it up",
        ),
        Case(
            values([[-inf, 0.5, 1.0], [0.5, -inf, 2.0]]),
            ints([1, 2]),
            why="a class that cannot be",
        ),
        rejects=[
            Reject(IndexError, randn(3, 5), ints([2, 0, 5])),
            Reject(IndexError, randn(3, 5), ints([2, 0, -1])),
            Reject(IndexError, randn(5), ints(5)),
            Reject(ValueError, randn(3, 5), ints([2, 0])),
            Reject(ValueError, randn(3, 5), ints([[2, 0, 1]])),
            Reject(ValueError, randn(2, 5, 3), integers(2, 4, low=0, high=5)),
            Reject(ValueError, randn(3, 5), TARGETS, reduction="average"),
            Reject(TypeError, randn(3, 5), values([2.0, 0.0, 4.0])),
            Reject(TypeError, integers(3, 5, low=0, high=9), TARGETS),
        ],
    ),
    Op(
        "mse_loss",
        functional.mse_loss,
        Case(randn(2, 3, 5), randn(2, 3, 5)),
        Case(randn(2, 3), randn(2, 3), reduction="mean"),
        Case(randn(2, 3), randn(2, 3), reduction="sum"),
        Case(randn(2, 3), randn(2, 3), reduction="none"),
        Case(randn(), randn()),
        Case(randn(1, 5), randn(1, 5)),
        Case(randn(37), randn(37), why="more elements than a block of 32 threads"),
        Case(randn(3), ints([1, -2, 4])),
        Case(uniform(3, low=1e3, high=2e3), uniform(3, low=-2e3, high=-1e3), why="far apart"),
        Case(
            randn(3, 0),
            randn(3, 0),
            flat=NO_ELEMENTS,
            kink=INFINITE,
            why="the mean of nothing is NaN",
        ),
        Case(randn(3, 0), randn(3, 0), reduction="sum", flat=NO_ELEMENTS),
        Case(
            values([inf, nan, 1.0]),
            values([1.0, 2.0, 3.5]),
            reduction="none",
            kink=INFINITE,
            why="each stays where it is",
        ),
        rejects=[
            Reject(ValueError, randn(2, 3), randn(4)),
            Reject(ValueError, randn(3), randn(3), reduction="batchmean"),
            Reject(TypeError, ints([1, 2, 3]), ints([4, 5, 6])),
            Reject(TypeError, bools([True, False]), bools([True, True])),
        ],
    ),
)
