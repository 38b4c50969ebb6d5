"""Comparisons and tests of every element, as bools: shapes broadcast, nothing has a gradient."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from ..arguments import broadcast, no_plain_floats
from ..lists import Tensor, nest, numbers


def eq(x: Tensor, other: Tensor) -> Tensor:
    """Whether x equals other; nan equals nothing."""
    return _ask("eq", operator.eq, x, other)


def ne(x: Tensor, other: Tensor) -> Tensor:
    """Whether x differs from other, as nan does from everything."""
    return _ask("ne", operator.ne, x, other)


def lt(x: Tensor, other: Tensor) -> Tensor:
    """Whether x is less than other."""
    return _ask("lt", operator.lt, x, other)


def le(x: Tensor, other: Tensor) -> Tensor:
    """Whether x is less than other or equal to it."""
    return _ask("le", operator.le, x, other)


def gt(x: Tensor, other: Tensor) -> Tensor:
    """Whether x is greater than other."""
    return _ask("gt", operator.gt, x, other)


def ge(x: Tensor, other: Tensor) -> Tensor:
    """Whether x is greater than other or equal to it."""
    return _ask("ge", operator.ge, x, other)


def logical_not(x: Tensor) -> Tensor:
    """Whether x is 0 or False."""
    return _ask("logical_not", operator.not_, x)


def logical_and(x: Tensor, other: Tensor) -> Tensor:
    """Whether x and other are both nonzero or True."""
    no_plain_floats("logical_and", x, other)
    return _ask("logical_and", lambda a, b: bool(a and b), x, other)


def logical_or(x: Tensor, other: Tensor) -> Tensor:
    """Whether x or other, or both, are nonzero or True."""
    no_plain_floats("logical_or", x, other)
    return _ask("logical_or", lambda a, b: bool(a or b), x, other)


def isnan(x: Tensor) -> Tensor:
    """Whether x is nan, not a number."""
    return _ask("isnan", math.isnan, x)


def isinf(x: Tensor) -> Tensor:
    """Whether x is inf or -inf."""
    return _ask("isinf", math.isinf, x)


def isfinite(x: Tensor) -> Tensor:
    """Whether x is neither infinite nor nan."""
    return _ask("isfinite", math.isfinite, x)


def _ask(op: str, question: Callable[..., Any], *given: Tensor) -> Tensor:
    columns, shape = broadcast(op, *numbers(op, *given))
    return nest(list(map(question, *columns)), shape)
