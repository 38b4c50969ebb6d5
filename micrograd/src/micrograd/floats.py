"""Floats as the hardware computes them: inf and nan where Python would raise an error.

IEEE 754; the edge values of power are those of C's pow, which torch has too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def log(x: float) -> float:
    if x == 0.0:
        return -math.inf
    return math.nan if x < 0.0 else math.log(x)


def sqrt(x: float) -> float:
    return math.nan if x < 0.0 else math.sqrt(x)


def divide(x: float, y: float) -> float:
    if y != 0.0:
        return x / y
    # The sign of a zero counts: 1 / -0.0 is -inf.
    return math.nan if x == 0.0 or x != x else math.copysign(math.inf, x) * math.copysign(1.0, y)


def power(x: float, y: float) -> float:
    try:
        return math.pow(x, y)
    except OverflowError:
        return -math.inf if _negative(x) and _odd(y) else math.inf
    except ValueError:
        if x != 0.0:
            return math.nan  # a root of a negative number
        return -math.inf if _negative(x) and _odd(y) else math.inf


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), written so that exp cannot overflow."""
    if x < 0.0:
        e = math.exp(x)
        return e / (1.0 + e)
    return 1.0 / (1.0 + math.exp(-x))


def argmax(numbers: Sequence[float]) -> int:
    """Where the largest is, the first of equals; nan counts as larger than inf."""
    return max(range(len(numbers)), key=lambda i: (numbers[i] != numbers[i], numbers[i]))


def argmin(numbers: Sequence[float]) -> int:
    """Where the smallest is, the first of equals; nan counts as smaller than -inf."""
    return min(range(len(numbers)), key=lambda i: (numbers[i] == numbers[i], numbers[i]))


def _negative(x: float) -> bool:
    return math.copysign(1.0, x) < 0.0


def _odd(y: float) -> bool:
    return math.fmod(y, 2.0) in (-1.0, 1.0)
