"""What arithmetic, powers and choices between two tensors mean."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan

import torch

from .case import Case, Data, Op, Reject, bools, integers, ints, mask, randn, uniform, values
from .reasons import CORNER, INFINITE, NO_ELEMENTS


def positive(*shape: int) -> Data:
    """Far enough from 0 to be divided by and raised to any power."""
    return uniform(*shape, low=0.5, high=2.0)


def pairs(x: Callable[..., Data], other: Callable[..., Data]) -> tuple[Case, ...]:
    """The ways in which two shapes meet."""
    return (
        Case(x(2, 3, 5), other(2, 3, 5)),
        Case(x(2, 3, 5), other(5)),
        Case(x(3, 5), other(2, 1, 1)),
        Case(x(3, 1), other(1, 5)),
        Case(x(7), other(2, 3, 1)),
        Case(x(), other(4)),
        Case(x(), other()),
        Case(x(3, 0), other(1), flat=NO_ELEMENTS),
    )


MISMATCHED = (
    Reject(ValueError, randn(2, 3), randn(4)),
    Reject(ValueError, randn(2, 3), randn(3, 2)),
)
EXTREMES = (
    Case(randn(2, 3, 5), randn(2, 3, 5)),
    Case(randn(2, 3, 5), randn(5)),
    Case(randn(3, 5), randn(2, 1, 1)),
    Case(randn(7, 1), randn(1, 5)),
    Case(values([-1.0, 0.5, 2.0, -0.25, 1.5]), randn(2, 3, 1)),
    Case(values(0.5), values([-1.0, 2.0, 0.25])),
    Case(values(0.5), values(-1.5), flat="the loser has no part in it"),
    Case(randn(3, 0), randn(1), flat=NO_ELEMENTS),
    Case(ints([1, -2, 3]), ints([[0], [2]])),
    Case(bools([True, False, False]), bools([False, False, True])),
    Case(values([0.5, -1.5, 2.0]), ints([0, -1, 1])),
    Case(
        values([1.0, 2.0, -3.0, 4.0]),
        values([1.0, 2.5, -3.0, 0.5]),
        why="equals share the gradient by halves, as its difference to both sides does",
    ),
    Case(
        values([nan, 1.0, inf, -inf]),
        values([0.0, nan, 2.0, -1.0]),
        kink=INFINITE,
        why="NaN wins",
    ),
)

OPS = (
    Op(
        "add",
        torch.add,
        *pairs(randn, randn),
        Case(randn(2, 3), 2.5),
        Case(-1.5, randn(2, 3)),
        Case(randn(2, 3), 2),
        Case(ints([1, -2, 3]), 4),
        Case(ints([1, -2, 3]), 1.5, why="an integer tensor and a Python float make float32"),
        Case(ints([[1], [2]]), ints([10, 20, 30])),
        Case(bools([True, False]), ints([5, 7])),
        Case(randn(2, 3), integers(3, low=-4, high=5)),
        Case(randn(3), bools([True, False, True])),
        Case(
            values([inf, -inf, nan, 1.0]),
            values([-inf, -inf, 1.0, inf]),
            kink=INFINITE,
            why="inf - inf is NaN, everything else goes through",
        ),
        rejects=[
            *MISMATCHED,
            Reject(TypeError, randn(2), "3"),
            Reject(TypeError, randn(2), None),
        ],
    ),
    Op(
        "sub",
        torch.sub,
        *pairs(randn, randn),
        Case(randn(2, 3), 2.5),
        Case(-1.5, randn(2, 3)),
        Case(ints([1, -2, 3]), ints([[4], [5]])),
        Case(7, ints([1, -2, 3])),
        Case(integers(3, low=-4, high=5), randn(2, 3)),
        rejects=[
            *MISMATCHED,
            Reject(TypeError, bools([True, False]), bools([True, True])),
            Reject(TypeError, bools([True, False]), 1),
            Reject(TypeError, randn(2), True),
            Reject(TypeError, randn(2), "3"),
        ],
    ),
    Op(
        "mul",
        torch.mul,
        *pairs(randn, randn),
        Case(randn(2, 3), 2.5),
        Case(-1.5, randn(2, 3)),
        Case(ints([1, -2, 3]), 0.5, why="an integer tensor and a Python float make float32"),
        Case(ints([[1], [2]]), ints([10, 20, 30])),
        Case(bools([True, False, True]), bools([True, True, False])),
        Case(mask(2, 3), randn(3)),
        Case(
            values([0.0, inf, -2.0]), values([inf, -3.0, 0.0]), kink=INFINITE, why="0 · inf is NaN"
        ),
        rejects=[*MISMATCHED, Reject(TypeError, randn(2), "3")],
    ),
    Op(
        "div",
        torch.div,
        *pairs(randn, positive),
        Case(randn(2, 3), -2.5),
        Case(3.0, positive(2, 3)),
        Case(1, positive(5)),
        Case(ints([7, -8, 9]), ints([2, 4, 8]), why="integers divide to floating numbers"),
        Case(ints([7, -8, 9]), 2),
        Case(randn(2, 3), ints([1, 2, 4])),
        Case(bools([True, False]), ints([4, 2])),
        Case(
            values([1.0, -2.0, 0.0, 3.0]),
            values([0.0, 0.0, 0.0, 2.0]),
            kink=INFINITE,
            why="division by zero gives infinities and NaN",
        ),
        Case(values([1.0, -3.0]), values([-inf, 4.0]), why="by infinity"),
        rejects=[*MISMATCHED, Reject(TypeError, randn(2), "3")],
    ),
    Op(
        "neg",
        torch.neg,
        Case(randn(2, 3, 5)),
        Case(randn()),
        Case(randn(1)),
        Case(randn(3, 0), flat=NO_ELEMENTS),
        Case(ints([3, 0, -4])),
        Case(values([inf, -inf, nan, 0.0]), kink=INFINITE, why="each turns its sign, NaN stays"),
        rejects=[Reject(TypeError, bools([True, False]))],
    ),
    Op(
        "pow",
        torch.pow,
        *pairs(positive, randn),
        Case(randn(2, 3), 2),
        Case(randn(2, 3), 3.0),
        Case(uniform(2, 3, low=-2.0, high=-0.5), -1),
        Case(positive(2, 3), 0.5),
        Case(positive(2, 3), -1.5),
        Case(randn(5), 1),
        Case(randn(2, 3), 0, flat="x to the power 0 is 1"),
        Case(2.0, randn(2, 3)),
        Case(1, randn(4), flat="1 to any power is 1"),
        Case(positive(2, 3), ints([2, -1, 3])),
        Case(ints([2, -3, 5]), 2),
        Case(ints([2, -3, 5]), ints([3, 2, 0])),
        Case(2, ints([0, 3, 10])),
        Case(ints([4, 9, 16]), 0.5, why="an integer tensor and a Python float make float32"),
        Case(
            values([0.0, 0.0, 0.0, -2.0, 3.0]),
            values([0.0, 2.0, 0.5, 0.0, 0.0]),
            kink=CORNER,
            why="0 to the power 0 is 1, and its slopes are 0",
        ),
        Case(
            values([0.0, 0.0, 2.0]),
            values([-1.0, -0.5, 1.5]),
            kink=INFINITE,
            why="0 to a negative power is inf, so are its slopes",
        ),
        Case(
            values([-2.0, -1.5, -0.5]),
            values([3.0, 2.0, -1.0]),
            kink="no slope in the exponent",
            why="a negative base has integer powers, and NaN for the exponent's slope",
        ),
        Case(
            values([-2.0, -1.5]),
            values([0.5, -2.5]),
            kink=INFINITE,
            why="a negative base has no fractional power",
        ),
        Case(values([-2.0, 0.0, 1.5]), 2, why="a scalar exponent takes any base"),
        Case(values([0.0, 4.0]), 0.5, kink=INFINITE, why="the slope of a root at 0 is infinite"),
        Case(
            0.0,
            values([2.0, 0.0, 0.5]),
            kink=CORNER,
            flat="0 to any positive power is 0",
            why="a base of 0",
        ),
        rejects=[
            *MISMATCHED,
            Reject(ValueError, ints([2, 3]), -1),
            Reject(TypeError, randn(2), "3"),
        ],
    ),
    Op(
        "exp",
        torch.exp,
        Case(randn(2, 3, 5)),
        Case(randn()),
        Case(randn(37), why="more elements than a block of 32 threads"),
        Case(randn(3, 0), flat=NO_ELEMENTS),
        Case(uniform(5, low=-80.0, high=-70.0), why="small, but not lost in float32"),
        Case(uniform(5, low=60.0, high=80.0), why="large, but not lost in float32"),
        Case(ints([0, 0, 0]), why="of integers: float32"),
        Case(
            values([1000.0, -1000.0, inf, -inf, nan, 0.5]),
            kink=INFINITE,
            why="overflow to inf, underflow to 0",
        ),
        rejects=[Reject(TypeError, None)],
    ),
    Op(
        "log",
        torch.log,
        Case(positive(2, 3, 5)),
        Case(positive()),
        Case(positive(37)),
        Case(positive(3, 0), flat=NO_ELEMENTS),
        Case(
            uniform(5, low=1e-30, high=1e-28),
            kink="a step of any size is too large",
            why="close to 0",
        ),
        Case(uniform(5, low=1e28, high=1e30), kink="any step is lost", why="large"),
        Case(ints([1, 1]), why="of integers: float32"),
        Case(values([0.0, 2.0, inf]), kink=INFINITE, why="-inf at 0, and an infinite slope"),
        Case(values([-1.0, nan, 2.0]), kink=INFINITE, why="NaN below 0"),
        rejects=[Reject(TypeError, None)],
    ),
    Op(
        "sqrt",
        torch.sqrt,
        Case(positive(2, 3, 5)),
        Case(positive()),
        Case(positive(37)),
        Case(positive(3, 0), flat=NO_ELEMENTS),
        Case(ints([0, 1, 49]), why="of integers: float32"),
        Case(
            uniform(5, low=1e-30, high=1e-28),
            kink="a step of any size is too large",
            why="close to 0",
        ),
        Case(values([0.0, 4.0, inf]), kink=INFINITE, why="an infinite slope at 0"),
        Case(values([-1.0, nan, 4.0]), kink=INFINITE, why="NaN below 0"),
        rejects=[Reject(TypeError, None)],
    ),
    Op(
        "where",
        torch.where,
        Case(mask(2, 3, 5), randn(2, 3, 5), randn(2, 3, 5)),
        Case(bools([[True], [False], [True]]), randn(5), randn(2, 1, 1)),
        Case(mask(2, 3, 5), randn(5), randn()),
        Case(bools(True), randn(3), randn(2, 1), flat="the other one is never taken"),
        Case(mask(2, 3), randn(2, 3), 1.5),
        Case(mask(2, 3), -2.5, randn(3)),
        Case(mask(2, 3), 1.5, -2.5),
        Case(mask(2, 3), ints([1, 2, 3]), ints([-1, -2, -3])),
        Case(bools([True, False, True]), randn(3), ints([4, 5, 6])),
        Case(mask(3, 0), randn(3, 0), randn(1), flat=NO_ELEMENTS),
        Case(
            bools([True, False, False]),
            values([1.0, nan, inf]),
            values([nan, 2.0, 3.0]),
            why="what is not taken leaves no trace, not even a NaN",
        ),
        rejects=[
            Reject(ValueError, mask(2, 3), randn(2, 3), randn(4)),
            Reject(ValueError, mask(4), randn(2, 3), randn(3)),
            Reject(TypeError, ints([1, 0, 1]), randn(3), randn(3)),
            Reject(TypeError, randn(3), randn(3), randn(3)),
        ],
    ),
    Op(
        "masked_fill",
        torch.masked_fill,
        Case(randn(2, 3, 5), mask(2, 3, 5), 1.5),
        Case(randn(2, 3, 5), mask(3, 1), -2.5),
        Case(randn(5), mask(2, 3, 1), 0.0),
        Case(randn(2, 3), bools([True, False, True]), randn()),
        Case(randn(2, 3), bools([True, False, True]), 2),
        Case(ints([1, 2, 3]), bools([True, False, True]), -7),
        Case(randn(), bools(False), 1.5),
        Case(randn(3, 0), mask(3, 0), 1.5, flat=NO_ELEMENTS),
        Case(
            randn(2, 3),
            bools([True, False, True]),
            -inf,
            kink=INFINITE,
            why="what attention fills its mask with",
        ),
        Case(
            values([nan, 1.0, inf]),
            bools([True, False, True]),
            0.5,
            why="what is filled leaves no trace, not even a NaN",
        ),
        rejects=[
            Reject(ValueError, randn(2, 3), mask(4), 1.5),
            Reject(ValueError, randn(2, 3), mask(2, 3), randn(3)),
            Reject(TypeError, randn(3), ints([1, 0, 1]), 1.5),
        ],
    ),
    Op(
        "maximum",
        torch.maximum,
        *EXTREMES,
        rejects=[*MISMATCHED, Reject(TypeError, randn(2), "3")],
    ),
    Op(
        "minimum",
        torch.minimum,
        *EXTREMES,
        rejects=[*MISMATCHED, Reject(TypeError, randn(2), "3")],
    ),
)
