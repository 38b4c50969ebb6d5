"""One number in, one number out: arithmetic, powers, roundings, and choices between two tensors."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from .. import arrays
from ..arguments import broadcast, factor, fitting, option, refuse_bool, tensors, whole
from ..arrays import BOOL, INT, Array, apply
from ..dtypes import as_dtype, floating, is_floating, promote, promote_floating, result_type
from ..engine import Operand, Output, op
from ..kernels import functions as f

LOWER = f.larger, f.clamp_min_dx, f.clamp_min_dlow
UPPER = f.smaller, f.clamp_max_dx, f.clamp_max_dhigh
QUOTIENTS = {  # of floating numbers, of integers
    "trunc": (f.div_trunc, f.int_div_trunc),
    "floor": (f.div_floor, f.int_div_floor),
}


@op
def add(x: Operand, other: Operand, *, alpha: float = 1) -> Output:
    """x + alpha · other, broadcast."""
    x, other = _pair("add", x, other)
    factor("add", "alpha", alpha, x.dtype)
    if alpha == 1:
        return apply(f.add, x, other), (lambda dout: dout, lambda dout: dout)
    return apply(f.add_multiple, x, other, alpha), (
        lambda dout: dout,
        lambda dout: apply(f.mul, dout, alpha),
    )


@op
def sub(x: Operand, other: Operand, *, alpha: float = 1) -> Output:
    """x - alpha · other, broadcast; booleans are refused."""
    return _difference("sub", x, other, alpha)


@op
def rsub(x: Operand, other: Operand, *, alpha: float = 1) -> Output:
    """other - alpha · x, broadcast; booleans are refused."""
    difference, (dother, dx) = _difference("rsub", other, x, alpha)
    return difference, (dx, dother)


@op
def mul(x: Operand, other: Operand) -> Output:
    """x · other, broadcast."""
    x, other = _pair("mul", x, other)
    return apply(f.mul, x, other), (
        lambda dout: apply(f.mul, dout, other),
        lambda dout: apply(f.mul, dout, x),
    )


@op
def div(x: Operand, other: Operand, *, rounding_mode: str | None = None) -> Output:
    """x / other, broadcast; integers divide to the default floating dtype.

    rounding_mode: "trunc" rounds the quotient towards 0, "floor" down; integers then stay integers,
    and dividing them by 0 raises ZeroDivisionError.
    """
    broadcast("div", x, other)
    if rounding_mode is not None:
        return _whole_quotient(x, other, rounding_mode)
    x, other = promote_floating(x, other)
    return apply(f.div, x, other), (
        lambda dout: apply(f.div, dout, other),
        lambda dout: apply(f.div_dy, x, other, dout),
    )


@op
def neg(x: Operand) -> Output:
    """-x; booleans are refused."""
    refuse_bool("neg", x)
    return apply(f.neg, x), lambda dout: apply(f.neg, dout)


@op
def abs(x: Operand) -> Output:
    """Absolute value; the slope at 0 and at NaN is 0. Booleans are refused."""
    refuse_bool("abs", x)
    return apply(f.magnitude, x), lambda dout: apply(f.magnitude_dx, x, dout)


@op
def sign(x: Operand) -> Output:
    """-1, 0 or 1; 0 for NaN."""
    return (x if x.dtype == BOOL else apply(f.sign, x)), _no_slope


@op
def reciprocal(x: Operand) -> Output:
    """1 / x."""
    y = apply(f.reciprocal, floating(x))
    return y, lambda dout: apply(f.reciprocal_dx, y, dout)


@op
def square(x: Operand) -> Output:
    """x · x; booleans become integers."""
    x = arrays.cast(x, INT) if x.dtype == BOOL else x
    return apply(f.square, x), lambda dout: apply(f.square_dx, x, dout)


@op
def sqrt(x: Operand) -> Output:
    """Square root: NaN below 0, with an infinite slope at 0."""
    y = apply(f.sqrt, floating(x))
    return y, lambda dout: apply(f.sqrt_dx, y, dout)


@op
def rsqrt(x: Operand) -> Output:
    """1 / sqrt(x): NaN below 0, infinite at 0."""
    y = apply(f.rsqrt, floating(x))
    return y, lambda dout: apply(f.rsqrt_dx, y, dout)


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
    if is_floating(x.dtype):
        power = apply(f.pow, x, exponent)
    else:
        flags = apply(f.negative, *promote(given), dtype=BOOL)
        arrays.refuse(
            flags, lambda: ValueError("pow: an integer to a negative power is not an integer")
        )
        power = apply(f.int_pow, x, exponent)
    return power, (
        lambda dout: apply(f.pow_dx, x, exponent, dout),
        lambda dout: apply(f.pow_dy, x, exponent, dout),
    )


@op
def exp(x: Operand) -> Output:
    """e to the power x."""
    y = apply(f.exp, floating(x))
    return y, lambda dout: apply(f.mul, dout, y)


@op
def expm1(x: Operand) -> Output:
    """exp(x) - 1, without the cancellation close to 0."""
    x = floating(x)
    return apply(f.expm1, x), lambda dout: apply(f.expm1_dx, x, dout)


@op
def log(x: Operand) -> Output:
    """Natural logarithm: -inf at 0, NaN below."""
    x = floating(x)
    return apply(f.log, x), lambda dout: apply(f.div, dout, x)


@op
def log1p(x: Operand) -> Output:
    """log(1 + x), without the rounding of 1 + x: -inf at -1, NaN below."""
    x = floating(x)
    return apply(f.log1p, x), lambda dout: apply(f.log1p_dx, x, dout)


@op
def sin(x: Operand) -> Output:
    """Sine of x in radians."""
    x = floating(x)
    return apply(f.sin, x), lambda dout: apply(f.sin_dx, x, dout)


@op
def cos(x: Operand) -> Output:
    """Cosine of x in radians."""
    x = floating(x)
    return apply(f.cos, x), lambda dout: apply(f.cos_dx, x, dout)


@op
def erf(x: Operand) -> Output:
    """The error function: 2/√π times the integral of exp(-t²) from 0 to x."""
    x = floating(x)
    return apply(f.erf, x), lambda dout: apply(f.erf_dx, x, dout)


@op
def floor(x: Operand) -> Output:
    """The largest integer not above x, in x's dtype; booleans are refused."""
    return _rounded("floor", f.floor, x)


