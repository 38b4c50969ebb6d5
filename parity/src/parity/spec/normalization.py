"""What normalization means: of rows, groups of channels, channels."""

from __future__ import annotations

from math import inf, nan

import torch
from torch.nn import functional

from .case import Case, Data, Op, Reject, constant, integers, randn, uniform, values
from .reasons import BLOCK, FAR, INFINITE, NO_ELEMENTS

SMALL_AND_LARGE = values([[0.25, -0.5, 0.125, 1.0, -0.75], [1e3, -3e3, 2e3, 500.0, -1500.0]])


def running(channels: int) -> tuple[Data, Data]:
    """The mean and the variance of each channel, as they have been so far."""
    return constant(randn(channels)), constant(uniform(channels, low=0.5, high=2.0))


def group_norm(
    x: torch.Tensor,
    num_groups: int,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
) -> torch.Tensor:
    """torch's, which cannot go back through a bias without a weight."""
    if weight is None and bias is not None:
        weight = torch.ones_like(bias)
    return functional.group_norm(x, num_groups, weight, bias, eps)


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
        Case(randn(3, 37), (37,), randn(37), randn(37), why=BLOCK),
        Case(randn(37, 3), (3,), randn(3), randn(3)),
        Case(randn(1, 5), (5,), randn(5), randn(5), why="one row"),
        Case(randn(0, 5), (5,), randn(5), randn(5), flat=NO_ELEMENTS),
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
            Reject(TypeError, randn(2, 5), (5,), integers(5, low=1, high=9)),
            Reject(TypeError, randn(2, 5), (5,), eps="1"),
            Reject(TypeError, randn(2, 5), (5,), eps=None),
            Reject(ValueError, randn(), ()),
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
        Case(randn(3, 37), (37,), randn(37), why=BLOCK),
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
            Reject(TypeError, randn(2, 5), (5,), eps="1"),
            Reject(ValueError, randn(), ()),
        ],
    ),
    Op(
        "group_norm",
        group_norm,
        Case(randn(2, 6, 5), 3, randn(6), randn(6)),
        Case(randn(2, 6, 5), 3),
        Case(randn(2, 6, 5), 2, weight=randn(6)),
        Case(randn(2, 6, 5), 2, bias=randn(6)),
        Case(randn(2, 6, 5), num_groups=1, weight=randn(6), bias=randn(6)),
        Case(randn(2, 3, 5), 3, randn(3), randn(3), why="every channel is a group"),
        Case(randn(3, 8), 2, randn(8), randn(8)),
        Case(randn(2, 4, 3, 5), 2, randn(4), randn(4)),
        Case(randn(2, 4, 3, 1), 2, randn(4), randn(4), 0.5),
        Case(randn(3, 8), 1, eps=2.0),
        Case(randn(1, 4, 37), 2, randn(4), randn(4), why=BLOCK),
        Case(randn(3, 40), 5, randn(40), randn(40), why="more channels than a block of 32 threads"),
        Case(randn(37, 4), 1, randn(4), randn(4)),
        Case(uniform(2, 6, 5, low=8.0, high=9.0), 3, randn(6), randn(6), why=FAR),
        Case(
            values([[7.0, 7.0, -0.5, -0.5], [1.0, 1.0, 2.5, 2.5], [0.0, 0.0, 3.0, 3.0]]),
            2,
            why="zero variance: only eps holds it up",
        ),
        Case(
            values([[0.25, -0.5, 0.125, 1e3, -3e3, 2e3]]),
            2,
            randn(6),
            randn(6),
            1e-3,
            why="small beside large: each group has its own scale",
        ),
        Case(
            values([[1.0, nan, 2.0, 3.0, 0.5, 1.5], [inf, 1.0, 2.0, 3.0, -2.0, 4.0]]),
            2,
            kink=INFINITE,
            why="NaN stays in its group",
        ),
        Case(randn(2, 4, 0), 2, flat=NO_ELEMENTS),
        rejects=[
            Reject(ValueError, randn(2, 4), 3),
            Reject(ValueError, randn(2, 4), 0),
            Reject(ValueError, randn(2, 4), -2),
            Reject(ValueError, randn(4), 2),
            Reject(ValueError, randn(1, 3), 3),
            Reject(ValueError, randn(2, 4, 3), 2, randn(3)),
            Reject(ValueError, randn(2, 4), 2, randn(4), randn(1)),
            Reject(TypeError, randn(2, 4), 2.0),
            Reject(TypeError, integers(2, 4, low=0, high=9), 2),
            Reject(TypeError, randn(2, 4), 2, eps="1"),
        ],
    ),
    Op(
        "batch_norm",
        functional.batch_norm,
        Case(randn(5, 3), *running(3), randn(3), randn(3)),
        Case(randn(5, 3), *running(3)),
        Case(randn(5, 3), *running(3), weight=randn(3)),
        Case(randn(5, 3), *running(3), bias=randn(3)),
        Case(randn(2, 3, 5), *running(3), randn(3), randn(3), training=False),
        Case(randn(2, 3, 4, 5), *running(3), randn(3), randn(3), momentum=0.5),
        Case(randn(1, 3), *running(3), randn(3), randn(3), why="one row"),
        Case(randn(5, 3), *running(3), eps=0.5),
        Case(randn(2, 3, 0), *running(3), randn(3), randn(3), flat=NO_ELEMENTS),
        Case(
            values([[1.0, nan, -0.5], [0.5, 2.0, inf]]),
            *running(3),
            kink=INFINITE,
            why="without training each stays where it is",
        ),
        Case(randn(5, 3), *running(3), randn(3), randn(3), True),
        Case(randn(5, 3), None, None, randn(3), randn(3), training=True),
        Case(randn(5, 3), *running(3), training=True),
        Case(randn(5, 3), running_mean=None, running_var=None, weight=randn(3), training=True),
        Case(randn(5, 3), *running(3), bias=randn(3), training=True),
        Case(randn(2, 3, 5), *running(3), randn(3), randn(3), True, 0.25),
        Case(randn(2, 3, 4, 5), *running(3), randn(3), randn(3), True, 1.0, 0.5),
        Case(randn(5, 3), *running(3), training=True, momentum=0.0),
        Case(randn(1, 3, 5), *running(3), randn(3), randn(3), True, why="one row"),
        Case(randn(37, 2), *running(2), randn(2), randn(2), training=True, why=BLOCK),
        Case(randn(3, 2, 37), *running(2), randn(2), randn(2), training=True, why=BLOCK),
        Case(
            uniform(2, 3, 5, low=8.0, high=9.0),
            *running(3),
            randn(3),
            randn(3),
            training=True,
            why=FAR,
        ),
        Case(
            values([[0.125, 0.5, 0.25], [0.125, -1.5, 1e3], [0.125, 2.0, -3e3], [0.125, 1.0, 2e3]]),
            None,
            None,
            randn(3),
            randn(3),
            training=True,
            why="a channel without variance, a small one, a large one",
        ),
        Case(
            values([[1.0, nan, -0.5], [0.5, 2.0, 1.5], [2.0, 0.5, -1.0], [-1.0, 1.0, 0.0]]),
            *running(3),
            training=True,
            kink=INFINITE,
            why="NaN stays in its channel",
        ),
        Case(randn(5, 3), *running(3), eps=0.0, why="without training, eps may be 0"),
        Case(
            randn(2, 3, 0),
            *running(3),
            randn(3),
            randn(3),
            True,
            flat=NO_ELEMENTS,
            why="nothing moves the running statistics",
        ),
        rejects=[
            Reject(ValueError, randn(3), *running(3)),
            Reject(ValueError, randn(5, 3), None, None),
            Reject(ValueError, randn(5, 3), constant(randn(3)), None, training=True),
            Reject(ValueError, randn(5, 3), *running(5)),
            Reject(ValueError, randn(5, 3), *running(3), randn(5)),
            Reject(ValueError, randn(5, 3), *running(3), randn(3), randn(1)),
            Reject(ValueError, randn(1, 3), None, None, training=True),
            Reject(TypeError, randn(5, 3), *running(3), training=True, momentum=None),
            Reject(TypeError, randn(5, 3), *running(3), randn(3), randn(3), 0.1),
            Reject(TypeError, integers(5, 3, low=0, high=9), *running(3)),
            Reject(TypeError, randn(5, 3), *running(3), eps="1"),
            Reject(ValueError, randn(5, 3), None, None, training=True, eps=0.0),
            Reject(ValueError, randn(5, 3), *running(3), eps=-1.0),
            Reject(ValueError, randn(3), None, None, training=True),
        ],
    ),
)
