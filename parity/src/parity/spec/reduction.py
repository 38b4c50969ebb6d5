"""What it means to make one number of many: sums, means, extremes, variance."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import Any

import numpy as np
import torch

from .case import Case, Data, Op, Reject, bools, integers, ints, mask, randn, uniform, values
from .reasons import CORNER, FAR, INFINITE, NO_ELEMENTS

BAD_DIMS = (
    Reject(IndexError, randn(2, 3), dim=2),
    Reject(IndexError, randn(2, 3), dim=-3),
    Reject(IndexError, randn(), dim=1),
)
BAD_DIM_TUPLES = (
    *BAD_DIMS,
    Reject(IndexError, randn(2, 3), dim=(0, 2)),
    Reject(ValueError, randn(2, 3), dim=(0, 0)),
    Reject(ValueError, randn(2, 3), dim=(1, -1)),
    Reject(TypeError, randn(2, 3), dim=1.5),
)


def extreme(name: str, meaning: Callable[..., Any], sign: float) -> Op:
    """What max and min share; sign turns numbers, so that the same ones win."""

    def signed(numbers: Any) -> Data:
        return values((sign * np.array(numbers)).tolist())

    return Op(
        name,
        meaning,
        Case(randn(2, 3, 5)),
        Case(randn(2, 3, 5), dim=1),
        Case(randn(2, 3, 5), -1, keepdim=True),
        Case(randn(2, 3, 5), 0, True),
        Case(randn(2, 1, 5), dim=1),
        Case(randn()),
        Case(randn(), dim=0),
        Case(randn(), dim=-1),
        Case(randn(37), why="more elements than a block of 32 threads"),
        Case(randn(2, 37), dim=1),
        Case(randn(3, 0), dim=0, flat=NO_ELEMENTS),
        Case(ints([[3, -1, 4], [1, 5, -9]])),
        Case(ints([[3, -1, 4], [1, 5, -9]]), dim=0),
        Case(bools([[False, True, True, False], [False] * 4, [True] * 4]), dim=1),
        Case(
            signed([2.0, 5.0, 1.0, 5.0, 5.0]), kink=CORNER, why="equals share the gradient evenly"
        ),
        Case(
            signed([[2.0, 5.0, 5.0], [1.0, 1.0, 1.0]]),
            dim=1,
            kink=CORNER,
            why="the first of equals takes the gradient",
        ),
        Case(signed([1.0, nan, inf]), kink=INFINITE, why="NaN wins"),
        Case(
            signed([[1.0, nan, inf, nan], [-inf] * 4, [inf, 2.0, -inf, inf]]),
            dim=-1,
            kink=INFINITE,
            why="NaN wins, then the infinity",
        ),
        rejects=[
            *BAD_DIMS,
            Reject(TypeError, randn(2, 3), dim=1.5),
            Reject(TypeError, randn(2, 3), keepdim=True),
        ],
    )


OPS = (
    Op(
        "sum",
        torch.sum,
        Case(randn(2, 3, 5)),
        Case(randn(2, 3, 5), dim=1),
        Case(randn(2, 3, 5), -1, keepdim=True),
        Case(randn(2, 3, 5), dim=(0, 2)),
        Case(randn(2, 3, 5), dim=(-1, 0), keepdim=True),
        Case(randn(2, 3, 5), dim=None, keepdim=True),
        Case(randn(2, 1, 5), dim=1),
        Case(randn()),
        Case(randn(), dim=-1),
        Case(randn(3, 37), dim=1, why="more elements than a block of 32 threads"),
        Case(randn(37, 2), dim=0),
        Case(randn(3, 0), dim=1, flat=NO_ELEMENTS),
        Case(randn(3, 0), flat=NO_ELEMENTS),
        Case(integers(2, 3, low=-9, high=10)),
        Case(integers(2, 3, low=-9, high=10), dim=0),
        Case(mask(2, 5), dim=1, why="booleans are counted"),
        Case(
            values([[inf, -inf], [inf, 1.0], [nan, 1.0]]),
            dim=1,
            kink=INFINITE,
            why="inf - inf is NaN",
        ),
        Case(randn(3, 0), dim=0, flat=NO_ELEMENTS, why="an empty dim behind the one summed"),
        rejects=BAD_DIM_TUPLES,
    ),
    Op(
        "mean",
        torch.mean,
        Case(randn(2, 3, 5)),
        Case(randn(2, 3, 5), dim=1),
        Case(randn(2, 3, 5), -1, keepdim=True),
        Case(randn(2, 3, 5), dim=(0, 2)),
        Case(randn(2, 3, 5), dim=(-1, 0), keepdim=True),
        Case(randn(2, 3, 5), dim=None, keepdim=True),
        Case(randn(2, 1, 5), dim=1),
        Case(randn()),
        Case(randn(), dim=0),
        Case(randn(3, 37), dim=-1, why="more elements than a block of 32 threads"),
        Case(randn(3, 0), dim=1, flat=NO_ELEMENTS, kink=INFINITE, why="the mean of nothing is NaN"),
        Case(randn(0), flat=NO_ELEMENTS, kink=INFINITE, why="the mean of nothing is NaN"),
        Case(randn(3, 0), dim=0, flat=NO_ELEMENTS),
        rejects=[
            *BAD_DIM_TUPLES,
            Reject(TypeError, ints([1, 2, 3])),
            Reject(TypeError, bools([True, False]), dim=0),
        ],
    ),
    extreme("max", torch.max, 1.0),
    extreme("min", torch.min, -1.0),
    Op(
        "argmax",
        torch.argmax,
        Case(randn(2, 3, 5)),
        Case(randn(2, 3, 5), dim=1),
        Case(randn(2, 3, 5), -1, keepdim=True),
        Case(randn(2, 3, 5), dim=None, keepdim=True),
        Case(randn()),
        Case(randn(), dim=0),
        Case(randn(2, 37), dim=1, why="more elements than a block of 32 threads"),
        Case(randn(37)),
        Case(ints([[3, -1, 4], [1, 5, -9]]), dim=0),
        Case(values([[2.0, 5.0, 5.0], [1.0, 1.0, 1.0]]), dim=1, why="the first of equals"),
        Case(values([1.0, inf, nan, nan]), why="NaN wins"),
        Case(values([[-inf, -inf, -inf], [1.0, nan, inf]]), dim=1, why="NaN wins, then inf"),
        rejects=[*BAD_DIMS, Reject(TypeError, randn(2, 3), dim=1.5)],
    ),
    Op(
        "var",
        torch.var,
        Case(randn(2, 3, 5)),
        Case(randn(2, 3, 5), dim=1),
        Case(randn(2, 3, 5), -1, keepdim=True),
        Case(randn(2, 3, 5), dim=(0, 2)),
        Case(randn(2, 3, 5), dim=(-1, 0), correction=0, keepdim=True),
        Case(randn(2, 3, 5), dim=None, correction=0),
        Case(randn(2, 3, 5), dim=1, correction=2),
        Case(randn(3, 5), dim=1, correction=1.5),
        Case(randn(3, 37), dim=-1, why="more elements than a block of 32 threads"),
        Case(randn(3, 1), dim=1, correction=0, flat="one element is its own mean"),
        Case(uniform(3, 5, low=64.0, high=65.0), dim=1, why=FAR),
        Case(values([[3.0, 3.0, 3.0], [0.5, -1.5, 2.0]]), dim=1, why="zero variance in one row"),
        Case(randn(3, 1), dim=1, kink=INFINITE, why="one element has no variance: NaN"),
        Case(
            values([[1.0, 2.0], [5.0, 3.5], [0.5, 1.0]]),
            dim=1,
            correction=2,
            kink=INFINITE,
            why="as many elements as the correction: inf",
        ),
        Case(
            values([1.0, 2.0, 5.0]), correction=3, kink=INFINITE, why="without a dim, of one sign"
        ),
        Case(randn(3, 2), dim=1, correction=3, kink=INFINITE, why="fewer than the correction: inf"),
        rejects=[
            *BAD_DIM_TUPLES,
            Reject(TypeError, ints([1, 2, 3])),
            Reject(TypeError, bools([True, False]), dim=0),
        ],
    ),
)
