"""What the ops mean that create tensors: constants, ranges, random numbers."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import Any

import torch

from .case import Case, Op, Reject, bools, ints, randn

SIZES = (
    Case((2, 3, 5)),
    Case(37),
    Case(()),
    Case((1,)),
    Case((3, 0)),
    Case(0),
    Case([2, 3]),
    Case(size=(2, 3)),
    Case(2, 3, 5),
    Case(3, 0),
)
BAD_SIZES = (
    Reject(ValueError, (2, -1)),
    Reject(TypeError, (2.0, 3)),
    Reject(TypeError, None),
)
BAD_LENGTHS = (
    Reject(TypeError),
    Reject(ValueError, 2, -1),
    Reject(TypeError, 2.0, 3),
    Reject(TypeError, (2, 3), 5),
)
BAD_DTYPES = (
    Reject(TypeError, (2, 3), dtype=str),
    Reject(TypeError, (2, 3), dtype="floating"),
    Reject(TypeError, (2, 3), dtype=int, requires_grad=True),
)


def filled(name: str, meaning: Callable[..., Any]) -> Op:
    """What zeros and ones share."""
    return Op(
        name,
        meaning,
        *SIZES,
        Case((2, 3), dtype=None),
        Case(2, 3, dtype=int),
        Case((2, 3), dtype=float),
        Case((2, 3), dtype=int),
        Case((2, 3), dtype=bool),
        Case((2, 3), requires_grad=True, why="a leaf"),
        rejects=[*BAD_SIZES, *BAD_LENGTHS, *BAD_DTYPES],
    )


def filled_like(name: str, meaning: Callable[..., Any]) -> Op:
    """What zeros_like and ones_like share."""
    return Op(
        name,
        meaning,
        Case(randn(2, 3, 5)),
        Case(randn()),
        Case(randn(1)),
        Case(randn(37)),
        Case(randn(3, 0)),
        Case(ints([[3, 0, -4], [1, 2, 5]])),
        Case(bools([True, False])),
        Case(randn(2, 3), dtype=int),
        Case(randn(2, 3), dtype=bool),
        Case(ints([3, 0, -4]), dtype=float),
        Case(ints([3, 0, -4]), dtype=None),
        Case(randn(2, 3), requires_grad=True, why="a leaf"),
        Case(ints([3, 0, -4]), dtype=float, requires_grad=True, why="a leaf"),
        rejects=[
            Reject(TypeError, None),
            Reject(TypeError, (2, 3)),
            Reject(TypeError, randn(2), dtype=str),
            Reject(TypeError, ints([3, 0, -4]), requires_grad=True),
        ],
    )


def full(size: Any, fill_value: Any, **options: Any) -> torch.Tensor:
    """torch.full, which takes no int for a size, though torch.zeros does."""
    return torch.full((size,) if isinstance(size, int) else size, fill_value, **options)


OPS = (
    filled("zeros", torch.zeros),
    filled("ones", torch.ones),
    Op(
        "full",
        full,
        Case((2, 3, 5), 2.5),
        Case(37, -1.5),
        Case((), 2.5),
        Case((3, 0), 2.5),
        Case(size=(2, 3), fill_value=0.0),
        Case((2, 3), 7, why="of an integer: int64"),
        Case((2, 3), True, why="of a boolean: bool"),
        Case((2, 3), -inf, why="no number is special"),
        Case((2, 3), nan, why="no number is special"),
        Case((2, 3), 7, dtype=float),
        Case((2, 3), True, dtype=float),
        Case((2, 3), -2.75, dtype=int, why="towards zero: -2"),
        Case((2, 3), 0.5, dtype=bool, why="what is not 0 is true"),
        Case((2, 3), 2.5, requires_grad=True, why="a leaf"),
        rejects=[
            *(Reject(bad.error, *bad.args, 1.0) for bad in BAD_SIZES),
            *(Reject(bad.error, *bad.args, 1.0, **bad.kwargs) for bad in BAD_DTYPES),
            Reject(TypeError, (2, 3), 7, requires_grad=True),
            Reject(TypeError, (2, 3), None),
            Reject(TypeError, (2, 3), "1"),
            Reject(TypeError, (2, 3), randn(3)),
            Reject(ValueError, 2, nan, dtype=int),
        ],
    ),
    Op(
        "arange",
        torch.arange,
        Case(5),
        Case(37),
        Case(0),
        Case(2, 7),
        Case(-3, 4, 2),
        Case(5, -2, -3),
        Case(4, 4),
        Case(2, 7, 9),
        Case(2.5),
        Case(0.5, 3),
        Case(0, 1.0),
        Case(1, 2, 0.25),
        Case(1.0, -0.5, -0.5),
        Case(1, 0, -0.125),
        Case(1.0, 1.3, 0.1, why="0.3 / 0.1 is a little more than 3: four numbers"),
        Case(0.0, 100.0, 0.1, why="i · 0.1, not a sum of them"),
        Case(end=5),
        Case(start=1, end=8, step=3),
        Case(2, end=9, step=2),
        Case(5, dtype=float),
        Case(2.0, 7.0, 2.0, dtype=int),
        Case(2, 7, dtype=None),
        Case(2.0, 7.0, requires_grad=True, why="a leaf"),
        rejects=[
            Reject(ValueError, 3, 1),
            Reject(ValueError, -2),
            Reject(ValueError, 1, 3, -1),
            Reject(ValueError, 1, 3, 0),
            Reject(ValueError, nan),
            Reject(ValueError, 0, inf),
            Reject(ValueError, 0, 5, 0.5, dtype=int),
            Reject(ValueError, 0, 5, inf, dtype=int),
            Reject(TypeError, "5"),
            Reject(TypeError, 5, dtype=bool),
            Reject(TypeError, 5, dtype=str),
            Reject(TypeError, 5, requires_grad=True),
            Reject(ValueError, -inf, 5.0),
        ],
    ),
    Op(
        "randn",
        torch.randn,
        Case((60, 100), chance="normal"),
        Case(60, 20, 5, chance="normal"),
        Case(6000, chance="normal"),
        Case((2, 60, 50), dtype=float, chance="normal"),
        Case((60, 100), requires_grad=True, chance="normal", why="a leaf"),
        Case((3, 0)),
        Case(size=(3, 0), dtype=float),
        Case(3, 0),
        rejects=[*BAD_SIZES, *BAD_LENGTHS, *BAD_DTYPES, Reject(TypeError, (2, 3), dtype=int)],
    ),
    filled_like("zeros_like", torch.zeros_like),
    filled_like("ones_like", torch.ones_like),
    Op(
        "full_like",
        torch.full_like,
        Case(randn(2, 3, 5), 2.5),
        Case(randn(), 2.5),
        Case(randn(37), -1.5),
        Case(randn(3, 0), 2.5),
        Case(randn(2, 3), fill_value=7, why="x's dtype, not the number's"),
        Case(ints([3, 0, -4]), 7),
        Case(ints([3, 0, -4]), -2.75, why="towards zero: -2"),
        Case(ints([3, 0, -4]), True),
        Case(bools([True, False]), False),
        Case(bools([True, False]), 0.5, why="what is not 0 is true"),
        Case(randn(2, 3), nan, why="no number is special"),
        Case(randn(2, 3), 2.75, dtype=int),
        Case(ints([3, 0, -4]), 2.75, dtype=float),
        Case(ints([3, 0, -4]), 2.5, dtype=None, why="x's dtype, not the number's"),
        Case(randn(2, 3), 2.5, requires_grad=True, why="a leaf"),
        rejects=[
            Reject(TypeError, None, 1.0),
            Reject(TypeError, (2, 3), 1.0),
            Reject(TypeError, randn(2), None),
            Reject(TypeError, randn(2), "1"),
            Reject(TypeError, randn(2), randn(2)),
            Reject(TypeError, randn(2), 1.0, dtype=str),
            Reject(TypeError, ints([3, 0, -4]), 7, requires_grad=True),
        ],
    ),
)
