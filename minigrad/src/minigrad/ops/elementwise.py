"""One number in, one number out: arithmetic, powers, roundings, and choices between two tensors."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from .. import special
from ..arguments import broadcast, fitting, number, option, refuse_bool, tensors, whole
from ..dtypes import as_array, floating, is_floating, promote, promote_floating, result_type
from ..engine import Operand, Output, op


@op
def add(x: Operand, other: Operand, *, alpha: float = 1) -> Output:
    """x + alpha · other, broadcast."""
    x, other = _pair("add", x, other)
    alpha = factor("add", "alpha", alpha, x.dtype)
    return x + scaled(alpha, other), (lambda dout: dout, lambda dout: scaled(alpha, dout))


@op
def sub(x: Operand, other: Operand, *, alpha: float = 1) -> Output:
    """x - alpha · other, broadcast; booleans are refused."""
    refuse_bool("sub", x, other)
    x, other = _pair("sub", x, other)
    alpha = factor("sub", "alpha", alpha, x.dtype)
    return x - scaled(alpha, other), (lambda dout: dout, lambda dout: -scaled(alpha, dout))


@op
def rsub(x: Operand, other: Operand, *, alpha: float = 1) -> Output:
    """other - alpha · x, broadcast; booleans are refused."""
    refuse_bool("rsub", x, other)
    x, other = _pair("rsub", x, other)
    alpha = factor("rsub", "alpha", alpha, x.dtype)
    return other - scaled(alpha, x), (lambda dout: -scaled(alpha, dout), lambda dout: dout)


@op
def mul(x: Operand, other: Operand) -> Output:
    """x · other, broadcast."""
    x, other = _pair("mul", x, other)
    return x * other, (lambda dout: dout * other, lambda dout: dout * x)


@op
def div(x: Operand, other: Operand, *, rounding_mode: str | None = None) -> Output:
    """x / other, broadcast; integers divide to the default floating dtype.

    rounding_mode: "trunc" rounds the quotient towards 0, "floor" down; integers then stay integers,
    and dividing them by 0 raises ZeroDivisionError.
    """
    if rounding_mode is not None:
        return _whole_quotient(x, other, rounding_mode)
    broadcast("div", x, other)
    x, other = promote_floating(x, other)
    return x / other, (lambda dout: dout / other, lambda dout: -dout * ((x / other) / other))


@op
def neg(x: Operand) -> Output:
    """-x; booleans are refused."""
    refuse_bool("neg", x)
    return -x, lambda dout: -dout


@op
def abs(x: Operand) -> Output:
    """Absolute value; the slope at 0 and at NaN is 0. Booleans are refused."""
    refuse_bool("abs", x)
    return np.abs(x), lambda dout: dout * signs(x)


@op
def sign(x: Operand) -> Output:
    """-1, 0 or 1; 0 for NaN."""
    return signs(x), np.zeros_like


@op
def reciprocal(x: Operand) -> Output:
    """1 / x."""
    y = 1 / floating(x)
    return y, lambda dout: -dout * (y * y)


@op
def square(x: Operand) -> Output:
    """x · x; booleans become integers."""
    x, _one = promote(x, 1)
    return x * x, lambda dout: dout * (2 * x)


@op
def sqrt(x: Operand) -> Output:
    """Square root: NaN below 0, with an infinite slope at 0."""
    y = np.sqrt(floating(x))
    return y, lambda dout: dout / (2 * y)


@op
def rsqrt(x: Operand) -> Output:
    """1 / sqrt(x): NaN below 0, infinite at 0."""
    y = 1 / np.sqrt(floating(x))
    return y, lambda dout: -0.5 * dout * (y * y * y)


@op
def pow(x: Operand, exponent: Operand) -> Output:
    """x to the power exponent, either of them a tensor or a number, broadcast.

    0 to the power 0 is 1. The gradient of x is 0 where the exponent is 0, that of the exponent
    where x is 0 and the exponent is not negative, as in torch. Integers to negative powers are
    refused.
    """
    given = exponent  # an unsigned dtype would make a large number of a negative one
    x, exponent = _pair("pow", x, exponent)
    refuse_bool("pow", x)
    if not is_floating(x.dtype) and np.any(given < 0):
        raise ValueError("pow: an integer to a negative power is not an integer")
    power = _power(x, exponent)

    def dx(dout):
        slope = dout * (exponent * _power(x, exponent - 1))
        return np.where(exponent == 0, 0, slope) if np.any(exponent == 0) else slope

    def dexponent(dout):
        return np.where((x == 0) & (exponent >= 0), 0, dout * (power * np.log(x)))

    return power, (dx, dexponent)


@op
def exp(x: Operand) -> Output:
    """e to the power x."""
    y = np.exp(floating(x))
    return y, lambda dout: dout * y


@op
def expm1(x: Operand) -> Output:
    """exp(x) - 1, without the cancellation close to 0."""
    y = np.expm1(floating(x))
    return y, lambda dout: dout * (y + 1)


@op
def log(x: Operand) -> Output:
    """Natural logarithm: -inf at 0, NaN below."""
    x = floating(x)
    return np.log(x), lambda dout: dout / x


@op
def log1p(x: Operand) -> Output:
    """log(1 + x), without the rounding of 1 + x: -inf at -1, NaN below."""
    x = floating(x)
    return np.log1p(x), lambda dout: dout / (1 + x)


@op
def sin(x: Operand) -> Output:
    """Sine of x in radians."""
    x = floating(x)
    return np.sin(x), lambda dout: dout * np.cos(x)


@op
def cos(x: Operand) -> Output:
    """Cosine of x in radians."""
    x = floating(x)
    return np.cos(x), lambda dout: -dout * np.sin(x)


@op
def erf(x: Operand) -> Output:
    """The error function: 2/√π times the integral of exp(-t²) from 0 to x."""
    x = floating(x)
    return special.erf(x), lambda dout: dout * (2 / math.sqrt(math.pi) * np.exp(-x * x))


@op
def floor(x: Operand) -> Output:
    """The largest integer not above x, in x's dtype; booleans are refused."""
    return _rounded("floor", np.floor, x)


