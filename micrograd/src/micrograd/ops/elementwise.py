"""Arithmetic element by element: shapes broadcast, plain numbers are constants."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from .. import lists, scalar
from ..arguments import bools, broadcast, no_bools
from ..engine import Value
from ..lists import Flat, Tensor, is_bool, is_integer, nest, operands, unnest, values


def add(x: Tensor, other: Tensor) -> Tensor:
    """x + other."""
    return elementwise("add", scalar.add, x, other, integers=operator.add)


def sub(x: Tensor, other: Tensor) -> Tensor:
    """x - other; TypeError for bools."""
    no_bools("sub", x, other)
    return elementwise("sub", scalar.sub, x, other, integers=operator.sub)


def mul(x: Tensor, other: Tensor) -> Tensor:
    """x times other."""
    return elementwise("mul", scalar.mul, x, other, integers=operator.mul)


def div(x: Tensor, other: Tensor) -> Tensor:
    """x / other; inf and nan where other is 0."""
    return elementwise("div", scalar.div, x, other)


def neg(x: Tensor) -> Tensor:
    """-x; TypeError for bools."""
    no_bools("neg", x)
    return elementwise("neg", scalar.neg, x, integers=operator.neg)


def pow(x: Tensor, exponent: Tensor) -> Tensor:
    """x to the power of exponent; nan for a fractional power of a negative number.

    Raises TypeError for bools to the power of bools.
    """
    bases, exponents = unnest(x)[0], unnest(exponent)[0]
    if bases and exponents and is_bool(bases) and is_bool(exponents):
        raise TypeError("pow: expected numbers, not bools")
    return elementwise("pow", scalar.pow, x, exponent, integers=_integer_power)


def exp(x: Tensor) -> Tensor:
    """e to the power of x; inf where that is too large for a float."""
    return elementwise("exp", scalar.exp, x)


def log(x: Tensor) -> Tensor:
    """The natural logarithm; -inf at 0, nan below."""
    return elementwise("log", scalar.log, x)


def sqrt(x: Tensor) -> Tensor:
    """The square root; nan below 0."""
    return elementwise("sqrt", scalar.sqrt, x)


def where(condition: Tensor, x: Tensor, other: Tensor) -> Tensor:
    """x where condition, which is made of bools, is True, else other."""
    return choose("where", bools("where", "condition", condition), x, other)


def masked_fill(x: Tensor, mask: Tensor, value: Tensor) -> Tensor:
    """value, one number, where mask, which is made of bools, is True, else x.

    Raises TypeError for a float where x is made of ints or bools.
    """
    if lists.shape(value):
        raise ValueError(f"masked_fill: value has shape {lists.shape(value)}, not of one number")
    items, _ = unnest(x)
    if items and is_integer(items) and not isinstance(value, int):
        raise TypeError("masked_fill: a floating value does not fit into integers")
    return choose("masked_fill", bools("masked_fill", "mask", mask), value, x)


def maximum(x: Tensor, other: Tensor) -> Tensor:
    """The larger of each pair, nan if either is; equals share the gradient."""
    return elementwise("maximum", scalar.maximum, x, other, integers=max)


def minimum(x: Tensor, other: Tensor) -> Tensor:
    """The smaller of each pair, nan if either is; equals share the gradient."""
    return elementwise("minimum", scalar.minimum, x, other, integers=min)


def elementwise(
    op: str,
    function: Callable[..., Value],
    *tensors: Tensor,
    integers: Callable[..., int] | None = None,
) -> Tensor:
    """function of the first elements, of the second ones, and so on.

    integers: the function for integer tensors alone; of bools it makes bools.
    """
    flat, exact = operands(*tensors)
    if exact and integers is None:
        flat, exact = [values(tensor) for tensor in tensors], False
    columns, shape = broadcast(op, *flat)
    compute: Callable[..., Any] = integers if exact and integers is not None else function
    results = list(map(compute, *columns))
    if exact and all(map(is_bool, columns)):
        results = list(map(bool, results))
    return nest(results, shape)


def choose(op: str, flags: Flat, x: Tensor, other: Tensor) -> Tensor:
    """x where flags are True, else other."""
    flat, exact = operands(x, other)
    (conditions, xs, others), shape = broadcast(op, flags, *flat)
    function: Callable[..., Any] = _either if exact else scalar.where
    return nest(list(map(function, conditions, xs, others)), shape)


def _either(condition: bool, x: int, other: int) -> int:
    return x if condition else other


def _integer_power(x: int, exponent: int) -> int:
    if exponent < 0:
        raise ValueError("pow: an integer to a negative integer power is no integer")
    return int(x**exponent)
