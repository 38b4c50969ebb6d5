"""Floats as the hardware computes them: inf and nan where Python would raise an error.

IEEE 754; the edge values of power are those of C's pow, which torch has too.
"""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Callable, Iterable, Sequence
from operator import mul, truediv
from typing import cast


def _sum_of_products(xs: Sequence[float], ys: Sequence[float]) -> float:
    return sum(map(mul, xs, ys), 0.0)


# math's is written in C, and adds with more digits; it exists from Python 3.12 on.
_long_sumprod: Callable[..., float] = getattr(math, "sumprod", _sum_of_products)
# Up to this many products, writing them out is quicker than a call of _long_sumprod.
WRITTEN_OUT = 64 if _long_sumprod is _sum_of_products else 16


def sumprod(xs: Sequence[float], ys: Sequence[float]) -> float:
    """The dot product of two rows."""
    return sumprods([xs], [ys])[0]


def sumprods(xs: Iterable[Sequence[float]], ys: Sequence[Sequence[float]]) -> list[float]:
    """The dot products of each row of xs with every row of ys."""
    n = len(ys[0]) if ys else 0
    if 0 < n <= WRITTEN_OUT:
        return _written_out(n)(xs, ys)
    return [_long_sumprod(x, y) for x in xs for y in ys]


@functools.cache
def _written_out(n: int) -> Callable[..., list[float]]:
    """sumprods for rows of n numbers, with every product written out; for n = 2,

        lambda xs, ys: [0.0 + x0 * y0 + x1 * y1 for x0, x1, in xs for y0, y1, in ys]

    which takes Python a third to three quarters of the time that a sum over a map does, and gives
    the same result to the last bit where sum() does not compensate for rounding: up to Python 3.11.
    """
    x, y = ([f"{row}{i}" for i in range(n)] for row in "xy")
    total = " + ".join(["0.0", *map(" * ".join, zip(x, y, strict=True))])
    text = f"lambda xs, ys: [{total} for {', '.join(x)}, in xs for {', '.join(y)}, in ys]"
    return cast("Callable[..., list[float]]", eval(text))


def exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def exps(xs: Sequence[float]) -> list[float]:
    """exp of each."""
    try:
        return list(map(math.exp, xs))
    except OverflowError:
        return list(map(exp, xs))


def log(x: float) -> float:
    if x == 0.0:
        return -math.inf
    return math.nan if x < 0.0 else math.log(x)


def expm1(x: float) -> float:
    try:
        return math.expm1(x)
    except OverflowError:
        return math.inf


def log1p(x: float) -> float:
    if x == -1.0:
        return -math.inf
    return math.nan if x < -1.0 else math.log1p(x)


def sqrt(x: float) -> float:
    return math.nan if x < 0.0 else math.sqrt(x)


def sin(x: float) -> float:
    return math.nan if math.isinf(x) else math.sin(x)


def cos(x: float) -> float:
    return math.nan if math.isinf(x) else math.cos(x)


def divide(x: float, y: float) -> float:
    if y != 0.0:
        return x / y
    # The sign of a zero counts: 1 / -0.0 is -inf.
    return math.nan if x == 0.0 or x != x else math.copysign(math.inf, x) * math.copysign(1.0, y)


def ratios(xs: Sequence[float], ys: Sequence[float]) -> list[float]:
    """divide of each pair."""
    try:
        return list(map(truediv, xs, ys))
    except ZeroDivisionError:
        return list(map(divide, xs, ys))


def floor_divide(x: float, y: float) -> float:
    """The largest whole number not above x / y; nan where x is infinite."""
    return x // y if y != 0.0 else divide(x, y)


def power(x: float, y: float) -> float:
    try:
        return math.pow(x, y)
    except OverflowError:
        return -math.inf if _negative(x) and _odd(y) else math.inf
    except ValueError:
        if x != 0.0:
            return math.nan  # a root of a negative number
        return -math.inf if _negative(x) and _odd(y) else math.inf


def sign(x: float) -> float:
    """-1, 0 or 1; 0 for nan, as in torch."""
    return float((x > 0.0) - (x < 0.0))


def floor(x: float) -> float:
    return math.copysign(math.floor(x), x) if math.isfinite(x) else x


def ceil(x: float) -> float:
    return math.copysign(math.ceil(x), x) if math.isfinite(x) else x


def trunc(x: float) -> float:
    return math.copysign(math.trunc(x), x) if math.isfinite(x) else x


def round(x: float, decimals: int) -> float:
    """x rounded to so many decimals, or to tens, hundreds, … if negative; halves go to even."""
    scale = power(10.0, math.fabs(decimals))
    if decimals < 0:
        return builtins.round(x / scale, 0) * scale
    return builtins.round(x * scale, 0) / scale


def clamp(x: float, low: float, high: float) -> float:
    """x limited to [low, high]; where low is above high, high wins; nan if one of the three is."""
    return math.nan if x != x or low != low or high != high else min(max(x, low), high)


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), written so that exp cannot overflow."""
    if x < 0.0:
        e = math.exp(x)
        return e / (1.0 + e)
    return 1.0 / (1.0 + math.exp(-x))


def softplus(x: float) -> float:
    """log(1 + exp(x)), written so that exp cannot overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-math.fabs(x)))


def argmax(numbers: Sequence[float]) -> int:
    """The index of the largest number, the first of equals; nan counts as larger than inf."""
    return max(range(len(numbers)), key=lambda i: (numbers[i] != numbers[i], numbers[i]))


def argmin(numbers: Sequence[float]) -> int:
    """The index of the smallest number, the first of equals; nan counts as smaller than -inf."""
    return min(range(len(numbers)), key=lambda i: (numbers[i] == numbers[i], numbers[i]))


def order(numbers: Sequence[float], descending: bool = False) -> list[int]:
    """The indices that sort numbers; equals keep their order, and nan counts as larger than inf."""

    def key(i: int) -> tuple[bool, float]:
        return numbers[i] != numbers[i], numbers[i]

    return sorted(range(len(numbers)), key=key, reverse=descending)


def _negative(x: float) -> bool:
    return math.copysign(1.0, x) < 0.0


def _odd(y: float) -> bool:
    return math.fmod(y, 2.0) in (-1.0, 1.0)
