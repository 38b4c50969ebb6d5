"""Comparisons and tests: the results are booleans, and have no gradient."""

from __future__ import annotations

from typing import Any

from ..arguments import broadcast, tensors
from ..arrays import BOOL, apply
from ..dtypes import promote
from ..engine import Operand, Output, op
from ..kernels import functions as f


@op
def eq(x: Operand, other: Operand) -> Output:
    """x = other, broadcast; NaN equals nothing."""
    return _compared("eq", f.equal, x, other)


@op
def ne(x: Operand, other: Operand) -> Output:
    """x ≠ other, broadcast; NaN differs from everything."""
    return _compared("ne", f.differ, x, other)


@op
def lt(x: Operand, other: Operand) -> Output:
    """x < other, broadcast; false for NaN."""
    return _compared("lt", f.less, x, other)


@op
def le(x: Operand, other: Operand) -> Output:
    """x ≤ other, broadcast; false for NaN."""
    return _compared("le", f.at_most, x, other)


@op
def gt(x: Operand, other: Operand) -> Output:
    """x > other, broadcast; false for NaN."""
    return _compared("gt", f.greater, x, other)


@op
def ge(x: Operand, other: Operand) -> Output:
    """x ≥ other, broadcast; false for NaN."""
    return _compared("ge", f.at_least, x, other)


@op
def logical_not(x: Operand) -> Output:
    """Whether x is 0."""
    return apply(f.false, x, dtype=BOOL), None


@op
def logical_and(x: Operand, other: Operand) -> Output:
    """Whether neither of two tensors is 0, broadcast."""
    tensors("logical_and", x, other)
    broadcast("logical_and", x, other)
    return apply(f.both, x, other, dtype=BOOL), None


@op
def logical_or(x: Operand, other: Operand) -> Output:
    """Whether at least one of two tensors is not 0, broadcast."""
    tensors("logical_or", x, other)
    broadcast("logical_or", x, other)
    return apply(f.either, x, other, dtype=BOOL), None


@op
def isnan(x: Operand) -> Output:
    """Whether x is NaN."""
    return apply(f.is_nan, x, dtype=BOOL), None


@op
def isinf(x: Operand) -> Output:
    """Whether x is infinite, of either sign."""
    return apply(f.is_infinite, x, dtype=BOOL), None


@op
def isfinite(x: Operand) -> Output:
    """Whether x is neither infinite nor NaN."""
    return apply(f.is_finite, x, dtype=BOOL), None


def _compared(name: str, function: Any, x: Any, other: Any) -> Output:
    broadcast(name, x, other)
    return apply(function, *promote(x, other), dtype=BOOL), None