@op
def ceil(x: Operand) -> Output:
    """The smallest integer not below x, in x's dtype; booleans are refused."""
    return _rounded("ceil", np.ceil, x)


@op
def round(x: Operand, *, decimals: int = 0) -> Output:
    """x rounded to so many decimals, halves to the even neighbour; booleans are refused.

    decimals: negative for tens, hundreds …; other than 0 for floating tensors only.
    """
    if whole("round", "decimals", decimals) and not is_floating(x.dtype):
        raise TypeError(f"round: decimals are for floating tensors, not {x.dtype}")
    return _rounded("round", lambda x: np.round(x, decimals), x)


@op
def clamp(x: Operand, min: Operand | None = None, max: Operand | None = None) -> Output:
    """x limited to [min, max], numbers or tensors, which broadcast; NaN propagates.

    Where x equals a bound, the gradient goes to x. Where min is above max, the result is max.
    """
    if min is None and max is None:
        raise ValueError("clamp: expected min, max or both")
    if max is None:
        return _clamp_min("clamp", x, min)
    if min is None:
        value, (dx, dmax) = _clamp_max("clamp", x, max)
        return value, (dx, None, dmax)
    x, low, high = _bounded("clamp", x, min, max)
    refuse_bool("clamp", x)
    return np.clip(x, low, high), (
        lambda dout: masked(dout, (low <= x) & (x <= high)),
        lambda dout: masked(dout, (x < low) & (low < high)),
        lambda dout: masked(dout, (x > high) | (low > high)),
    )


@op
def clamp_min(x: Operand, min: Operand) -> Output:
    """x, but at least min, a number or a tensor, which broadcasts; see clamp."""
    return _clamp_min("clamp_min", x, min)


@op
def clamp_max(x: Operand, max: Operand) -> Output:
    """x, but at most max, a number or a tensor, which broadcasts; see clamp."""
    return _clamp_max("clamp_max", x, max)


