"""What the activations mean: tanh, sigmoid, relu and its variants, gelu, softplus, softmax."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import Any

import torch
from torch.nn import functional

from .case import Case, Op, Reject, bools, constant, ints, randn, uniform, values
from .reasons import BLOCK, CORNER, INFINITE, JUMP, NO_ELEMENTS, OF_INTEGERS, ONE_OPTION

SHAPES = (
    Case(randn(2, 3, 5)),
    Case(uniform(low=0.5, high=2.0)),
    Case(uniform(1, low=0.5, high=2.0)),
    Case(randn(37), why=BLOCK),
    Case(randn(3, 0), flat=NO_ELEMENTS),
    Case(uniform(5, low=2.0**-20, high=2.0**-18), why="close to 0"),
)
STEEP = [-1000.0, -30.0, -0.5, 0.0, 0.5, 30.0, 1000.0]
NOT_A_NUMBER = constant(values([nan, 0.5, -0.5]))
GOES_THROUGH = "NaN goes through; torch's slope of it varies with its place in memory"
FLOATS_ONLY = (Reject(TypeError, ints([1, 2, 3])), Reject(TypeError, bools([True, False])))


def over_a_dim(name: str, meaning: Callable[..., Any], *more: Case) -> Op:
    """What softmax and its logarithm share."""
    return Op(
        name,
        meaning,
        Case(randn(2, 3, 5), dim=-1),
        Case(randn(2, 3, 5), dim=1),
        Case(randn(2, 3, 5), 0),
        Case(randn(5), -1),
        Case(randn(3, 37), dim=1, why=BLOCK),
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
        Case(ints([0, 0]), why=OF_INTEGERS),
        Case(values(STEEP), why="flat at both ends"),
        Case(values([inf, -inf, nan, 0.5]), kink=INFINITE, why="1, -1, NaN"),
        rejects=[Reject(TypeError, None)],
    ),
    Op(
        "sigmoid",
        torch.sigmoid,
        *SHAPES,
        Case(ints([0, 0]), why=OF_INTEGERS),
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
        "leaky_relu",
        functional.leaky_relu,
        *SHAPES,
        Case(randn(2, 3, 5), 0.25),
        Case(randn(37), negative_slope=0.25, why=BLOCK),
        Case(randn(2, 3), negative_slope=-0.5),
        Case(randn(2, 3), negative_slope=3, why="steeper below 0 than above"),
        Case(uniform(5, low=-3.0, high=-1.0), 0.0, flat="all of it is cut off"),
        Case(values(STEEP), kink=CORNER, why="the slope at 0 is the one below it"),
        Case(values([inf, -inf, nan, 0.5]), kink=INFINITE, why="the slope of NaN is that below 0"),
        Case(values([inf, -inf, -0.5]), 0.0, kink=INFINITE, why="0 · inf is NaN"),
        Case(randn(2, 3), 1.5, why="a little steeper below 0 than above"),
        rejects=[*FLOATS_ONLY, Reject(TypeError, randn(3), "0.5")],
    ),
    Op(
        "relu6",
        functional.relu6,
        *SHAPES,
        Case(uniform(2, 3, 5, low=-4.0, high=9.0)),
        Case(ints([3, 0, -4, 6, 9])),
        Case(values([*STEEP, 5.5, 6.0, 6.5]), kink=CORNER, why="the slopes at 0 and 6 are 0"),
        Case(uniform(5, low=-3.0, high=-1.0), flat="all of it is cut off"),
        Case(uniform(5, low=7.0, high=9.0), flat="all of it is cut off"),
        Case(values([inf, -inf, 0.5]), why="each at its bound"),
        Case(NOT_A_NUMBER, why=GOES_THROUGH),
        rejects=[Reject(TypeError, bools([True, False])), Reject(TypeError, None)],
    ),
    Op(
        "elu",
        functional.elu,
        *SHAPES,
        Case(randn(2, 3, 5), 0.5),
        Case(randn(37), alpha=2, why=BLOCK),
        Case(randn(2, 3), alpha=-1.5),
        Case(uniform(5, low=-3.0, high=-1.0), 0.0, flat="all of it is cut off"),
        Case(uniform(5, low=-(2.0**-18), high=-(2.0**-20)), why="exp(x) - 1 loses its digits"),
        Case(values(STEEP), why="exp(1000) must not be taken"),
        Case(values([-0.5, 0.0, 0.5]), 2.0, kink=CORNER, why="the slope at 0 is the one below it"),
        Case(values([inf, -inf, 0.5]), kink=INFINITE, why="inf, -alpha"),
        Case(
            values([nan, -0.5, nan, 0.5]),
            2.0,
            kink=INFINITE,
            why="the slope of NaN is 1, as torch has it in small tensors",
        ),
        rejects=[*FLOATS_ONLY, Reject(TypeError, randn(3), "0.5")],
    ),
    Op(
        "silu",
        functional.silu,
        *SHAPES,
        Case(uniform(2, 3, 5, low=-6.0, high=6.0)),
        Case(values(STEEP), why="0 at one end, x at the other; exp(1000) must not be taken"),
        Case(uniform(5, low=-80.0, high=-30.0), why="small, but not lost"),
        Case(values([inf, -inf, nan, 0.5]), kink=INFINITE, why="-inf · 0 is NaN"),
        rejects=[*FLOATS_ONLY, Reject(TypeError, None)],
    ),
    Op(
        "gelu",
        functional.gelu,
        *SHAPES,
        Case(randn(2, 3, 5), approximate="none"),
        Case(randn(2, 3, 5), approximate="tanh"),
        Case(randn(37), approximate="tanh", why=BLOCK),
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
    Op(
        "softplus",
        functional.softplus,
        *SHAPES,
        Case(randn(2, 3, 5), 2.0),
        Case(randn(37), beta=0.25, why=BLOCK),
        Case(randn(2, 3), beta=-2),
        Case(randn(2, 3), 1.0, 30.0),
        Case(uniform(5, low=-4.0, high=4.0), threshold=-8.0, why="x itself: all beyond"),
        Case(
            values([0.25, 0.75, 0.5, -3.0]), 2.0, threshold=1.0, kink=JUMP, why="0.5 is not beyond"
        ),
        Case(values([19.5, 20.0, 20.5]), why="x itself beyond 20"),
        Case(values([9.5, 10.0, 10.5]), beta=2.0, why="x itself where 2x is beyond 20"),
        Case(values(STEEP), why="0 at one end, x at the other; exp(1000) must not be taken"),
        Case(uniform(5, low=-80.0, high=-30.0), why="small, but not lost"),
        Case(values([inf, -inf, nan, 0.5]), kink=INFINITE, why="inf, 0, NaN"),
        Case(randn(2, 3), beta=0, kink=INFINITE, why="infinite, with a slope of 1/2"),
        rejects=[*FLOATS_ONLY, Reject(TypeError, randn(3), "1")],
    ),
    Op(
        "logsigmoid",
        functional.logsigmoid,
        *SHAPES,
        Case(uniform(2, 3, 5, low=-6.0, high=6.0)),
        Case(values(STEEP), why="x at one end, 0 at the other; exp(1000) must not be taken"),
        Case(uniform(5, low=-1000.0, high=-900.0), why="x itself: no logarithm of 0"),
        Case(uniform(5, low=30.0, high=80.0), why="small, but not lost"),
        Case(values([inf, -inf, nan, 0.5]), kink=INFINITE, why="0, -inf, NaN"),
        rejects=[*FLOATS_ONLY, Reject(TypeError, None)],
    ),
    Op(
        "hardtanh",
        functional.hardtanh,
        Case(randn(2, 3, 5)),
        Case(uniform(low=-0.5, high=0.5)),
        Case(uniform(1, low=-0.5, high=0.5)),
        Case(randn(37), why=BLOCK),
        Case(randn(3, 0), flat=NO_ELEMENTS),
        Case(randn(2, 3, 5), -0.25, 0.75),
        Case(randn(2, 3, 5), max_val=0.5),
        Case(randn(2, 3, 5), min_val=-2),
        Case(randn(2, 3, 5), -inf, 0.5),
        Case(randn(2, 3), 0.5, 0.5, flat="all of it is cut off"),
        Case(uniform(5, low=-3.0, high=-2.0), flat="all of it is cut off"),
        Case(ints([3, 0, -4])),
        Case(ints([3, 0, -4, 9]), -2, 5),
        Case(values([*STEEP, -1.0, 1.0]), kink=CORNER, why="the slopes at -1 and 1 are 0"),
        Case(values([inf, -inf, 0.5]), why="each at its bound"),
        Case(NOT_A_NUMBER, why=GOES_THROUGH),
        rejects=[
            Reject(ValueError, randn(3), 1.0, -1.0),
            Reject(TypeError, bools([True, False])),
            Reject(TypeError, randn(3), "0"),
            Reject(TypeError, randn(3), min_val=None),
            Reject(ValueError, ints([1, 2]), max_val=inf),
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
        Case(
            values([[10000.0, 10001.5, 9999.25], [-20000.0, -20000.5, -20002.0]]),
            dim=1,
            why="the maximum goes before digits do",
        ),
    ),
)
