"""The primitives: each computes a number and its slopes; no derivative is written anywhere else.

Everything in ops/ is composed of these, so its gradients come from the chain rule alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from operator import attrgetter
from operator import mul as product
from typing import Any

from . import floats
from .engine import Value, as_value, node

_data = attrgetter("data")


def add(x: Value, y: Value) -> Value:
    return node(x.data + y.data, (x, y), (1.0, 1.0))


def sub(x: Value, y: Value) -> Value:
    return node(x.data - y.data, (x, y), (1.0, -1.0))


def mul(x: Value, y: Value) -> Value:
    return node(x.data * y.data, (x, y), (y.data, x.data))


def div(x: Value, y: Value) -> Value:
    ratio = floats.divide(x.data, y.data)
    slopes = floats.divide(1.0, y.data), floats.divide(-ratio, y.data)
    return node(ratio, (x, y), slopes)


def neg(x: Value) -> Value:
    return node(-x.data, (x,), (-1.0,))


def pow(x: Value, y: Value) -> Value:
    """x to the power of y, its slopes where x or y is 0 as in torch."""
    result = floats.power(x.data, y.data)
    slope_x = 0.0 if y.data == 0.0 else y.data * floats.power(x.data, y.data - 1.0)
    slope_y = 0.0 if x.data == 0.0 and y.data >= 0.0 else result * floats.log(x.data)
    return node(result, (x, y), (slope_x, slope_y))


def exp(x: Value) -> Value:
    result = floats.exp(x.data)
    return node(result, (x,), (result,))


def log(x: Value) -> Value:
    return node(floats.log(x.data), (x,), (floats.divide(1.0, x.data),))


def sqrt(x: Value) -> Value:
    root = floats.sqrt(x.data)
    return node(root, (x,), (floats.divide(0.5, root),))


def tanh(x: Value) -> Value:
    t = math.tanh(x.data)
    return node(t, (x,), ((1.0 - t) * (1.0 + t),))  # 1 - t·t would lose digits where t is near 1


def sigmoid(x: Value) -> Value:
    s = floats.sigmoid(x.data)
    return node(s, (x,), (s * (1.0 - s),))


def normal_cdf(x: Value) -> Value:
    """The share of the standard normal distribution that lies below x."""
    density = math.exp(-0.5 * x.data * x.data) / math.sqrt(2.0 * math.pi)
    return node(0.5 * (1.0 + math.erf(x.data * math.sqrt(0.5))), (x,), (density,))


def relu(x: Value) -> Value:
    if x.data <= 0.0:
        return node(0.0, (x,), ())
    return node(x.data, (x,), (1.0,))


def where(condition: bool, x: Value, y: Value) -> Value:
    """x if condition, else y; the other one gets a gradient of 0, whatever arrives."""
    taken, left = (x, y) if condition else (y, x)
    return node(taken.data, (taken, left), (1.0,))


def maximum(x: Value, y: Value) -> Value:
    """The larger of the two; equals share the gradient."""
    return _either(x.data > y.data, x, y)


def minimum(x: Value, y: Value) -> Value:
    """The smaller of the two; equals share the gradient."""
    return _either(x.data < y.data, x, y)


def _either(first: bool, x: Value, y: Value) -> Value:
    if x.data == y.data:
        return node(x.data, (x, y), (0.5, 0.5))
    if math.isnan(x.data) or math.isnan(y.data):
        return node(math.nan, (x, y), (1.0, 1.0))  # nan is neither; torch lets both have it all
    return where(first, x, y)


# n numbers make one node with n slopes: a sum or a dot product costs no more nodes than a product.


def total(xs: Sequence[Value]) -> Value:
    """The sum of any number of Values."""
    return node(sum(map(_data, xs), 0.0), xs, (1.0,) * len(xs))


def dot(xs: Sequence[Value], ys: Sequence[Value]) -> Value:
    """The sum of products x·y, of two rows of equal length."""
    a, b = tuple(map(_data, xs)), tuple(map(_data, ys))
    return node(sum(map(product, a, b), 0.0), (*xs, *ys), (*b, *a))


def spread(distances: Sequence[Value], freedom: float, unsigned: bool) -> Value:
    """The sum of squares over freedom, or over 0 where freedom is negative.

    The slopes are 2 / freedom times a distance, whatever freedom's sign; unsigned, where freedom
    is 0 or less, inf. Both are torch's, the latter for the variance of a whole tensor.
    """
    numbers = list(map(_data, distances))
    squares = [number * number for number in numbers]
    if unsigned and freedom <= 0.0:
        slopes = [math.inf * square for square in squares]  # nan at a distance of 0
    else:
        slope = floats.divide(2.0, freedom)
        slopes = [slope * number for number in numbers]
    return node(floats.divide(sum(squares), max(freedom, 0.0)), distances, slopes)


def largest(xs: Sequence[Value]) -> Value:
    """The largest of at least one Value; equals share the gradient evenly; nan is largest."""
    return _shared(xs, xs[floats.argmax([x.data for x in xs])].data)


def smallest(xs: Sequence[Value]) -> Value:
    """The smallest of at least one Value; equals share the gradient evenly; nan is smallest."""
    return _shared(xs, xs[floats.argmin([x.data for x in xs])].data)


def _shared(xs: Sequence[Value], best: float) -> Value:
    equal = [x.data == best or (x.data != x.data and best != best) for x in xs]
    ties = [x for x, tie in zip(xs, equal, strict=True) if tie]
    others = [x for x, tie in zip(xs, equal, strict=True) if not tie]
    return node(best, (*ties, *others), (1.0 / len(ties),) * len(ties))


def _operator(primitive: Callable[[Value, Value], Value], reflected: bool = False) -> Any:
    """primitive as an operator's method, which takes plain numbers on the other side."""

    def method(self: Value, other: Any) -> Value:
        if not isinstance(other, Value | Real):
            return NotImplemented
        other = as_value(other)  # type: ignore[arg-type]
        return primitive(other, self) if reflected else primitive(self, other)

    return method


METHODS = {
    "__add__": _operator(add),
    "__radd__": _operator(add, reflected=True),
    "__sub__": _operator(sub),
    "__rsub__": _operator(sub, reflected=True),
    "__mul__": _operator(mul),
    "__rmul__": _operator(mul, reflected=True),
    "__truediv__": _operator(div),
    "__rtruediv__": _operator(div, reflected=True),
    "__pow__": _operator(pow),
    "__rpow__": _operator(pow, reflected=True),
    "__neg__": neg,
    "exp": exp,
    "log": log,
    "sqrt": sqrt,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "relu": relu,
}
for _name, _method in METHODS.items():
    setattr(Value, _name, _method)
