"""What the reductions mean: sums, products, means, extremes, variances."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import Any

import numpy as np
import torch

from .case import Case, Data, Op, Reject, bools, integers, ints, mask, randn, uniform, values
from .reasons import BLOCK, CORNER, COUNTED, FAR, INFINITE, NO_ELEMENTS, OF_INTEGERS

BAD_DIMS = (
    Reject(IndexError, randn(2, 3), dim=2),
    Reject(IndexError, randn(2, 3), dim=-3),
    Reject(IndexError, randn(), dim=1),
    Reject(TypeError, randn(2, 3), dim=1.5),
)
BAD_DIM_TUPLES = (
    *BAD_DIMS,
    Reject(IndexError, randn(2, 3), dim=(0, 2)),
    Reject(ValueError, randn(2, 3), dim=(0, 0)),
    Reject(ValueError, randn(2, 3), dim=(1, -1)),
)
NO_INTEGERS = (
    Reject(TypeError, ints([1, 2, 3])),
    Reject(TypeError, bools([True, False]), dim=0),
)
NOT_A_FLAG = Reject(TypeError, randn(2, 3), dim=1, keepdim=0)
NO_EXTREME = (
    Reject(IndexError, randn(0)),
    Reject(IndexError, randn(3, 0), dim=1),
)

OVER_ALL = (
    Case(randn(2, 3, 5)),
    Case(randn(37), why=BLOCK),
    Case(randn()),
)
OVER_A_DIM = (
    Case(randn(2, 3, 5), dim=1),
    Case(randn(2, 3, 5), -1, keepdim=True),
    Case(randn(2, 3, 5), 0, True),
    Case(randn(2, 1, 5), dim=1),
    Case(randn(3, 37), dim=1, why=BLOCK),
    Case(randn(37, 2), dim=0, why=BLOCK),
    Case(randn(), dim=0),
    Case(randn(), dim=-1),
    Case(randn(3, 0), dim=0, flat=NO_ELEMENTS, why="the empty dim stays"),
)
OVER_DIMS = (
    Case(randn(2, 3, 5), dim=(0, 2)),
    Case(randn(2, 3, 5), dim=(-1, 0), keepdim=True),
    Case(randn(2, 3, 5), dim=(1,)),
)
OVER_NONE = Case(randn(2, 3, 5), dim=None, keepdim=True)
NO_DIM_IS_ALL = Case(randn(2, 3, 5), dim=(), why="no dim is named: all go")


def signed(numbers: Any, sign: float) -> Data:
    """The same numbers win for max, where sign is 1, and for min, where it is -1."""
    return values((sign * np.array(numbers)).tolist())


def extreme(name: str, meaning: Callable[..., Any], sign: float) -> Op:
    """What max and min share."""
    return Op(
        name,
        meaning,
        *OVER_ALL,
        *OVER_A_DIM,
        Case(ints([[3, -1, 4], [1, 5, -9]])),
        Case(ints([[3, -1, 4], [1, 5, -9]]), dim=0),
        Case(bools([[False, True, True, False], [False] * 4, [True] * 4]), dim=1),
        Case(
            signed([2.0, 5.0, 1.0, 5.0, 5.0], sign),
            kink=CORNER,
            why="equals share the gradient evenly",
        ),
        Case(
            signed([[2.0, 5.0, 5.0], [1.0, 1.0, 1.0]], sign),
            dim=1,
            kink=CORNER,
            why="the first of equals takes the gradient",
        ),
        Case(signed([1.0, nan, inf], sign), kink=INFINITE, why="NaN wins"),
        Case(
            signed([[1.0, nan, inf, nan], [-inf] * 4, [inf, 2.0, -inf, inf]], sign),
            dim=-1,
            kink=INFINITE,
            why="NaN wins, then the infinity",
        ),
        Case(randn(2, 3, 5), randn(5), why="a tensor in place of the dim: the extreme of the two"),
        Case(randn(3, 1), other=randn(2, 1, 5)),
        Case(values([1.0, 2.0, -3.0]), other=values([1.0, 2.5, -4.0]), why="equals share evenly"),
        rejects=[
            *BAD_DIMS,
            *NO_EXTREME,
            Reject(TypeError, randn(2, 3), keepdim=True),
            Reject(TypeError, randn(2, 3), 0, other=randn(3)),
            Reject(ValueError, randn(2, 3), randn(4)),
            NOT_A_FLAG,
            Reject(TypeError, randn(2, 3), randn(2, 3), True),
            Reject(TypeError, randn(2, 3), other=1.5),
        ],
    )


def shared(name: str, meaning: Callable[..., Any], sign: float) -> Op:
    """What amax and amin share: unlike max along a dim, equals share the gradient."""
    return Op(
        name,
        meaning,
        *OVER_ALL,
        *OVER_A_DIM,
        *OVER_DIMS,
        NO_DIM_IS_ALL,
        Case(randn(2, 3, 5), keepdim=True),
        Case(ints([[3, -1, 4], [1, 5, -9]]), dim=1),
        Case(bools([[False, True, True, False], [False] * 4, [True] * 4]), dim=1),
        Case(
            signed([[2.0, 5.0, 5.0], [1.0, 1.0, 1.0]], sign),
            dim=1,
            kink=CORNER,
            why="equals share the gradient evenly",
        ),
        Case(
            signed([[2.0, 5.0, 5.0], [5.0, 1.0, 1.0]], sign),
            kink=CORNER,
            why="equals share the gradient evenly",
        ),
        Case(
            signed([[1.0, nan, inf, nan], [-inf] * 4, [inf, 2.0, -inf, inf]], sign),
            dim=-1,
            kink=INFINITE,
            why="NaN wins, then the infinity",
        ),
        rejects=[*BAD_DIM_TUPLES, *NO_EXTREME, NOT_A_FLAG],
    )


def position(name: str, meaning: Callable[..., Any], sign: float) -> Op:
    """What argmax and argmin share."""
    return Op(
        name,
        meaning,
        Case(randn(2, 3, 5)),
        Case(randn(37), why=BLOCK),
        Case(randn()),
        Case(randn(2, 3, 5), dim=1),
        Case(randn(2, 3, 5), -1, keepdim=True),
        Case(randn(2, 3, 5), 0, True),
        OVER_NONE,
        Case(randn(2, 37), dim=1, why=BLOCK),
        Case(randn(), dim=0),
        Case(randn(3, 0), dim=0),
        Case(ints([[3, -1, 4], [1, 5, -9]]), dim=0),
        Case(signed([[2.0, 5.0, 5.0], [1.0, 1.0, 1.0]], sign), dim=1, why="the first of equals"),
        Case(signed([[2.0, 5.0, 1.0], [5.0, 1.0, 5.0]], sign), why="the first of equals"),
        Case(signed([1.0, inf, nan, nan], sign), why="NaN wins"),
        Case(signed([[-inf, -inf, -inf], [1.0, nan, inf]], sign), dim=1, why="NaN wins, then inf"),
        rejects=[*BAD_DIMS, *NO_EXTREME, Reject(TypeError, bools([True, False])), NOT_A_FLAG],
    )


SPREAD = (
    Case(randn(2, 3, 5)),
    Case(randn(37), why=BLOCK),
    Case(randn(2, 3, 5), dim=1),
    Case(randn(2, 3, 5), -1, keepdim=True),
    Case(randn(3, 37), dim=-1, why=BLOCK),
    Case(randn(37, 2), dim=0, why=BLOCK),
    *OVER_DIMS,
    OVER_NONE,
    Case(randn(2, 3, 5), dim=(-1, 0), correction=0, keepdim=True),
    Case(randn(2, 3, 5), dim=None, correction=0),
    Case(randn(2, 3, 5), dim=1, correction=2),
    Case(randn(3, 5), dim=1, correction=1.5),
    Case(randn(2), why="two elements, one of them free"),
    Case(uniform(3, 5, low=8.0, high=9.0), dim=1, why=FAR),
    Case(randn(3, 1), dim=1, kink=INFINITE, why="one element has no variance: NaN"),
    Case(randn(), kink=INFINITE, why="one element has no variance: NaN"),
    Case(randn(3, 0), dim=1, flat=NO_ELEMENTS, kink=INFINITE, why="nor has none"),
    Case(
        values([[1.0, 2.0], [5.0, 3.5], [0.5, 1.0]]),
        dim=1,
        correction=2,
        kink=INFINITE,
        why="as many elements as the correction: inf",
    ),
    Case(values([1.0, 2.0, 5.0]), correction=3, kink=INFINITE, why="as many, without a dim"),
    Case(
        values([[0.5, 1.0], [nan, 0.5], [1.0, 5.0]]),
        dim=1,
        kink=INFINITE,
        why="NaN stays in its row",
    ),
)
BAD_SPREAD = (*BAD_DIM_TUPLES, *NO_INTEGERS, NOT_A_FLAG)
ONE_IS_THE_MEAN = "one element is its own mean"
SOME_INFINITE = Case(
    values([[inf, 1.0], [0.5, -inf], [1.0, 5.0]]),
    dim=1,
    kink=INFINITE,
    why="what is infinitely far has no distance: NaN",
)
SOME_EQUAL = values([[3.0, 3.0, 3.0], [0.5, -1.5, 2.0]])


def flags(share: float) -> Callable[..., Data]:
    """Random booleans, of which about this share are true."""

    def drawn(*shape: int) -> Data:
        text = f"flags({share})({', '.join(map(str, shape))})"
        return Data(text, lambda rng: np.asarray(rng.random(shape) < share))

    return drawn


def quantifier(name: str, meaning: Callable[..., Any], some: Callable[..., Data], odd: bool) -> Op:
    """What any and all share.

    odd: the one flag that decides, however many others there are. some: flags that are odd so
    rarely that not every row is decided.
    """
    even = [not odd] * 40
    return Op(
        name,
        meaning,
        Case(some(2, 3, 5)),
        Case(some(2, 3, 5), dim=1),
        Case(some(2, 3, 5), -1, keepdim=True),
        Case(some(2, 3, 5), 0, True),
        Case(some(2, 3, 5), dim=(0, 2)),
        Case(some(2, 3, 5), dim=(-1, 0), keepdim=True),
        Case(some(2, 3, 5), dim=None, keepdim=True),
        Case(some(2, 3, 5), dim=(), why="no dim is named: none goes"),
        Case(some(2, 1, 5), dim=1),
        Case(bools(even)),
        Case(bools([*even, odd]), why=BLOCK),
        Case(bools([even, [*even[1:], odd], [odd, *even[1:]]]), dim=1, why=BLOCK),
        Case(bools(odd)),
        Case(bools(not odd), dim=0),
        Case(randn(3, 0), dim=0),
        Case(randn(3, 0), dim=1, why="of nothing: any is false, all is true"),
        Case(randn(0), why="of nothing: any is false, all is true"),
        Case(ints([[0, 0, 0], [0, -4, 0], [1, 2, 3]]), dim=1),
        Case(
            values([[0.0, -0.0, 0.0], [0.0, nan, 0.0], [0.5, inf, -1e-30], [nan] * 3]),
            dim=1,
            why="what is not 0 is true, NaN as well",
        ),
        Case(randn(2, 3), [], why="a list of no dims tests each"),
        rejects=[*BAD_DIM_TUPLES, NOT_A_FLAG],
    )


OPS = (
    Op(
        "sum",
        torch.sum,
        *OVER_ALL,
        *OVER_A_DIM,
        *OVER_DIMS,
        OVER_NONE,
        NO_DIM_IS_ALL,
        Case(randn(3, 0), dim=1, flat=NO_ELEMENTS),
        Case(randn(3, 0), flat=NO_ELEMENTS),
        Case(integers(2, 3, low=-9, high=10)),
        Case(integers(2, 3, low=-9, high=10), dim=0),
        Case(ints([2**53, 1, 1]), why="too large for a float"),
        Case(mask(2, 5), dim=1, why="booleans are counted"),
        Case(
            values([[inf, -inf], [inf, 1.0], [nan, 1.0]]),
            dim=1,
            kink=INFINITE,
            why="inf - inf is NaN",
        ),
        Case(randn(2, 3, 5), [0, -1], why="the dims may be a list"),
        rejects=[*BAD_DIM_TUPLES, NOT_A_FLAG],
    ),
    Op(
        "mean",
        torch.mean,
        *OVER_ALL,
        *OVER_A_DIM,
        *OVER_DIMS,
        OVER_NONE,
        NO_DIM_IS_ALL,
        Case(randn(3, 0), dim=1, flat=NO_ELEMENTS, kink=INFINITE, why="the mean of nothing is NaN"),
        Case(randn(0), flat=NO_ELEMENTS, kink=INFINITE, why="the mean of nothing is NaN"),
        Case(values([[inf, -inf], [inf, 1.0], [nan, 1.0]]), dim=1, kink=INFINITE, why="as of sum"),
        rejects=[*BAD_DIM_TUPLES, *NO_INTEGERS, NOT_A_FLAG],
    ),
    Op(
        "prod",
        torch.prod,
        *OVER_ALL,
        *OVER_A_DIM,
        Case(randn(3, 0), dim=1, flat=NO_ELEMENTS, why="of nothing: 1"),
        Case(randn(0), flat=NO_ELEMENTS, why="of nothing: 1"),
        Case(integers(2, 3, low=-9, high=10)),
        Case(integers(2, 3, low=-9, high=10), dim=0, keepdim=True),
        Case(bools([[True, True], [True, False]]), dim=1, why="of booleans: int64"),
        Case(values([0.5, 0.0, -2.0, 3.0]), why="one 0: all the gradient is its own"),
        Case(
            values([0.5, 0.0, -2.0, 0.0]),
            kink="of a product that stays at 0, a difference is all rounding",
            flat="two zeros: no factor has any effect alone",
        ),
        Case(
            values([[0.5, 0.0, -2.0, 1.5], [0.0, 3.0, 0.0, -1.0], [1.5, -0.5, 2.5, 3.0]]),
            dim=1,
            why="one 0, two, none",
        ),
        Case(values([[0.5, 0.0], [0.0, -3.0], [1.5, 0.0]]), dim=0, keepdim=True, why="one 0, two"),
        Case(values([[[0.5], [0.0]], [[-2.0], [3.0]], [[1.5], [0.0]]]), dim=0),
        Case(values([[0.5, 3.0, -2.0], [1.5, 0.0, -1.0]]), why="one 0 among all"),
        Case(
            values([[0.0, inf, 3.0], [nan, 0.0, 2.0]]),
            dim=1,
            kink=INFINITE,
            why="0 · inf is NaN, but the gradient of each is the product of the others",
        ),
        rejects=[
            *BAD_DIMS,
            Reject(TypeError, randn(2, 3), dim=(0, 1)),
            Reject(TypeError, randn(2, 3), keepdim=True),
            NOT_A_FLAG,
        ],
    ),
    Op(
        "var",
        torch.var,
        *SPREAD,
        SOME_INFINITE,
        Case(SOME_EQUAL, dim=1, why="zero variance in one row"),
        Case(randn(3, 1), dim=1, correction=0, flat=ONE_IS_THE_MEAN),
        Case(randn(3, 2), dim=1, correction=3, kink=INFINITE, why="fewer than the correction: inf"),
        rejects=BAD_SPREAD,
    ),
    Op(
        "std",
        torch.std,
        *SPREAD,
        SOME_INFINITE,
        Case(SOME_EQUAL, dim=1, why="the slope at 0 is 0"),
        Case(randn(3, 1), dim=1, correction=0, flat=ONE_IS_THE_MEAN),
        Case(
            randn(3, 2),
            dim=1,
            correction=3,
            kink=INFINITE,
            flat="inf, whatever the numbers",
            why="fewer than the correction: inf",
        ),
        rejects=BAD_SPREAD,
    ),
    Op(
        "var_mean",
        torch.var_mean,
        *SPREAD,
        Case(SOME_EQUAL, dim=1, why="zero variance in one row"),
        Case(randn(3, 1), dim=1, correction=0),
        Case(randn(3, 2), dim=1, correction=3, kink=INFINITE, why="fewer than the correction: inf"),
        rejects=BAD_SPREAD,
    ),
    shared("amax", torch.amax, 1.0),
    shared("amin", torch.amin, -1.0),
    extreme("max", torch.max, 1.0),
    extreme("min", torch.min, -1.0),
    position("argmax", torch.argmax, 1.0),
    position("argmin", torch.argmin, -1.0),
    Op(
        "logsumexp",
        torch.logsumexp,
        *OVER_A_DIM,
        *OVER_DIMS,
        Case(randn(2, 3, 5), (0, 1, 2)),
        Case(
            randn(3, 0),
            dim=1,
            flat=NO_ELEMENTS,
            kink=INFINITE,
            why="the logarithm of nothing: -inf",
        ),
        Case(ints([[0, 1, -2], [3, 3, 3]]), dim=1, why=OF_INTEGERS),
        Case(values([[2.5, 2.5, 2.5], [-30.0, 0.0, 30.0]]), dim=1),
        Case(
            values([[1000.0, 999.0, -1000.0], [-1000.0, -1001.0, -1000.5]]),
            dim=1,
            why="only the subtracted maximum holds it up",
        ),
        Case(
            values([[0.5, -inf, 1.0], [-inf, 2.0, -inf]]),
            dim=1,
            why="what a mask leaves: -inf takes no part",
        ),
        Case(
            values([[-inf, -inf, -inf], [0.5, 1.5, -1.0]]),
            dim=1,
            kink=INFINITE,
            why="of nothing but -inf: -inf, and its slopes are NaN",
        ),
        Case(values([inf, 1000.0, 2.0]), dim=0, kink=INFINITE, why="beside an infinity"),
        Case(
            values([[inf, 0.5, -inf], [inf, inf, 1.0], [nan, 0.5, 1.0], [0.5, 1.5, -1.0]]),
            dim=1,
            kink=INFINITE,
            why="inf wins, but has no slope",
        ),
        rejects=[*BAD_DIM_TUPLES, NOT_A_FLAG, Reject(TypeError, randn(2, 3), None)],
    ),
    quantifier("any", torch.any, flags(0.15), True),
    quantifier("all", torch.all, flags(0.85), False),
    Op(
        "cumsum",
        torch.cumsum,
        Case(randn(2, 3, 5), dim=0),
        Case(randn(2, 3, 5), 1),
        Case(randn(2, 3, 5), -1),
        Case(randn(2, 1, 5), dim=1),
        Case(randn(), 0),
        Case(randn(), dim=-1),
        Case(randn(3, 0), 0, flat=NO_ELEMENTS),
        Case(randn(3, 0), 1, flat=NO_ELEMENTS),
        Case(randn(3, 37), 1, why=BLOCK),
        Case(randn(37, 2), 0, why=BLOCK),
        Case(ints([[1, -2, 3], [4, 5, -6]]), 1),
        Case(bools([True, False, True]), 0, why="booleans are counted"),
        Case(
            values([[1.0, inf, 2.0, -inf, 3.0], [1.0, nan, 2.0, 0.5, -1.0]]),
            1,
            kink=INFINITE,
            why="what comes before is not touched",
        ),
        Case(bools(True), 0, why=COUNTED),
        rejects=[
            *BAD_DIMS,
            Reject(TypeError, randn(2, 3), dim=(0,)),
            Reject(TypeError, randn(2, 3), None),
        ],
    ),
)