@op
def ceil(x: Operand) -> Output:
    """The smallest integer not below x, in x's dtype; booleans are refused."""
    return _rounded("ceil", f.ceil, x)


@op
def round(x: Operand, *, decimals: int = 0) -> Output:
    """x rounded to so many decimals, halves to the even neighbour; booleans are refused.

    decimals: negative for tens, hundreds …; other than 0 for floating tensors only.
    """
    if not whole("round", "decimals", decimals):
        return _rounded("round", f.round, x)
    if not is_floating(x.dtype):
        raise TypeError(f"round: decimals are for floating tensors, not {x.dtype}")
    power = float(f"1e{builtins.abs(decimals)}")  # 10 to that power, or inf
    up, down = (f.mul, f.div) if decimals > 0 else (f.div, f.mul)
    wide = arrays.cast(x, arrays.reckoned(x.dtype))
    rounded = apply(down, apply(f.round, apply(up, wide, power)), power)
    return arrays.cast(rounded, x.dtype), _no_slope


@op
def clamp(x: Operand, min: Operand | None = None, max: Operand | None = None) -> Output:
    """x limited to [min, max], numbers or tensors, which broadcast; NaN propagates.

    Where x equals a bound, the gradient goes to x. Where min is above max, the result is max.
    """
    if min is None and max is None:
        raise ValueError("clamp: expected min, max or both")
    if max is None:
        return _one_sided("clamp", *LOWER, x, min)
    if min is None:
        y, (dx, dmax) = _one_sided("clamp", *UPPER, x, max)
        return y, (dx, None, dmax)
    operands = _bounded("clamp", x, min, max)
    refuse_bool("clamp", *operands)
    return apply(f.clamp, *operands), (
        lambda dout: apply(f.clamp_dx, *operands, dout),
        lambda dout: apply(f.clamp_dlow, *operands, dout),
        lambda dout: apply(f.clamp_dhigh, *operands, dout),
    )


@op
def clamp_min(x: Operand, min: Operand) -> Output:
    """x, but at least min, a number or a tensor, which broadcasts; see clamp."""
    return _one_sided("clamp_min", *LOWER, x, min)


@op
def clamp_max(x: Operand, max: Operand) -> Output:
    """x, but at most max, a number or a tensor, which broadcasts; see clamp."""
    return _one_sided("clamp_max", *UPPER, x, max)


@op
def maximum(x: Operand, other: Operand) -> Output:
    """The larger of x and other, broadcast; NaN propagates, and ties halve the gradient."""
    tensors("maximum", x, other)
    return extreme_of_two("maximum", f.larger, f.larger_dx, x, other)


@op
def minimum(x: Operand, other: Operand) -> Output:
    """The smaller of x and other, broadcast; NaN propagates, and ties halve the gradient."""
    tensors("minimum", x, other)
    return extreme_of_two("minimum", f.smaller, f.smaller_dx, x, other)


@op
def where(condition: Operand, x: Operand, other: Operand) -> Output:
    """x where condition holds, else other; all three broadcast. condition: bool."""
    broadcast("where", condition, x, other)
    _require_bool("where", "condition", condition)
    dtype = result_type(x, other)
    for operand in (x, other):
        if isinstance(operand, arrays.NUMBERS):
            fitting("where", "number", operand, dtype)
    x, other = promote(x, other)
    return apply(f.choose, condition, x, other, dtype=dtype), (
        None,
        lambda dout: apply(f.keep, condition, dout, dtype=dout.dtype),
        lambda dout: apply(f.drop, condition, dout, dtype=dout.dtype),
    )


