"""One number in, one number out: arithmetic, powers, and choosing between two tensors."""

from __future__ import annotations

from typing import Any

from .. import arrays
from ..arguments import broadcast
from ..arrays import BOOL, apply
from ..dtypes import floating, is_floating, promote, promote_floating
from ..engine import Operand, Output, op
from ..kernels import functions as f


def _pair(name: str, x: Any, other: Any) -> Any:
    broadcast(name, x, other)
    return promote(x, other)


@op
def add(x: Operand, other: Operand) -> Output:
    """x + other, broadcast."""
    x, other = _pair("add", x, other)
    return apply(f.add, x, other), (lambda dout: dout, lambda dout: dout)


@op
def sub(x: Operand, other: Operand) -> Output:
    """x - other, broadcast; booleans are refused."""
    _refuse_bool("sub", x, other)
    x, other = _pair("sub", x, other)
    return apply(f.sub, x, other), (lambda dout: dout, lambda dout: apply(f.neg, dout))


@op
def mul(x: Operand, other: Operand) -> Output:
    """x · other, broadcast."""
    x, other = _pair("mul", x, other)
    return apply(f.mul, x, other), (
        lambda dout: apply(f.mul, dout, other),
        lambda dout: apply(f.mul, dout, x),
    )


@op
def div(x: Operand, other: Operand) -> Output:
    """x / other, broadcast; integers divide to the default floating dtype."""
    broadcast("div", x, other)
    x, other = promote_floating(x, other)
    return apply(f.div, x, other), (
        lambda dout: apply(f.div, dout, other),
        lambda dout: apply(f.div_dy, x, other, dout),
    )


@op
def neg(x: Operand) -> Output:
    """-x; booleans are refused."""
    _refuse_bool("neg", x)
    return apply(f.neg, x), lambda dout: apply(f.neg, dout)


@op
def pow(x: Operand, exponent: Operand) -> Output:
    """x to the power exponent, either of them a tensor or a number, broadcast.

    0 to the power 0 is 1. The gradient of x is 0 where the exponent is 0, that of the exponent
    where x is 0 and the exponent is not negative, as in torch.
    """
    x, exponent = _pair("pow", x, exponent)
    _refuse_bool("pow", x)
    if not is_floating(x.dtype) and arrays.any_of(apply(f.negative, exponent, dtype=BOOL)):
        raise ValueError("pow: integers to a negative power")
    return apply(f.pow, x, exponent), (
        lambda dout: apply(f.pow_dx, x, exponent, dout),
        lambda dout: apply(f.pow_dy, x, exponent, dout),
    )


@op
def exp(x: Operand) -> Output:
    """e to the power x."""
    y = apply(f.exp, floating(x))
    return y, lambda dout: apply(f.mul, dout, y)


@op
def log(x: Operand) -> Output:
    """Natural logarithm: -inf at 0, NaN below."""
    x = floating(x)
    return apply(f.log, x), lambda dout: apply(f.div, dout, x)


@op
def sqrt(x: Operand) -> Output:
    """Square root: NaN below 0, with an infinite slope at 0."""
    y = apply(f.sqrt, floating(x))
    return y, lambda dout: apply(f.sqrt_dx, y, dout)


@op
def where(condition: Operand, x: Operand, other: Operand) -> Output:
    """x where condition holds, else other; all three broadcast. condition: bool."""
    broadcast("where", condition, x, other)
    _require_bool("where", "condition", condition)
    x, other = promote(x, other)
    return apply(f.choose, condition, x, other, dtype=x.dtype), (
        None,
        lambda dout: apply(f.keep, condition, dout, dtype=dout.dtype),
        lambda dout: apply(f.drop, condition, dout, dtype=dout.dtype),
    )


@op
def masked_fill(x: Operand, mask: Operand, value: Operand) -> Output:
    """x with value, a number or a 0-d tensor, wherever mask holds; mask broadcasts with x."""
    broadcast("masked_fill", x, mask)
    _require_bool("masked_fill", "mask", mask)
    (value,) = promote(value)
    if value.ndim:
        raise ValueError(f"masked_fill: value must be a number, not of shape {value.shape}")
    if is_floating(value.dtype) and not is_floating(x.dtype):
        raise TypeError(f"masked_fill: a floating value does not fit into {x.dtype}")
    return apply(f.choose, mask, arrays.cast(value, x.dtype), x, dtype=x.dtype), (
        lambda dout: apply(f.drop, mask, dout, dtype=dout.dtype),
        None,
        lambda dout: apply(f.keep, mask, dout, dtype=dout.dtype),
    )


@op
def maximum(x: Operand, other: Operand) -> Output:
    """The larger of x and other, broadcast; NaN wins, and equals share the gradient by halves."""
    x, other = _pair("maximum", x, other)
    return apply(f.larger, x, other), (
        lambda dout: apply(f.larger_dx, x, other, dout),
        lambda dout: apply(f.larger_dx, other, x, dout),
    )


@op
def minimum(x: Operand, other: Operand) -> Output:
    """The smaller of x and other, broadcast; NaN wins, and equals share the gradient by halves."""
    x, other = _pair("minimum", x, other)
    return apply(f.smaller, x, other), (
        lambda dout: apply(f.smaller_dx, x, other, dout),
        lambda dout: apply(f.smaller_dx, other, x, dout),
    )


def _refuse_bool(name: str, *operands: Any) -> None:
    for operand in operands:
        if isinstance(operand, bool) or getattr(operand, "dtype", None) == BOOL:
            raise TypeError(f"{name}: booleans are no numbers here")


def _require_bool(name: str, what: str, mask: Any) -> None:
    dtype = getattr(mask, "dtype", type(mask))
    if dtype != BOOL:
        raise TypeError(f"{name}: {what} must be bool, not {dtype}")
