"""What an embedding means: rows of a table, looked up by integer ids."""

from __future__ import annotations

from math import inf, nan

from torch.nn import functional

from .case import Case, Op, Reject, bools, integers, ints, randn, values
from .reasons import BLOCK, NO_ELEMENTS

OPS = (
    Op(
        "embedding",
        functional.embedding,
        Case(integers(2, 3, low=0, high=7), randn(7, 5)),
        Case(integers(4, low=0, high=7), randn(7, 5)),
        Case(ints([6, 0, 3]), weight=randn(7, 5)),
        Case(ints(2), randn(7, 5)),
        Case(ints([3, 3, 0, 3]), randn(7, 5), why="a row taken three times gets three gradients"),
        Case(integers(37, low=0, high=3), randn(3, 2), why="many threads write to few rows"),
        Case(ints([4, 1]), randn(7, 1)),
        Case(ints([[0, 0]]), randn(1, 5)),
        Case(ints([0, 39]), randn(40, 2)),
        Case(integers(3, 0, low=0, high=7), randn(7, 5), flat=NO_ELEMENTS),
        Case(integers(2, 1, 3, low=0, high=9), randn(9, 4)),
        Case(ints([3, 0]), randn(5, 37), why=BLOCK),
        Case(
            ints([1, 2, 1]),
            values([[nan, inf], [1.5, 1.0], [-0.5, 2.0]]),
            why="a row that is not asked for leaves no trace",
        ),
        Case(ints([1, 0]), ints([[1, 2], [3, 4]])),
        rejects=[
            Reject(IndexError, ints([0, 7]), randn(7, 5)),
            Reject(IndexError, ints([-1, 0]), randn(7, 5)),
            Reject(ValueError, ints([1, 2]), randn(7)),
            Reject(ValueError, ints([1, 2]), randn(7, 2, 3)),
            Reject(TypeError, values([1.0, 2.0]), randn(7, 5)),
            Reject(TypeError, bools([True, False]), randn(7, 5)),
        ],
    ),
)