@op
def masked_fill(x: Operand, mask: Operand, value: Operand) -> Output:
    """x with value, a number or a 0-d tensor, wherever mask holds; mask broadcasts with x.

    If x holds integers, a floating value loses its fraction, as in torch.
    """
    broadcast("masked_fill", x, mask)
    _require_bool("masked_fill", "mask", mask)
    if np.ndim(value):
        raise ValueError(f"masked_fill: value must be a number, not of shape {value.shape}")
    value = value.item() if isinstance(value, np.generic) else value
    if hasattr(value, "dtype") and is_floating(value.dtype) and not is_floating(x.dtype):
        value = arrays.item(value)
    if not hasattr(value, "dtype"):
        fitting("masked_fill", "value", value, x.dtype)
        value = arrays.constant(value, x.dtype)
    return apply(f.choose, mask, arrays.cast(value, x.dtype), x, dtype=x.dtype), (
        lambda dout: apply(f.drop, mask, dout, dtype=dout.dtype),
        None,
        lambda dout: apply(f.keep, mask, dout, dtype=dout.dtype),
    )


@op
def to(x: Operand, dtype: Any) -> Output:
    """x in another dtype, to which the gradient is brought back; no copy if it has it already."""
    own, wanted = x.dtype, as_dtype(dtype)
    # Integers have no gradient: backward() refuses dout, which would be rounded to one.
    back = own if is_floating(own) else wanted
    return arrays.cast(x, wanted), lambda dout: arrays.cast(dout, back)


def extreme_of_two(name: str, larger: Any, larger_dx: Any, x: Any, other: Any) -> Any:
    """What maximum, minimum, and max and min of two tensors share."""
    x, other = _pair(name, x, other)
    return apply(larger, x, other), (
        lambda dout: apply(larger_dx, x, other, dout),
        lambda dout: apply(larger_dx, other, x, dout),
    )


def _pair(name: str, x: Any, other: Any) -> Any:
    """Both as arrays of their common dtype; raises ValueError if they do not broadcast."""
    broadcast(name, x, other)
    return promote(x, other)


def _difference(name: str, x: Any, other: Any, alpha: float) -> Any:
    refuse_bool(name, x, other)
    x, other = _pair(name, x, other)
    factor(name, "alpha", alpha, x.dtype)
    if alpha == 1:
        return apply(f.sub, x, other), (lambda dout: dout, lambda dout: apply(f.neg, dout))
    return apply(f.sub_multiple, x, other, alpha), (
        lambda dout: dout,
        lambda dout: apply(f.mul, dout, -alpha),
    )


def _bounded(name: str, x: Any, *bounds: Any) -> Any:
    """x and bounds in their common dtype; raises ValueError if a number does not fit into it."""
    broadcast(name, x, *bounds)
    dtype = result_type(x, *bounds)
    for bound in bounds:
        if isinstance(bound, arrays.NUMBERS):
            fitting(name, "a bound", bound, dtype)
    return promote(x, *bounds)


def _one_sided(name: str, function: Any, dx: Any, dbound: Any, x: Any, bound: Any) -> Any:
    x, bound = _bounded(name, x, bound)
    return apply(function, x, bound), (
        lambda dout: apply(dx, x, bound, dout),
        lambda dout: apply(dbound, x, bound, dout),
    )


def _whole_quotient(x: Any, other: Any, rounding_mode: str) -> Output:
    option("div", "rounding_mode", rounding_mode, tuple(QUOTIENTS))
    x, other = promote(x, other)
    refuse_bool("div", x)
    of_floats, of_ints = QUOTIENTS[rounding_mode]
    if is_floating(x.dtype):
        quotient = apply(of_floats, x, other)
    else:
        if x.size:
            flags = apply(f.false, other, dtype=BOOL)
            arrays.refuse(flags, lambda: ZeroDivisionError("div: an integer is divided by 0"))
        quotient = apply(of_ints, x, other)
    return quotient, (_no_slope, _no_slope)


def _rounded(name: str, function: Any, x: Any) -> Output:
    refuse_bool(name, x)
    return (apply(function, x) if is_floating(x.dtype) else x), _no_slope


def _no_slope(dout: Array) -> Array:
    return arrays.zeros(dout.shape, dout.dtype)


def _require_bool(name: str, what: str, mask: Any) -> None:
    kind = getattr(mask, "dtype", type(mask).__name__)
    if kind != BOOL:
        raise TypeError(f"{name}: {what} must be a tensor of booleans, not of {kind}")