@op
def maximum(x: Operand, other: Operand) -> Output:
    """The larger of x and other, broadcast; NaN propagates, and ties halve the gradient."""
    tensors("maximum", x, other)
    return larger("maximum", x, other)


@op
def minimum(x: Operand, other: Operand) -> Output:
    """The smaller of x and other, broadcast; NaN propagates, and ties halve the gradient."""
    tensors("minimum", x, other)
    return smaller("minimum", x, other)


@op
def where(condition: Operand, x: Operand, other: Operand) -> Output:
    """x where condition holds, else other; all three broadcast. condition: bool."""
    _require_bool("where", "condition", condition)
    broadcast("where", condition, x, other)
    dtype = result_type(x, other)
    for operand in (x, other):
        if not isinstance(operand, np.ndarray):
            fitting("where", "number", operand, dtype)
    x, other = promote(x, other)
    return np.where(condition, x, other), (
        None,
        lambda dout: masked(dout, condition),
        lambda dout: masked(dout, ~condition),
    )


@op
def masked_fill(x: Operand, mask: Operand, value: Operand) -> Output:
    """x with value, a number or a 0-d tensor, wherever mask holds; mask broadcasts with x.

    If x holds integers, a floating value loses its fraction, as in torch.
    """
    _require_bool("masked_fill", "mask", mask)
    broadcast("masked_fill", x, mask)
    if np.ndim(value):
        raise ValueError(f"masked_fill: value must be a number, not of shape {np.shape(value)}")
    lone = value.item() if isinstance(value, np.ndarray) else value
    return np.where(mask, fitting("masked_fill", "value", lone, x.dtype), x), (
        lambda dout: masked(dout, ~mask),
        None,
        lambda dout: masked(dout, mask),
    )


@op
def to(x: Operand, dtype: Any) -> Output:
    """x in another dtype, to which the gradient is brought back; no copy if it has it already.

    dtype None: its own.
    """
    own = x.dtype
    wanted = own if dtype is None else as_array((), dtype).dtype
    # Integers have no gradient: backward() refuses dout, which would be rounded to one.
    back = own if is_floating(own) else wanted
    return x.astype(wanted, copy=False), lambda dout: dout.astype(back, copy=False)


def factor(name: str, what: str, value: Any, dtype: Any) -> Any:
    """value as a number of dtype; integers take no float, and only booleans take a boolean."""
    if type(value) is int and value == 1:
        return value  # the common case, fast
    value = number(name, what, value)
    boolean = isinstance(value, bool) and dtype != np.bool_
    if boolean or (isinstance(value, float) and not is_floating(dtype)):
        raise TypeError(f"{name}: {what} must be a number for {dtype}, not {value!r}")
    return fitting(name, what, value, dtype)


def scaled(factor: Any, x: Any) -> Any:
    """factor · x; for a factor of 1, x itself without a copy."""
    return x if factor == 1 else factor * x


def larger(name: str, x: Any, other: Any) -> Any:
    """The value and the pullback of maximum, for the op called name."""
    x, other = _pair(name, x, other)
    return np.maximum(x, other), (
        lambda dout: _share(dout, x == other, x < other),
        lambda dout: _share(dout, x == other, x > other),
    )


def smaller(name: str, x: Any, other: Any) -> Any:
    """The value and the pullback of minimum, for the op called name."""
    x, other = _pair(name, x, other)
    return np.minimum(x, other), (
        lambda dout: _share(dout, x == other, x > other),
        lambda dout: _share(dout, x == other, x < other),
    )


def masked(x: Any, mask: Any) -> Any:
    """x, which is floating, where mask is true, else 0; they broadcast.

    It works on the bits: np.where branches at every element, and a product turns inf into NaN.
    """
    bits = f"i{x.itemsize}"
    return (x.view(bits) & -mask.view(np.int8)).view(x.dtype)


def at_least(x: Any, low: Any) -> Any:
    """The larger of x and low, of one dtype; NaN propagates. np.clip is faster if low is 0-d."""
    lone = is_floating(x.dtype) and not low.ndim
    return np.clip(x, low, x.dtype.type(np.inf)) if lone else np.maximum(x, low)


