"""One number in, one number out: arithmetic, powers, and choosing between two tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import broadcast
from ..dtypes import floating, promote, promote_floating
from ..engine import Operand, Output, op


def _pair(name: str, x: Any, other: Any) -> Any:
    broadcast(name, x, other)
    return promote(x, other)


@op
def add(x: Operand, other: Operand) -> Output:
    """x + other, broadcast."""
    x, other = _pair("add", x, other)
    return x + other, (lambda dout: dout, lambda dout: dout)


@op
def sub(x: Operand, other: Operand) -> Output:
    """x - other, broadcast; booleans are refused."""
    _refuse_bool("sub", x, other)
    x, other = _pair("sub", x, other)
    return x - other, (lambda dout: dout, lambda dout: -dout)


@op
def mul(x: Operand, other: Operand) -> Output:
    """x · other, broadcast."""
    x, other = _pair("mul", x, other)
    return x * other, (lambda dout: dout * other, lambda dout: dout * x)


@op
def div(x: Operand, other: Operand) -> Output:
    """x / other, broadcast; integers divide to the default floating dtype."""
    broadcast("div", x, other)
    x, other = promote_floating(x, other)
    return x / other, (lambda dout: dout / other, lambda dout: -dout * ((x / other) / other))


@op
def neg(x: Operand) -> Output:
    """-x; booleans are refused."""
    _refuse_bool("neg", x)
    return -x, lambda dout: -dout


@op
def pow(x: Operand, exponent: Operand) -> Output:
    """x to the power exponent, either of them a tensor or a number, broadcast.

    0 to the power 0 is 1. The gradient of x is 0 where the exponent is 0, that of the exponent
    where x is 0 and the exponent is not negative, as in torch.
    """
    x, exponent = _pair("pow", x, exponent)
    _refuse_bool("pow", x)
    power = x**exponent

    def dx(dout):
        return np.where(exponent == 0, 0, dout * (exponent * x ** (exponent - 1)))

    def dexponent(dout):
        return np.where((x == 0) & (exponent >= 0), 0, dout * (power * np.log(x)))

    return power, (dx, dexponent)


@op
def exp(x: Operand) -> Output:
    """e to the power x."""
    y = np.exp(floating(x))
    return y, lambda dout: dout * y


@op
def log(x: Operand) -> Output:
    """Natural logarithm: -inf at 0, NaN below."""
    x = floating(x)
    return np.log(x), lambda dout: dout / x


@op
def sqrt(x: Operand) -> Output:
    """Square root: NaN below 0, with an infinite slope at 0."""
    y = np.sqrt(floating(x))
    return y, lambda dout: dout / (2 * y)


@op
def where(condition: Operand, x: Operand, other: Operand) -> Output:
    """x where condition holds, else other; all three broadcast. condition: bool."""
    broadcast("where", condition, x, other)
    _require_bool("where", "condition", condition)
    x, other = promote(x, other)
    zero = np.zeros((), x.dtype)
    return np.where(condition, x, other), (
        None,
        lambda dout: np.where(condition, dout, zero),
        lambda dout: np.where(condition, zero, dout),
    )


@op
def masked_fill(x: Operand, mask: Operand, value: Operand) -> Output:
    """x with value, a number or a 0-d tensor, wherever mask holds; mask broadcasts with x."""
    broadcast("masked_fill", x, mask)
    _require_bool("masked_fill", "mask", mask)
    if np.ndim(value):
        raise ValueError(f"masked_fill: value must be a number, not of shape {np.shape(value)}")
    if x.dtype.kind != "f" and np.asarray(value).dtype.kind == "f":
        raise TypeError(f"masked_fill: a floating value does not fit into {x.dtype}")
    zero = np.zeros((), x.dtype)
    return np.where(mask, np.asarray(value, x.dtype), x), (
        lambda dout: np.where(mask, zero, dout),
        None,
        lambda dout: np.where(mask, dout, zero),
    )


@op
def maximum(x: Operand, other: Operand) -> Output:
    """The larger of x and other, broadcast; NaN wins, and equals share the gradient by halves."""
    x, other = _pair("maximum", x, other)
    return np.maximum(x, other), (
        lambda dout: _share(dout, x == other, x < other),
        lambda dout: _share(dout, x == other, x > other),
    )


@op
def minimum(x: Operand, other: Operand) -> Output:
    """The smaller of x and other, broadcast; NaN wins, and equals share the gradient by halves."""
    x, other = _pair("minimum", x, other)
    return np.minimum(x, other), (
        lambda dout: _share(dout, x == other, x > other),
        lambda dout: _share(dout, x == other, x < other),
    )


def _share(dout: Any, tie: Any, lost: Any) -> Any:
    """dout, half of it at a tie, none of it where this side lost."""
    return np.where(lost, np.zeros((), dout.dtype), np.where(tie, dout / 2, dout))


def _refuse_bool(name: str, *operands: Any) -> None:
    for operand in operands:
        if isinstance(operand, bool) or getattr(operand, "dtype", None) == np.bool_:
            raise TypeError(f"{name}: booleans are no numbers here")


def _require_bool(name: str, what: str, mask: Any) -> None:
    if np.asarray(mask).dtype != np.bool_:
        raise TypeError(f"{name}: {what} must be bool, not {np.asarray(mask).dtype}")
