"""What arithmetic, powers, rounding, clamping and where mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, nan
from typing import Any

import torch

from .case import (
    Case,
    Data,
    Op,
    Reject,
    bools,
    constant,
    integers,
    ints,
    mask,
    randn,
    uniform,
    values,
)
from .reasons import (
    BLOCK,
    CORNER,
    COUNTED,
    FIRST,
    INFINITE,
    JUMP,
    NO_ELEMENTS,
    OF_INTEGERS,
    PROMOTED,
    STAIRS,
)


def positive(*shape: int) -> Data:
    """Far enough from 0 to be divided by and raised to any power."""
    return uniform(*shape, low=0.5, high=2.0)


def several(*shape: int) -> Data:
    """As large as several steps of a rounding."""
    return uniform(*shape, low=-9.0, high=9.0)


def each(x: Callable[..., Data], flat: str = "") -> tuple[Case, ...]:
    """The shapes of one tensor; flat: why there is no slope in any of them."""
    return (
        Case(x(2, 3, 5), flat=flat),
        Case(x(), flat=flat),
        Case(x(1), flat=flat),
        Case(x(37), flat=flat, why=BLOCK),
        Case(x(3, 0), flat=NO_ELEMENTS),
    )


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
NOT_TENSORS = (Reject(TypeError, randn(2), "3"), Reject(TypeError, randn(2), None))
NO_TENSOR = Reject(TypeError, None)
NO_BOOLS = Reject(TypeError, bools([True, False]))
CLOSE_TO_0 = uniform(5, low=2.0**-20, high=2.0**-18)
BARELY = uniform(5, low=1e-30, high=1e-28)

WITH_ALPHA = (
    Case(randn(2, 3, 5), randn(2, 3, 5), alpha=2.5),
    Case(randn(3, 1), randn(2, 1, 5), alpha=-2),
    Case(randn(2, 3), 1.5, alpha=-0.5),
    Case(randn(3), ints([1, -2, 4]), alpha=0.5),
    Case(ints([1, -2, 3]), ints([[4], [5]]), alpha=3),
    Case(ints([1, -2, 3]), 2.5, alpha=0.5, why=PROMOTED),
    Case(randn(2, 3), randn(3), alpha=0, flat="nothing is taken of other"),
    Case(
        values([1.0, 2.0, 3.0]),
        values([inf, nan, -1.0]),
        alpha=0,
        kink=INFINITE,
        flat="nothing is taken of other",
        why="0 · inf is NaN",
    ),
)
BAD_ALPHA = (
    Reject(TypeError, ints([1, 2]), ints([3, 4]), alpha=1.5),
    Reject(TypeError, randn(2), randn(2), alpha=True),
    Reject(TypeError, randn(2), randn(2), alpha="2"),
)


def difference(name: str, meaning: Callable[..., Any], *more: Case) -> Op:
    """What sub and rsub share."""
    return Op(
        name,
        meaning,
        *pairs(randn, randn),
        Case(randn(2, 3), 2.5),
        Case(ints([1, -2, 3]), ints([[4], [5]])),
        Case(integers(3, low=-4, high=5), randn(2, 3)),
        *more,
        *WITH_ALPHA,
        rejects=[
            *MISMATCHED,
            *NOT_TENSORS,
            *BAD_ALPHA,
            Reject(TypeError, bools([True, False]), bools([True, True])),
            Reject(TypeError, bools([True, False]), 1),
            Reject(TypeError, randn(2), True),
        ],
    )


def rounded(mode: str) -> tuple[Case, ...]:
    """What div has in both of its rounding modes."""
    return (
        Case(several(2, 3, 5), positive(5), rounding_mode=mode, flat=STAIRS),
        Case(several(3, 1), positive(2, 1, 5), rounding_mode=mode, flat=STAIRS),
        Case(several(2, 3), -0.75, rounding_mode=mode, flat=STAIRS),
        Case(5.0, positive(2, 3), rounding_mode=mode, flat=STAIRS),
        Case(
            values([7.5, -7.5, 6.5, -6.5]),
            values([2.0, 2.0, -2.0, -2.0]),
            rounding_mode=mode,
            flat=STAIRS,
            why="every pair of signs",
        ),
        Case(
            values([6.0, -6.0, 0.0]),
            values([2.0, 3.0, -2.0]),
            rounding_mode=mode,
            kink=JUMP,
            flat=STAIRS,
            why="nothing to round",
        ),
        Case(
            values([1.0, -2.0, 0.0, inf, 3.0, -3.0, nan]),
            values([0.0, 0.0, 0.0, 2.0, inf, inf, 1.0]),
            rounding_mode=mode,
            kink=INFINITE,
            flat=STAIRS,
            why="by zero and by infinity",
        ),
        Case(ints([7, -7, 7, -7, 6]), ints([2, 2, -2, -2, -3]), rounding_mode=mode),
        Case(ints([2**53 + 1, -(2**53) - 1]), 1, rounding_mode=mode, why="too large for a float"),
        Case(ints([7, -7]), 2.0, rounding_mode=mode, why=PROMOTED),
        Case(bools([True, False]), ints([-2, 1]), rounding_mode=mode),
    )


def stepped(
    name: str,
    meaning: Callable[..., Any],
    *more: Case,
    halves: str = "",
    wholes: str = "",
    rejects: Sequence[Reject] = (),
) -> Op:
    """What floor, ceil and round share; halves, wholes: whether a step is at these, as a kink."""
    return Op(
        name,
        meaning,
        *each(randn, flat=STAIRS),
        Case(several(2, 3), flat=STAIRS),
        Case(values([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]), kink=halves, flat=STAIRS, why="halves"),
        Case(values([-2.0, -0.0, 0.0, 3.0]), kink=wholes, flat=STAIRS, why="nothing to round"),
        Case(values([inf, -inf, nan, 0.25]), kink=INFINITE, flat=STAIRS, why="each stays"),
        Case(ints([3, 0, -4]), why="integers stay integers"),
        *more,
        rejects=[NO_TENSOR, NO_BOOLS, *rejects],
    )


def turning(name: str, meaning: Callable[..., Any]) -> Op:
    """What sin and cos share."""
    return Op(
        name,
        meaning,
        *each(randn),
        Case(CLOSE_TO_0, why="close to 0"),
        Case(uniform(5, low=100.0, high=1000.0), why="many turns from 0"),
        Case(ints([0, 1, -2]), why=OF_INTEGERS),
        Case(values([inf, -inf, nan, 0.5]), kink=INFINITE, why="infinity has no angle: NaN"),
        rejects=[NO_TENSOR],
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
    Case(values([0.5, -1.5, 2.0]), ints([0, -1, 1])),
    Case(
        values([nan, 1.0, inf, -inf]),
        values([0.0, nan, 2.0, -1.0]),
        kink=INFINITE,
        why="NaN wins",
    ),
)
TWO_EQUAL = values([1.0, 2.0, -3.0, 4.0]), values([1.0, 2.5, -3.0, 0.5])
WITHIN = "what equals its bound is within it: the gradient is that of x"


def extreme(name: str, meaning: Callable[..., Any]) -> Op:
    """What maximum and minimum share."""
    return Op(
        name,
        meaning,
        *EXTREMES,
        Case(bools([True, False, False]), bools([False, False, True])),
        Case(bools([True, False]), ints([0, -1]), why=COUNTED),
        Case(
            *TWO_EQUAL,
            why="equals share the gradient by halves, as its difference to both sides does",
        ),
        rejects=[
            *MISMATCHED,
            Reject(TypeError, randn(2), "3"),
            Reject(TypeError, randn(2), 1.5),
            Reject(TypeError, 1.5, randn(2)),
        ],
    )


def bounded(name: str, meaning: Callable[..., Any]) -> Op:
    """What clamp_min and clamp_max share: the extreme of two, but for equals."""
    return Op(
        name,
        meaning,
        *EXTREMES,
        Case(*TWO_EQUAL, kink=CORNER, why=WITHIN),
        Case(randn(2, 3, 5), 0.25),
        Case(randn(37), -0.5, why=BLOCK),
        Case(values([-1.0, 0.5, 2.0]), 0.5, kink=CORNER, why=WITHIN),
        Case(values([nan, inf, -inf, 2.0, 0.5]), 1.0, kink=INFINITE, why="NaN stays"),
        Case(ints([1, -2, 3]), 2),
        Case(ints([1, -2, 3]), 0.5, why=PROMOTED),
        Case(bools([True, False]), 0, why=COUNTED),
        Case(bools([True, False]), ints([3, 5]), why=COUNTED),
        rejects=[*MISMATCHED, *NOT_TENSORS],
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
        Case(ints([1, -2, 3]), 1.5, why=PROMOTED),
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
        Case(bools([True, True, False]), bools([True, False, False]), why="one or the other"),
        Case(-1.5, randn(2, 3), alpha=2),
        *WITH_ALPHA,
        Case(mask(2, 3), bools([False, True, False]), alpha=2, why="any number but 0 is True"),
        Case(mask(2, 3), mask(2, 3), alpha=0),
        Case(mask(2, 3), True, alpha=True),
        rejects=[
            *MISMATCHED,
            *NOT_TENSORS,
            *BAD_ALPHA,
            Reject(TypeError, bools([True, False]), bools([True, True]), alpha=1.5),
            Reject(TypeError, bools([True, False]), 1, alpha=True),
        ],
    ),
    difference("sub", torch.sub, Case(-1.5, randn(2, 3)), Case(7, ints([1, -2, 3]))),
    difference("rsub", torch.rsub, Case(randn(2, 3), 2), Case(ints([1, -2, 3]), 7)),
    Op(
        "mul",
        torch.mul,
        *pairs(randn, randn),
        Case(randn(2, 3), 2.5),
        Case(-1.5, randn(2, 3)),
        Case(ints([1, -2, 3]), 0.5, why=PROMOTED),
        Case(ints([[1], [2]]), ints([10, 20, 30])),
        Case(bools([True, False, True]), bools([True, True, False])),
        Case(mask(2, 3), randn(3)),
        Case(
            values([0.0, inf, -2.0]), values([inf, -3.0, 0.0]), kink=INFINITE, why="0 · inf is NaN"
        ),
        rejects=[*MISMATCHED, *NOT_TENSORS],
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
        Case(randn(2, 3), positive(3), rounding_mode=None),
        *rounded("trunc"),
        *rounded("floor"),
        Case(
            values(1.0),
            values(0.1),
            rounding_mode="floor",
            kink=JUMP,
            flat=STAIRS,
            why="less than 10, to which the quotient of the two float32 is rounded",
        ),
        Case(
            values(2.0**31 - 2.0**23 + 256.0),
            values(1.0 + 2.0**-23),
            rounding_mode="floor",
            kink=JUMP,
            flat=STAIRS,
            why="less than the integer to which the quotient of the two float64 is rounded",
        ),
        Case(positive(), 1.5, why=FIRST),
        Case(-2.5, positive(), why=FIRST),
        rejects=[
            *MISMATCHED,
            *NOT_TENSORS,
            Reject(ValueError, randn(2), 2.0, rounding_mode="ceil"),
            Reject(ZeroDivisionError, ints([7, -7]), ints([1, 0]), rounding_mode="trunc"),
            Reject(ZeroDivisionError, ints([7, -7]), 0, rounding_mode="floor"),
            Reject(TypeError, bools([True]), bools([True]), rounding_mode="floor"),
        ],
    ),
    Op(
        "neg",
        torch.neg,
        *each(randn),
        Case(ints([3, 0, -4])),
        Case(values([inf, -inf, nan, 0.0]), kink=INFINITE, why="each turns its sign, NaN stays"),
        rejects=[NO_TENSOR, NO_BOOLS],
    ),
    Op(
        "abs",
        torch.abs,
        *each(randn),
        Case(ints([3, 0, -4])),
        Case(values([0.0, -0.0, 2.0, -3.0]), why="the slope at 0 is 0"),
        Case(values([inf, -inf, nan, 0.5]), kink=INFINITE, why="NaN stays, and has the slope 0"),
        rejects=[NO_TENSOR, NO_BOOLS],
    ),
    Op(
        "sign",
        torch.sign,
        *each(randn, flat=STAIRS),
        Case(values([0.0, -0.0, 2.0, -3.0]), kink=JUMP, flat=STAIRS, why="0 has the sign 0"),
        Case(values([inf, -inf, nan, 0.5]), flat=STAIRS, why="so has NaN"),
        Case(ints([3, 0, -4])),
        Case(bools([True, False])),
        rejects=[NO_TENSOR],
    ),
    Op(
        "reciprocal",
        torch.reciprocal,
        *each(positive),
        Case(uniform(2, 3, low=-2.0, high=-0.5)),
        Case(ints([1, -2, 4]), why=OF_INTEGERS),
        Case(bools([True, False]), why="of booleans too"),
        Case(
            values([0.0, -0.0, inf, -inf, nan, 4.0]),
            kink=INFINITE,
            why="0 and infinity are each other's, by sign",
        ),
        rejects=[NO_TENSOR],
    ),
    Op(
        "square",
        torch.square,
        *each(randn),
        Case(ints([3, 0, -4]), why="integers stay integers"),
        Case(bools([True, False]), why="booleans make int64"),
        Case(values([0.0, -2.0, 1e3])),
        Case(values([inf, -inf, nan, 0.5]), kink=INFINITE, why="the slope has a sign"),
        rejects=[NO_TENSOR],
    ),
    Op(
        "sqrt",
        torch.sqrt,
        *each(positive),
        Case(ints([0, 1, 49]), why=OF_INTEGERS),
        Case(BARELY, kink="a step of any size is too large", why="close to 0"),
        Case(values([0.0, -0.0, 4.0, inf]), kink=INFINITE, why="an infinite slope at 0"),
        Case(values([-1.0, nan, 4.0]), kink=INFINITE, why="NaN below 0"),
        rejects=[NO_TENSOR],
    ),
    Op(
        "rsqrt",
        torch.rsqrt,
        *each(positive),
        Case(ints([1, 4, 49]), why=OF_INTEGERS),
        Case(BARELY, kink="a step of any size is too large", why="close to 0"),
        Case(values([0.0, -0.0, 4.0, inf]), kink=INFINITE, why="inf at 0, and 0 at inf"),
        Case(values([-1.0, nan, 4.0]), kink=INFINITE, why="NaN below 0"),
        rejects=[NO_TENSOR],
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
        Case(ints([4, 9, 16]), 0.5, why=PROMOTED),
        Case(
            values([0.0, 0.0, 0.0, -2.0, 3.0]),
            values([0.0, 2.0, 0.5, 0.0, 0.0]),
            kink=CORNER,
            why="0 to the power 0 is 1, and its slopes are 0",
        ),
        Case(
            values([0.0, 2.0]),
            values([0.0, 0.0]),
            kink=CORNER,
            flat="x to the power 0 is 1",
            why="0 to the power -1, a factor of the slope, is inf",
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
            *NOT_TENSORS,
            Reject(ValueError, ints([2, 3]), -1),
            Reject(TypeError, bools([True, False]), bools([True, True])),
        ],
    ),
    Op(
        "exp",
        torch.exp,
        *each(randn),
        Case(uniform(5, low=-80.0, high=-70.0), why="small, but not lost in float32"),
        Case(uniform(5, low=60.0, high=80.0), why="large, but not lost in float32"),
        Case(ints([0, 0, 0]), why=OF_INTEGERS),
        Case(
            values([1000.0, -1000.0, inf, -inf, nan, 0.5]),
            kink=INFINITE,
            why="overflow to inf, underflow to 0",
        ),
        rejects=[NO_TENSOR],
    ),
    Op(
        "expm1",
        torch.expm1,
        *each(randn),
        Case(CLOSE_TO_0, why="close to 0, where exp(x) - 1 would cancel"),
        Case(uniform(5, low=60.0, high=80.0), why="large, but not lost in float32"),
        Case(ints([0, 1, -2]), why=OF_INTEGERS),
        Case(
            values([1000.0, -1000.0, inf, -inf, nan, 0.5]),
            kink=INFINITE,
            why="overflow to inf, underflow to -1",
        ),
        rejects=[NO_TENSOR],
    ),
    Op(
        "log",
        torch.log,
        *each(positive),
        Case(BARELY, kink="a step of any size is too large", why="close to 0"),
        Case(uniform(5, low=1e28, high=1e30), kink="any step is lost", why="large"),
        Case(ints([1, 1]), why=OF_INTEGERS),
        Case(values([0.0, 2.0, inf]), kink=INFINITE, why="-inf at 0, and an infinite slope"),
        Case(values([-1.0, nan, 2.0]), kink=INFINITE, why="NaN below 0"),
        rejects=[NO_TENSOR],
    ),
    Op(
        "log1p",
        torch.log1p,
        *each(positive),
        Case(uniform(2, 3, low=-0.75, high=-0.25)),
        Case(CLOSE_TO_0, why="close to 0, where 1 + x would lose it"),
        Case(ints([0, 1, 7]), why=OF_INTEGERS),
        Case(values([-1.0, 2.0, inf]), kink=INFINITE, why="-inf at -1, and an infinite slope"),
        Case(values([-2.0, nan, 2.0]), kink=INFINITE, why="NaN below -1"),
        rejects=[NO_TENSOR],
    ),
    turning("sin", torch.sin),
    turning("cos", torch.cos),
    Op(
        "erf",
        torch.erf,
        *each(randn),
        Case(CLOSE_TO_0, why="close to 0"),
        Case(uniform(5, low=-4.0, high=4.0)),
        Case(ints([0, 1, -2]), why=OF_INTEGERS),
        Case(values([1000.0, -1000.0, 0.5]), why="1 and -1 at the ends"),
        Case(values([inf, -inf, nan, 0.5]), kink=INFINITE, why="1, -1, NaN"),
        rejects=[NO_TENSOR],
    ),
    stepped("floor", torch.floor, wholes=JUMP),
    stepped("ceil", torch.ceil, wholes=JUMP),
    stepped(
        "round",
        torch.round,
        Case(several(2, 3), decimals=0, flat=STAIRS),
        Case(randn(2, 3, 5), decimals=2, flat=STAIRS),
        Case(uniform(2, 3, low=-900.0, high=900.0), decimals=-2, flat=STAIRS),
        Case(
            values([0.125, 0.375, -0.625]),
            decimals=2,
            kink=JUMP,
            flat=STAIRS,
            why="halves go to the even digit",
        ),
        Case(
            values([5.0, 15.0, 25.0, -35.0]),
            decimals=-1,
            kink=JUMP,
            flat=STAIRS,
            why="halves go to the even digit",
        ),
        Case(
            values([inf, -inf, nan, 0.75]), decimals=1, kink=INFINITE, flat=STAIRS, why="each stays"
        ),
        halves=JUMP,
        rejects=[
            Reject(TypeError, ints([15, 25]), decimals=-1),
            Reject(TypeError, randn(2), decimals=1.5),
        ],
    ),
    Op(
        "clamp",
        torch.clamp,
        Case(randn(2, 3, 5), -0.5, 0.75),
        Case(randn(2, 3, 5), -0.5),
        Case(randn(2, 3, 5), max=0.25),
        Case(randn(2, 3, 5), min=None, max=0),
        Case(randn(2, 3), 0.75, -0.5, flat="min is above max", why="then it is max everywhere"),
        Case(randn(2, 3, 5), uniform(2, 3, 5, low=-1.0, high=0.0), positive(2, 3, 5)),
        Case(randn(2, 3, 5), uniform(5, low=-1.0, high=0.0), uniform(3, 1, low=0.0, high=1.0)),
        Case(randn(5), randn(2, 3, 1), randn(2, 3, 5), why="some min are above max"),
        Case(randn(3, 5), min=randn(2, 1, 1)),
        Case(randn(37), max=randn(37), why=BLOCK),
        Case(values(0.5), values([-1.5, 1.0, 0.0]), values([0.25, 2.0, 1.5])),
        Case(randn(3, 0), -0.5, 0.75, flat=NO_ELEMENTS),
        Case(values([-2.0, -0.5, 0.25, 0.75, 2.0]), -0.5, 0.75, kink=CORNER, why=WITHIN),
        Case(
            values([-0.5, 0.75, -2.0, 2.0, -3.0, 1.0, 1.0]),
            values([-0.5, -0.5, -0.5, 1.0, 1.0, 1.0, 1.0]),
            values([0.75, 0.75, 0.75, 1.0, 1.0, 1.0, 0.0]),
            kink=CORNER,
            why="of equal bounds max has the gradient, unless x equals them",
        ),
        Case(values([nan, inf, -inf, 0.5]), -0.75, 0.75, kink=INFINITE, why="NaN stays"),
        Case(
            values([0.5, 0.5, 0.5, -2.0, 2.0]),
            values([nan, -1.0, -1.0, -1.0, -1.0]),
            values([1.0, nan, 1.0, 1.0, 1.0]),
            kink=INFINITE,
            why="a bound of NaN makes NaN",
        ),
        Case(randn(3), nan, 1.0, kink=INFINITE, flat="nothing is left of x", why="NaN wins"),
        Case(ints([1, -2, 3]), 0, 2),
        Case(ints([1, -2, 3]), ints([0, -1, 5]), ints([[2], [4]])),
        Case(ints([1, -2, 3]), 0.5, why=PROMOTED),
        Case(values([0.5, -1.5, 2.0]), ints([0, -1, 1]), ints([2, 0, 1])),
        Case(bools([True, False]), 0, 1, why="booleans and an integer make int64"),
        rejects=[
            *MISMATCHED,
            Reject(ValueError, randn(3), max=randn(2)),
            Reject(ValueError, randn(3)),
            Reject(TypeError, randn(3), "1"),
            Reject(TypeError, bools([True, False]), bools([False, False]), bools([True, True])),
        ],
    ),
    bounded("clamp_min", torch.clamp_min),
    bounded("clamp_max", torch.clamp_max),
    extreme("maximum", torch.maximum),
    extreme("minimum", torch.minimum),
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
        Case(bools([True, False, True]), ints([1, -2, 3]), 0.5, why=PROMOTED),
        Case(bools([True, False]), bools([True, True]), ints([2, 3]), why=COUNTED),
        Case(mask(2, 3), randn(), 1.5, why=FIRST),
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
        Case(ints([1, 2, 3]), bools([True, False, True]), -1.5, why="an integer has no fraction"),
        Case(ints([1, 2, 3]), bools([True, False, True]), constant(values(-1.5))),
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
        Case(bools([True, False]), bools([True, False]), 2, why="in the dtype of x"),
        rejects=[
            Reject(ValueError, randn(2, 3), mask(4), 1.5),
            Reject(ValueError, randn(2, 3), mask(2, 3), randn(3)),
            Reject(TypeError, randn(3), ints([1, 0, 1]), 1.5),
            Reject(TypeError, randn(2), mask(2), None),
            Reject(ValueError, ints([1, 2]), bools([False, True]), inf),
        ],
    ),
)
