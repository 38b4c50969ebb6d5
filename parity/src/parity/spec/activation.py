"""What bends: tanh, sigmoid, relu, gelu, and softmax over a dim."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import Any

import torch
from torch.nn import functional

from .case import Case, Op, Reject, bools, ints, randn, uniform, values
from .reasons import CORNER, INFINITE, NO_ELEMENTS, ONE_OPTION

SHAPES = (
    Case(randn(2, 3, 5)),
    Case(uniform(low=0.5, high=2.0)),
    Case(uniform(1, low=0.5, high=2.0)),
    Case(randn(37), why="more elements than a block of 32 threads"),
    Case(randn(3, 0), flat=NO_ELEMENTS),
    Case(uniform(5, low=2.0**-20, high=2.0**-18), why="close to 0"),
)
STEEP = [-1000.0, -30.0, -0.5, 0.0, 0.5, 30.0, 1000.0]


def over_a_dim(name: str, meaning: Callable[..., Any], *more: Case) -> Op:
    """What softmax and its logarithm share."""
    return Op(
        name,
        meaning,
        Case(randn(2, 3, 5), dim=-1),
        Case(randn(2, 3, 5), dim=1),
        Case(randn(2, 3, 5), 0),
        Case(randn(5), -1),
        Case(randn(3, 37), dim=1, why="more elements than a block of 32 threads"),
        Case(randn(37, 2), dim=0),
        Case(randn(), dim=0, flat=ONE_OPTION),
        Case(randn(), dim=-1, flat=ONE_OPTION),
        Case(randn(2, 1, 5), dim=1, flat=ONE_OPTION),
        Case(randn(3, 0), dim=0, flat=NO_ELEMENTS),
        Case(randn(3, 0), dim=1, flat=NO_ELEMENTS),
        Case(values([[2.5, 2.5, 2.5], [-30.0, 0.0, 30.0]]), dim=1),
        Case(
            values([[1000.0, 999.0, -1000.0], [-1000.0, -1001.0, -1000.5]]),
            dim=1,
            why="only the subtracted maximum holds it up",
        ),
        Case(
            values([[-inf, -inf, -inf], [0.5, 1.5, -1.0], [inf, 0.0, 1.0], [nan, 0.0, 1.0]]),
            dim=-1,
            kink=INFINITE,
            why="NaN stays in its row",
        ),
        *more,
        rejects=[
            Reject(IndexError, randn(2, 3), dim=2),
            Reject(IndexError, randn(2, 3), dim=-3),
            Reject(IndexError, randn(), dim=1),
            Reject(TypeError, ints([[1, 2, 3]]), dim=1),
            Reject(TypeError, bools([True, False]), dim=0),
            Reject(TypeError, randn(2, 3), dim=1.0),
            Reject(TypeError, randn(2, 3), dim=None),
        ],
    )


OPS = (
    Op(
        "tanh",
        torch.tanh,
        *SHAPES,
        Case(ints([0, 0]), why="of integers: float32"),
        Case(values(STEEP), why="flat at both ends"),
        Case(values([inf, -inf, nan, 0.5]), kink=INFINITE, why="1, -1, NaN"),
        rejects=[Reject(TypeError, None)],
    ),
    Op(
        "sigmoid",
        torch.sigmoid,
        *SHAPES,
        Case(ints([0, 0]), why="of integers: float32"),
        Case(values(STEEP), why="flat at both ends; exp(1000) must not be taken"),
        Case(uniform(5, low=-80.0, high=-30.0), why="small, but not lost"),
        Case(values([inf, -inf, nan, 0.5]), kink=INFINITE, why="1, 0, NaN"),
        rejects=[Reject(TypeError, None)],
    ),
    Op(
        "relu",
        torch.relu,
        *SHAPES,
        Case(ints([3, 0, -4])),
        Case(values(STEEP), kink=CORNER, why="the slope at 0 is 0"),
        Case(uniform(5, low=-3.0, high=-1.0), flat="all of it is cut off"),
        Case(values([inf, -inf, nan, 0.5]), kink=INFINITE, why="NaN goes through"),
        rejects=[Reject(TypeError, bools([True, False]))],
    ),
    Op(
        "gelu",
        functional.gelu,
        *SHAPES,
        Case(randn(2, 3, 5), approximate="none"),
        Case(randn(2, 3, 5), approximate="tanh"),
        Case(randn(37), approximate="tanh", why="more elements than a block of 32 threads"),
        Case(randn(), approximate="tanh"),
        Case(uniform(5, low=-4.0, high=4.0)),
        Case(uniform(5, low=-4.0, high=4.0), approximate="tanh"),
        Case(values(STEEP), why="0 at one end, x at the other"),
        Case(values(STEEP), approximate="tanh", why="0 at one end, x at the other"),
        Case(values([nan, 0.5, -0.5]), kink=INFINITE, why="NaN goes through"),
        rejects=[
            Reject(ValueError, randn(2, 3), approximate="sigmoid"),
            Reject(TypeError, ints([1, 2, 3])),
            Reject(TypeError, bools([True, False]), approximate="tanh"),
        ],
    ),
    over_a_dim(
        "softmax",
        torch.softmax,
        Case(
            values([1000.0, 0.0, -1000.0]),
            dim=0,
            flat="one of them takes everything",
            why="only the subtracted maximum holds it up",
        ),
        Case(
            values([[0.5, -inf, 1.0], [-inf, 2.0, 1.5]]),
            dim=1,
            why="what a mask leaves: -inf takes no part",
        ),
    ),
    over_a_dim(
        "log_softmax",
        torch.log_softmax,
        Case(values([1000.0, 0.0, -1000.0]), dim=0, why="the logarithm of exp(-2000) is -2000"),
        Case(
            values([[0.5, -inf, 1.0], [-inf, 2.0, 1.5]]),
            dim=1,
            kink=INFINITE,
            why="what a mask leaves: -inf takes no part",
        ),
    ),
)
