"""What it means to bring rows to one scale."""

from __future__ import annotations

from math import inf, nan

from torch.nn import functional

from .case import Case, Op, Reject, integers, randn, uniform, values
from .reasons import FAR, INFINITE

SMALL_AND_LARGE = values([[0.25, -0.5, 0.125, 1.0, -0.75], [1e3, -3e3, 2e3, 500.0, -1500.0]])
LONG = "more elements than a block of 32 threads"

OPS = (
    Op(
        "layer_norm",
        functional.layer_norm,
        Case(randn(2, 3, 5), (5,), randn(5), randn(5)),
        Case(randn(2, 3, 5), (5,)),
        Case(randn(2, 3, 5), (5,), weight=randn(5)),
        Case(randn(2, 3, 5), (5,), bias=randn(5)),
        Case(randn(2, 3, 5), (3, 5), randn(3, 5), randn(3, 5)),
        Case(randn(3, 5), (3, 5), randn(3, 5), randn(3, 5)),
        Case(randn(7), normalized_shape=[7], weight=randn(7), bias=randn(7)),
        Case(randn(2, 3, 5), (5,), randn(5), randn(5), 0.5),
        Case(randn(3, 5), (5,), eps=2.0),
        Case(randn(3, 37), (37,), randn(37), randn(37), why=LONG),
        Case(randn(37, 3), (3,), randn(3), randn(3)),
        Case(randn(1, 5), (5,), randn(5), randn(5), why="one row"),
        Case(uniform(3, 5, low=64.0, high=65.0), (5,), randn(5), randn(5), why=FAR),
        Case(
            values([[7.0, 7.0, 7.0], [-0.5, -0.5, -0.5]]),
            (3,),
            randn(3),
            randn(3),
            flat="the weight scales nothing",
            why="zero variance: only eps holds it up",
        ),
        Case(
            SMALL_AND_LARGE,
            (5,),
            randn(5),
            randn(5),
            1e-3,
            why="small beside large: each row has its own scale",
        ),
        Case(
            values([[1.0, nan, 2.0, 3.0], [inf, 1.0, 2.0, 3.0], [0.5, 1.5, -2.0, 4.0]]),
            (4,),
            kink=INFINITE,
            why="NaN stays in its row",
        ),
        rejects=[
            Reject(ValueError, randn(2, 3, 5), (3,)),
            Reject(ValueError, randn(2, 5), (3, 2, 5)),
            Reject(ValueError, randn(2, 5), ()),
            Reject(ValueError, randn(2, 5), (5,), randn(3)),
            Reject(ValueError, randn(2, 5), (5,), randn(5), randn(1)),
            Reject(TypeError, integers(2, 5, low=0, high=9), (5,)),
        ],
    ),
    Op(
        "rms_norm",
        functional.rms_norm,
        Case(randn(2, 3, 5), (5,), randn(5)),
        Case(randn(2, 3, 5), (5,)),
        Case(randn(2, 3, 5), (3, 5), weight=randn(3, 5)),
        Case(randn(3, 5), (3, 5), randn(3, 5)),
        Case(randn(7), normalized_shape=[7], weight=randn(7), eps=1e-3),
        Case(randn(2, 3, 5), (5,), randn(5), 0.5),
        Case(randn(3, 5), (5,), eps=2.0),
        Case(randn(3, 37), (37,), randn(37), why=LONG),
        Case(randn(37, 3), (3,), randn(3), 1e-5),
        Case(randn(1, 5), (5,), randn(5), why="one row"),
        Case(randn(3, 1), (1,), randn(1), 0.25),
        Case(
            values([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]),
            (3,),
            randn(3),
            1e-3,
            flat="the weight scales nothing",
            why="only eps holds it up",
        ),
        Case(
            SMALL_AND_LARGE,
            (5,),
            randn(5),
            1e-3,
            why="small beside large: each row has its own scale",
        ),
        Case(
            values([[1.0, nan, 2.0, 3.0], [inf, 1.0, 2.0, 3.0], [0.5, 1.5, -2.0, 4.0]]),
            (4,),
            kink=INFINITE,
            why="NaN stays in its row",
        ),
        rejects=[
            Reject(ValueError, randn(2, 3, 5), (3,)),
            Reject(ValueError, randn(2, 5), (3, 2, 5)),
            Reject(ValueError, randn(2, 5), ()),
            Reject(ValueError, randn(2, 5), (5,), randn(3)),
            Reject(TypeError, integers(2, 5, low=0, high=9), (5,)),
        ],
    ),
)
