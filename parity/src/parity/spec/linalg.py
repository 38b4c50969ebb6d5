"""What products of matrices mean."""

from __future__ import annotations

from math import inf, nan

import torch
from torch.nn import functional

from .case import Case, Op, Reject, integers, randn, values
from .reasons import INFINITE, NO_ELEMENTS

TILES = "several tiles of 8, none of them full at the edge"

OPS = (
    Op(
        "matmul",
        torch.matmul,
        Case(randn(3, 5), randn(5, 2)),
        Case(randn(5), randn(5)),
        Case(randn(3, 5), randn(5)),
        Case(randn(5), randn(5, 3)),
        Case(randn(9, 17), randn(17, 11), why=TILES),
        Case(randn(2, 3, 5), randn(2, 5, 4)),
        Case(randn(2, 3, 5), randn(5, 4)),
        Case(randn(3, 5), randn(2, 5, 4)),
        Case(randn(2, 1, 3, 5), randn(4, 5, 1), why="both sides broadcast"),
        Case(randn(2, 3, 5), randn(5)),
        Case(randn(5), randn(2, 5, 3)),
        Case(randn(3, 1), randn(1, 5)),
        Case(randn(1, 5), randn(5, 1)),
        Case(randn(3, 0), randn(0, 2), flat=NO_ELEMENTS, why="a sum of nothing is 0"),
        Case(
            values([[0.0, 1.0], [2.0, -1.0], [nan, 1.0]]),
            values([[inf], [3.0]]),
            kink=INFINITE,
            why="0 · inf is NaN, which stays in its row",
        ),
        rejects=[
            Reject(ValueError, randn(2, 3), randn(4, 5)),
            Reject(ValueError, randn(3), randn(4)),
            Reject(ValueError, randn(2, 3), randn(2)),
            Reject(ValueError, randn(2, 3, 5), randn(4, 5, 7)),
            Reject(ValueError, randn(), randn(3)),
            Reject(TypeError, randn(2, 3), 2.0),
            Reject(TypeError, integers(2, 3, low=0, high=9), randn(3, 4)),
        ],
    ),
    Op(
        "linear",
        functional.linear,
        Case(randn(3, 5), randn(2, 5), randn(2)),
        Case(randn(3, 5), randn(2, 5)),
        Case(randn(5), randn(3, 5), bias=randn(3)),
        Case(randn(5), randn(3, 5)),
        Case(randn(2, 3, 5), randn(4, 5), randn(4)),
        Case(randn(9, 17), randn(11, 17), randn(11), why=TILES),
        Case(randn(3, 1), randn(2, 1), randn(2)),
        Case(randn(3, 5), randn(1, 5), randn(1)),
        Case(randn(1, 5), weight=randn(3, 5), bias=None),
        Case(
            values([[inf, 1.0], [nan, 0.5], [1.5, -2.0]]),
            randn(3, 2),
            randn(3),
            kink=INFINITE,
            why="each stays in its row",
        ),
        rejects=[
            Reject(ValueError, randn(2, 3), randn(4, 5)),
            Reject(ValueError, randn(2, 3), randn(4, 3), randn(5)),
            Reject(ValueError, randn(2, 3), randn(2, 4, 3)),
            Reject(ValueError, randn(), randn(4, 3)),
            Reject(TypeError, integers(2, 3, low=0, high=9), randn(4, 3)),
        ],
    ),
)
