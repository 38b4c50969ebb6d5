"""Comparisons and tests: the results are booleans, and have no gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import broadcast, tensors
from ..dtypes import promote
from ..engine import Operand, Output, op


@op
def eq(x: Operand, other: Operand) -> Output:
    """x = other, broadcast; NaN equals nothing."""
    return _compared("eq", np.equal, x, other)


@op
def ne(x: Operand, other: Operand) -> Output:
    """x ≠ other, broadcast; NaN differs from everything."""
    return _compared("ne", np.not_equal, x, other)


@op
def lt(x: Operand, other: Operand) -> Output:
    """x < other, broadcast; false for NaN."""
    return _compared("lt", np.less, x, other)


@op
def le(x: Operand, other: Operand) -> Output:
    """x ≤ other, broadcast; false for NaN."""
    return _compared("le", np.less_equal, x, other)


@op
def gt(x: Operand, other: Operand) -> Output:
    """x > other, broadcast; false for NaN."""
    return _compared("gt", np.greater, x, other)


@op
def ge(x: Operand, other: Operand) -> Output:
    """x ≥ other, broadcast; false for NaN."""
    return _compared("ge", np.greater_equal, x, other)


@op
def logical_not(x: Operand) -> Output:
    """Whether x is 0."""
    return np.logical_not(x), None


@op
def logical_and(x: Operand, other: Operand) -> Output:
    """Whether neither of two tensors is 0, broadcast."""
    return _connected("logical_and", np.logical_and, x, other)


@op
def logical_or(x: Operand, other: Operand) -> Output:
    """Whether at least one of two tensors is not 0, broadcast."""
    return _connected("logical_or", np.logical_or, x, other)


@op
def isnan(x: Operand) -> Output:
    """Whether x is NaN."""
    return np.isnan(x), None


@op
def isinf(x: Operand) -> Output:
    """Whether x is infinite, of either sign."""
    return np.isinf(x), None


@op
def isfinite(x: Operand) -> Output:
    """Whether x is neither infinite nor NaN."""
    return np.isfinite(x), None


def _compared(name: str, comparison: Any, x: Any, other: Any) -> Output:
    broadcast(name, x, other)
    return comparison(*promote(x, other)), None


def _connected(name: str, connection: Any, x: Any, other: Any) -> Output:
    tensors(name, x, other)
    broadcast(name, x, other)
    return connection(x, other), None
