"""Arithmetic element by element: shapes broadcast, plain numbers are constants."""

from __future__ import annotations

import operator
from collections.abc import Callable
from numbers import Real
from typing import Any

from .. import rowwise, scalar
from ..arguments import bools, broadcast, cast, no_plain_floats, option, refuse_bool, whole
from ..engine import Value
from ..lists import Flat, Tensor, is_bool, kind, nest, operands, tolist, unnest, values


def add(x: Tensor, other: Tensor, *, alpha: float = 1) -> Tensor:
    """x + alpha · other."""
    other = scaled("add", "alpha", alpha, other, x)
    return elementwise("add", scalar.add, x, other, integers=operator.add)


def sub(x: Tensor, other: Tensor, *, alpha: float = 1) -> Tensor:
    """x - alpha · other; TypeError for bools."""
    refuse_bool("sub", x, other)
    other = scaled("sub", "alpha", alpha, other, x)
    return elementwise("sub", scalar.sub, x, other, integers=operator.sub)


def rsub(x: Tensor, other: Tensor, *, alpha: float = 1) -> Tensor:
    """other - alpha · x; TypeError for bools."""
    refuse_bool("rsub", x, other)
    x = scaled("rsub", "alpha", alpha, x, other)
    return elementwise("rsub", scalar.sub, other, x, integers=operator.sub)


def mul(x: Tensor, other: Tensor) -> Tensor:
    """x times other."""
    return elementwise("mul", scalar.mul, x, other, integers=operator.mul)


def div(x: Tensor, other: Tensor, *, rounding_mode: str | None = None) -> Tensor:
    """x / other; inf and nan where other is 0.

    rounding_mode: "trunc" rounds towards 0, "floor" down; ints then give ints. This raises
    ZeroDivisionError for ints where other is 0, and TypeError for bools.
    """
    option("div", "rounding_mode", rounding_mode, (None, "trunc", "floor"))
    if rounding_mode is None:
        return elementwise("div", scalar.div, x, other)
    _refuse_bools_alone("div", x, other)
    try:
        if rounding_mode == "floor":
            return elementwise("div", scalar.floor_divide, x, other, integers=operator.floordiv)
        return elementwise("div", scalar.trunc_divide, x, other, integers=trunc_divide)
    except ZeroDivisionError:
        raise ZeroDivisionError("div: an integer is divided by 0") from None


def neg(x: Tensor) -> Tensor:
    """-x; TypeError for bools."""
    refuse_bool("neg", x)
    return elementwise("neg", scalar.neg, x, integers=operator.neg)


def abs(x: Tensor) -> Tensor:
    """x without its sign; the slope at 0 is 0; TypeError for bools."""
    refuse_bool("abs", x)
    return elementwise("abs", scalar.abs, x, integers=operator.abs)


def sign(x: Tensor) -> Tensor:
    """-1 below 0, 0 at 0, 1 above."""
    return elementwise("sign", scalar.sign, x, integers=lambda i: (i > 0) - (i < 0))


def reciprocal(x: Tensor) -> Tensor:
    """1 / x; inf at 0."""
    return elementwise("reciprocal", scalar.reciprocal, x)


def square(x: Tensor) -> Tensor:
    """x times x."""
    return elementwise("square", scalar.pow, x, 2, integers=_integer_power)


def sqrt(x: Tensor) -> Tensor:
    """The square root; nan below 0."""
    return elementwise("sqrt", scalar.sqrt, x)


def rsqrt(x: Tensor) -> Tensor:
    """1 over the square root; inf at 0, nan below."""
    return elementwise("rsqrt", scalar.rsqrt, x)


def pow(x: Tensor, exponent: Tensor) -> Tensor:
    """x to the power of exponent; nan for a fractional power of a negative number.

    Raises TypeError for bools to the power of bools, ValueError for integers to negative powers.
    """
    _refuse_bools_alone("pow", x, exponent)
    return elementwise("pow", scalar.pow, x, exponent, integers=_integer_power)


def exp(x: Tensor) -> Tensor:
    """e to the power of x; inf where that is too large for a float."""
    return elementwise("exp", scalar.exp, x)


def expm1(x: Tensor) -> Tensor:
    """exp(x) - 1, accurate near 0 too."""
    return elementwise("expm1", scalar.expm1, x)


def log(x: Tensor) -> Tensor:
    """The natural logarithm; -inf at 0, nan below."""
    return elementwise("log", scalar.log, x)


def log1p(x: Tensor) -> Tensor:
    """log(1 + x), accurate near 0 too; -inf at -1, nan below."""
    return elementwise("log1p", scalar.log1p, x)


def sin(x: Tensor) -> Tensor:
    """The sine of an angle in radians; nan for an infinite one."""
    return elementwise("sin", scalar.sin, x)


def cos(x: Tensor) -> Tensor:
    """The cosine of an angle in radians; nan for an infinite one."""
    return elementwise("cos", scalar.cos, x)


def erf(x: Tensor) -> Tensor:
    """The error function, 2/√π times the integral of exp(-t²) from 0 to x."""
    return elementwise("erf", scalar.erf, x)


def floor(x: Tensor) -> Tensor:
    """The largest whole number that is not above x; TypeError for bools."""
    refuse_bool("floor", x)
    return elementwise("floor", scalar.floor, x, integers=int)


def ceil(x: Tensor) -> Tensor:
    """The smallest whole number that is not below x; TypeError for bools."""
    refuse_bool("ceil", x)
    return elementwise("ceil", scalar.ceil, x, integers=int)


