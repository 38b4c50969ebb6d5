"""What the comparisons, the logical ops and isnan, isinf and isfinite mean."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import Any

import numpy as np
import torch

from .case import Case, Data, Op, Reject, bools, ints, mask, randn, values
from .elementwise import MISMATCHED, NO_TENSOR, NOT_TENSORS
from .reasons import BLOCK


def few(*shape: int) -> Data:
    """-1, 0, 1 and 2, each as often as the others, in a random order."""
    numbers = np.resize([-1.0, 0.0, 1.0, 2.0], shape)
    text = f"few({', '.join(map(str, shape))})"
    return Data(text, lambda rng: rng.permutation(numbers.reshape(-1)).reshape(shape))


PAIRS = (
    Case(few(2, 3, 5), few(2, 3, 5)),
    Case(few(2, 3, 5), few(5)),
    Case(few(3, 5), few(2, 1, 1)),
    Case(few(3, 1), few(1, 5)),
    Case(few(37), few(37), why=BLOCK),
    Case(few(), few(7)),
    Case(few(), few()),
    Case(few(3, 0), few(1)),
    Case(ints([1, 0, 3]), ints([[0], [3]])),
    Case(few(2, 3), ints([1, 0, 2])),
    Case(bools([True, True, False, False]), bools([True, False, True, False])),
    Case(bools([True, False]), ints([2, 0])),
    Case(
        values([nan, nan, 1.0, inf, inf, -inf, 0.0]),
        values([nan, 1.0, nan, inf, -inf, 0.0, -0.0]),
        why="NaN has no order and equals nothing; 0 equals -0",
    ),
)


def compared(name: str, meaning: Callable[..., Any]) -> Op:
    """What the six comparisons share."""
    return Op(
        name,
        meaning,
        *PAIRS,
        Case(few(2, 3, 5), 1.0),
        Case(few(2, 3, 5), 1),
        Case(ints([1, 0, 3]), 0),
        Case(ints([1, 0, 3]), 0.5, why="a fraction is not cut off"),
        Case(ints([2**53 + 1, 2**53, 5]), ints([2**53, 2**53 + 1, 5]), why="too large for a float"),
        Case(bools([True, False]), True),
        Case(values([nan, inf, -inf, 0.0]), inf, why="infinity equals itself"),
        rejects=[*MISMATCHED, *NOT_TENSORS],
    )


def connected(name: str, meaning: Callable[..., Any]) -> Op:
    """What logical_and and logical_or share: whatever is not 0 is true, NaN as well."""
    return Op(
        name,
        meaning,
        *PAIRS,
        Case(mask(2, 3, 5), mask(3, 1)),
        rejects=[*MISMATCHED, *NOT_TENSORS, Reject(TypeError, randn(2), 1.0)],
    )


def tested(name: str, meaning: Callable[..., Any]) -> Op:
    """What isnan, isinf and isfinite share."""
    return Op(
        name,
        meaning,
        Case(values([[nan, inf, -inf, 0.0, 1.0], [-0.0, nan, 1e38, -1e-38, -inf]])),
        Case(values(nan)),
        Case(values(-inf)),
        Case(values([1.0])),
        Case(values([nan, 0.5, inf] * 13), why=BLOCK),
        Case(randn(3, 0)),
        Case(ints([3, 0, -4])),
        Case(bools([True, False])),
        rejects=[NO_TENSOR],
    )


OPS = (
    compared("eq", torch.eq),
    compared("ne", torch.ne),
    compared("lt", torch.lt),
    compared("le", torch.le),
    compared("gt", torch.gt),
    compared("ge", torch.ge),
    Op(
        "logical_not",
        torch.logical_not,
        Case(few(2, 3, 5)),
        Case(few()),
        Case(few(37), why=BLOCK),
        Case(randn(3, 0)),
        Case(ints([3, 0, -4])),
        Case(bools([True, False])),
        Case(values([nan, inf, -0.0, 0.0, 1e-30]), why="NaN is true: it is not 0"),
        rejects=[NO_TENSOR],
    ),
    connected("logical_and", torch.logical_and),
    connected("logical_or", torch.logical_or),
    tested("isnan", torch.isnan),
    tested("isinf", torch.isinf),
    tested("isfinite", torch.isfinite),
)