def at_most(x: Any, high: Any) -> Any:
    """The smaller of x and high: see at_least."""
    lone = is_floating(x.dtype) and not high.ndim
    return np.clip(x, x.dtype.type(-np.inf), high) if lone else np.minimum(x, high)


def chosen(mask: Any, x: Any, other: Any, dtype: Any) -> Any:
    """The number x where mask is true, else the number other, in a floating dtype."""
    bits = f"i{dtype.itemsize}"
    one, two = np.array([x, other], dtype).view(bits)
    found = -mask.view(np.int8) & (one ^ two)
    found ^= two
    return found.view(dtype)


def signs(x: Any) -> Any:
    """-1, 0 or 1 in the dtype of x; 0 for NaN, where np.sign has NaN."""
    return np.subtract(x > 0, x < 0, dtype=np.int8).astype(x.dtype)


def truncated(x: Any, other: Any) -> Any:
    """x / other of integers, rounded towards 0."""
    quotient = x // other
    return quotient + ((quotient < 0) & (quotient * other != x))


def _pair(name: str, x: Any, other: Any) -> Any:
    """Both as arrays of their common dtype; raises ValueError if they do not broadcast."""
    if isinstance(x, np.ndarray):  # the common cases, fast
        if isinstance(other, np.ndarray) and x.shape == other.shape and x.dtype == other.dtype:
            return x, other
        if type(other) is float and is_floating(x.dtype):
            return x, np.asarray(other, x.dtype)
    broadcast(name, x, other)
    return promote(x, other)


def _power(x: Any, exponent: Any) -> Any:
    """x to the power exponent; np.power is slow for those that are short products."""
    if not exponent.ndim and exponent in (1, 2, 3):
        return functools.reduce(np.multiply, [x] * int(exponent))
    return x**exponent


def _whole_quotient(x: Any, other: Any, mode: str) -> Output:
    option("div", "rounding_mode", mode, ("trunc", "floor"))
    x, other = _pair("div", x, other)
    refuse_bool("div", x)
    if is_floating(x.dtype):
        quotient = np.floor_divide(x, other) if mode == "floor" else np.trunc(x / other)
        return quotient, (np.zeros_like, np.zeros_like)
    if x.size and not np.all(other):
        raise ZeroDivisionError("div: an integer is divided by 0")
    return x // other if mode == "floor" else truncated(x, other), None


def _rounded(name: str, rounding: Any, x: Any) -> Output:
    refuse_bool(name, x)
    return rounding(x) if is_floating(x.dtype) else x, np.zeros_like


def _clamp_min(name: str, x: Any, min: Any) -> Any:
    x, min = _bounded(name, x, min)
    return at_least(x, min), (
        lambda dout: masked(dout, x >= min),
        lambda dout: masked(dout, x < min),
    )


def _clamp_max(name: str, x: Any, max: Any) -> Any:
    x, max = _bounded(name, x, max)
    return at_most(x, max), (
        lambda dout: masked(dout, x <= max),
        lambda dout: masked(dout, x > max),
    )


def _bounded(name: str, x: Any, *bounds: Any) -> Any:
    """x and bounds in their common dtype; raises ValueError if a number does not fit into it."""
    broadcast(name, x, *bounds)
    dtype = result_type(x, *bounds)
    for bound in bounds:
        if not isinstance(bound, np.ndarray):
            fitting(name, "a bound", bound, dtype)
    return promote(x, *bounds)


def _share(dout: Any, tie: Any, lost: Any) -> Any:
    """dout, half of it at a tie, none of it where this side lost."""
    return masked(np.where(tie, dout / 2, dout), ~lost)


def _require_bool(name: str, what: str, mask: Any) -> None:
    kind = getattr(mask, "dtype", type(mask).__name__)
    if kind != np.bool_:
        raise TypeError(f"{name}: {what} must be a tensor of booleans, not of {kind}")
