"""The operators and methods of a Value: primitives, which take plain numbers for constants."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

from . import engine, scalar
from .engine import Value, as_value
from .groups import LONGEST, Terms, created

_new = object.__new__


def _operator(primitive: Callable[[Value, Value], Value]) -> Any:
    """primitive as an operator's method, which takes plain numbers on the other side."""

    def method(self: Value, other: Any) -> Value:
        if not isinstance(other, Value):
            if not isinstance(other, Real):
                return NotImplemented
            other = as_value(other)  # type: ignore[arg-type]
        return primitive(self, other)

    return method


def _reflected(primitive: Callable[[Value, Value], Value]) -> Any:
    return _operator(lambda x, y: primitive(y, x))


_add, _mul = _operator(scalar.add), _operator(scalar.mul)


def _times(x: Value, y: Any) -> Any:
    """x · y; what node() and Value() do, written out, for a third of the time."""
    if type(y) is Value and x.requires_grad and y.requires_grad and engine.recording:
        a, b = x.data, y.data
        value = _new(Value)
        value.data, value.grad, value.index = a * b, None, created()
        value.parents, value.requires_grad, value.slopes = (x, y), True, (b, a)
        return value
    return _mul(x, y)


def _plus(x: Value, y: Any) -> Any:
    """x + y; a product joins a sum that grows, and is itself gone if nothing else needs it.

    So a sum of products costs one node, whichever way it is written.
    """
    terms = x.parents
    if type(terms) is Terms and type(y) is Value and engine.recording:
        factors, slopes = y.parents, y.slopes
        if type(factors) is tuple and len(factors) == 2 == len(slopes):
            parents, place = terms.parents, x.slopes
            if len(parents) == place < LONGEST:  # x is the latest of these sums
                parents.extend(factors)
                terms.slopes.extend(slopes)
                value = _new(Value)
                value.data, value.grad, value.index = x.data + y.data, None, created()
                value.parents, value.requires_grad, value.slopes = terms, True, place + 2
                return value
    return _add(x, y)


def _plus_reflected(y: Value, x: Any) -> Any:
    """x + y; 0 and a product begin a sum that grows: so does Python's sum()."""
    factors, slopes = y.parents, y.slopes
    zero = type(x) is int and x == 0 and engine.recording
    if zero and type(factors) is tuple and len(factors) == 2 == len(slopes):
        return Value(y.data + 0.0, True, Terms(factors, slopes), 2)
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