def round(x: Tensor, *, decimals: int = 0) -> Tensor:
    """x rounded to so many decimals, or to tens, hundreds, … if negative; halves go to even.

    Raises TypeError for bools, and for decimals of ints.
    """
    refuse_bool("round", x)
    whole("round", "decimals", decimals)
    if decimals and kind(unnest(x, "round")[0]) is int:
        raise TypeError("round: decimals are for floats, not ints")
    return elementwise("round", lambda item: scalar.round(item, decimals), x, integers=int)


def clamp(x: Tensor, min: Tensor | None = None, max: Tensor | None = None) -> Tensor:
    """x limited to [min, max], of which one may be None; where min is above max, max wins."""
    if min is None and max is None:
        raise ValueError("clamp: expected min, max or both")
    if max is None:
        return _clamp_min("clamp", x, min)
    if min is None:
        return _clamp_max("clamp", x, max)
    if is_bool([item for tensor in (x, min, max) for item in unnest(tensor, "clamp")[0]]):
        raise TypeError("clamp: expected numbers, not bools")
    return elementwise("clamp", scalar.clamp, x, min, max, integers=_clamped)


def clamp_min(x: Tensor, min: Tensor) -> Tensor:
    """x, but no less than min; where they are equal, x has the gradient."""
    return _clamp_min("clamp_min", x, min)


def clamp_max(x: Tensor, max: Tensor) -> Tensor:
    """x, but no more than max; where they are equal, x has the gradient."""
    return _clamp_max("clamp_max", x, max)


def maximum(x: Tensor, other: Tensor) -> Tensor:
    """The larger of each pair, nan if either is; equals share the gradient."""
    no_plain_floats("maximum", x, other)
    return elementwise("maximum", scalar.maximum, x, other, integers=max)


def minimum(x: Tensor, other: Tensor) -> Tensor:
    """The smaller of each pair, nan if either is; equals share the gradient."""
    no_plain_floats("minimum", x, other)
    return elementwise("minimum", scalar.minimum, x, other, integers=min)


def where(condition: Tensor, x: Tensor, other: Tensor) -> Tensor:
    """x where condition, a tensor of bools, is True, else other."""
    return choose("where", bools("where", "condition", condition), x, other)


def masked_fill(x: Tensor, mask: Tensor, value: Tensor) -> Tensor:
    """value, one number, where mask, a tensor of bools, is True, else x.

    If x is made of ints, a float value loses its fraction, as in torch.
    """
    if shape := unnest(value, "masked_fill")[1]:
        raise ValueError(f"masked_fill: value has shape {shape}, not of one number")
    of = kind(unnest(x, "masked_fill")[0])
    if of is not float:
        value = cast("masked_fill", "value", tolist(value), of)
    return choose("masked_fill", bools("masked_fill", "mask", mask), value, x)


def elementwise(
    op: str,
    function: Callable[..., Value],
    *tensors: Tensor,
    integers: Callable[..., int] | None = None,
) -> Tensor:
    """function, applied element by element to tensors that broadcast.

    integers: the function for integer tensors only; bools alone give bools.
    """
    flat, exact = operands(op, *tensors)
    if exact and integers is None:
        flat, exact = [values(tensor, op) for tensor in tensors], False
    columns, shape = broadcast(op, *flat)
    if shape and not exact and function in rowwise.OF_ROWS:
        return nest(rowwise.OF_ROWS[function](*columns), shape)
    compute: Callable[..., Any] = integers if exact and integers is not None else function
    results = list(map(compute, *columns))
    if exact and all(map(is_bool, columns)):
        results = list(map(bool, results))
    return nest(results, shape)


def scaled(op: str, name: str, factor: float, x: Tensor, beside: Tensor) -> Tensor:
    """factor, called name, times x, to be added to beside: ints beside ints stay ints."""
    if type(factor) is int and factor == 1:
        return x
    of = _common_kind(op, x, beside)
    fits = isinstance(factor, Real if of is float else int)
    if not fits or (isinstance(factor, bool) and of is not bool):
        raise TypeError(f"{op}: {name} of {of.__name__}s may not be a {type(factor).__name__}")
    factor = bool(factor) if of is bool else factor
    return elementwise(op, scalar.mul, x, factor, integers=operator.mul)


def choose(op: str, flags: Flat, x: Tensor, other: Tensor) -> Tensor:
    """x where flags are True, else other."""
    flat, exact = operands(op, x, other)
    (conditions, xs, others), shape = broadcast(op, flags, *flat)
    function: Callable[..., Any] = _either if exact else scalar.where
    return nest(list(map(function, conditions, xs, others)), shape)


def trunc_divide(x: int, other: int) -> int:
    """x / other, rounded towards 0."""
    size = operator.abs(x) // operator.abs(other)
    return size if (x < 0) == (other < 0) else -size


def _refuse_bools_alone(op: str, x: Tensor, other: Tensor) -> None:
    if _common_kind(op, x, other) is bool:
        raise TypeError(f"{op}: expected numbers, not bools")


def _common_kind(op: str, x: Tensor, other: Tensor) -> type[Any]:
    kinds = kind(unnest(x, op)[0]), kind(unnest(other, op)[0])
    return next(of for of in (float, int, bool) if of in kinds)


def _clamp_min(op: str, x: Tensor, low: Tensor) -> Tensor:
    return elementwise(op, scalar.clamp_min, x, low, integers=max)


def _clamp_max(op: str, x: Tensor, high: Tensor) -> Tensor:
    return elementwise(op, scalar.clamp_max, x, high, integers=min)


def _clamped(x: int, low: int, high: int) -> int:
    return min(max(x, low), high)


def _either(condition: bool, x: int, other: int) -> int:
    return x if condition else other


def _integer_power(x: int, exponent: int) -> int:
    if exponent < 0:
        raise ValueError("pow: an integer to a negative power is not an integer")
    return int(x**exponent)
