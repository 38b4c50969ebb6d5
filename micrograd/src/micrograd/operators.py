"""The operators and methods of a Value: the primitives, with plain numbers taken as constants."""

from __future__ import annotations

import operator
from collections.abc import Callable
from numbers import Real
from typing import Any

from . import engine, scalar
from .engine import Value, as_value
from .groups import created

LONGEST = 256  # entries in a list of terms: bounded, as each partial sum may be swept as well
_new = object.__new__


def _operator(primitive: Callable[[Value, Value], Value]) -> Any:
    """primitive as an operator method, whose other operand may be a plain number."""

    def method(self: Value, other: Any) -> Value:
        if not isinstance(other, Value):
            if type(other) is not float and not isinstance(other, Real):  # isinstance is slow
                return NotImplemented
            other = as_value(other)  # type: ignore[arg-type]
        return primitive(self, other)

    return method


def _reflected(primitive: Callable[[Value, Value], Value]) -> Any:
    return _operator(lambda x, y: primitive(y, x))


def _comparison(compare: Callable[[float, Any], bool]) -> Any:
    """compare, by number, as a method; == remains identity, so that Values are hashable."""

    def method(self: Value, other: Any) -> bool:
        if isinstance(other, Value):
            return compare(self.data, other.data)
        return compare(self.data, other) if isinstance(other, Real) else NotImplemented

    return method


_add, _mul = _operator(scalar.add), _operator(scalar.mul)


def _times(x: Value, y: Any) -> Any:
    """x · y, with its parents and slopes stored as terms that a sum can take over.

    This is what node() and Value() do, written out, in a third of the time.
    """
    if type(y) is Value and x.requires_grad and y.requires_grad and engine.recording:
        a, b = x.data, y.data
        value = _new(Value)
        value.data, value.grad, value.index = a * b, None, created()
        value.parents, value.requires_grad, value.slopes = (x, b, y, a), True, None
        return value
    return _mul(x, y)


def _plus(x: Value, y: Any) -> Any:
    """x + y; if y is a product, the sum takes over its terms, and does not keep y itself.

    The next such sum appends to the same list of terms, of which the one before it uses only the
    beginning: so a sum of products costs one node, however it is written. All terms must be older
    than the first of the sums that share them. Then no term is made of such a sum, which would be
    a reference cycle, and all these sums can have the index of the first.
    """
    if type(y) is Value and y.slopes is None and engine.recording:
        terms, index, factors = x.parents, x.index, y.parents
        if (
            type(terms) is list
            and len(terms) == x.slopes < LONGEST  # x is the latest of the sums that share them
            and factors[0].index < index > factors[2].index
        ):
            terms += factors
        else:
            before = terms if x.slopes is None else (x, 1.0) if x.requires_grad else ()
            terms, index = [*before, *factors], created()
        value = _new(Value)
        value.data, value.grad, value.index = x.data + y.data, None, index
        value.parents, value.requires_grad, value.slopes = terms, True, len(terms)
        return value
    return _add(x, y)


def _plus_reflected(y: Value, x: Any) -> Any:
    """x + y; a number plus a product begins a list of terms: Python's sum() starts with 0."""
    if y.slopes is None and isinstance(x, (int, float)) and engine.recording:
        value = _new(Value)
        value.data, value.grad, value.index = x + y.data, None, created()
        value.parents, value.requires_grad, value.slopes = [*y.parents], True, len(y.parents)
        return value
    return _add(y, x)


METHODS = {
    "__add__": _plus,
    "__radd__": _plus_reflected,
    "__sub__": _operator(scalar.sub),
    "__rsub__": _reflected(scalar.sub),
    "__mul__": _times,
    "__rmul__": _reflected(scalar.mul),
    "__truediv__": _operator(scalar.div),
    "__rtruediv__": _reflected(scalar.div),
    "__pow__": _operator(scalar.pow),
    "__rpow__": _reflected(scalar.pow),
    "__neg__": scalar.neg,
    "__abs__": scalar.abs,
    "__lt__": _comparison(operator.lt),
    "__le__": _comparison(operator.le),
    "__gt__": _comparison(operator.gt),
    "__ge__": _comparison(operator.ge),
    "__bool__": lambda x: x.data != 0.0,
    "abs": scalar.abs,
    "reciprocal": scalar.reciprocal,
    "exp": scalar.exp,
    "expm1": scalar.expm1,
    "log": scalar.log,
    "log1p": scalar.log1p,
    "sqrt": scalar.sqrt,
    "rsqrt": scalar.rsqrt,
    "sin": scalar.sin,
    "cos": scalar.cos,
    "erf": scalar.erf,
    "tanh": scalar.tanh,
    "sigmoid": scalar.sigmoid,
    "relu": scalar.relu,
}
for _name, _method in METHODS.items():
    setattr(Value, _name, _method)
