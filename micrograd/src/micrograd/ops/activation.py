"""Nonlinearities, element by element, and softmax along a dim."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import scalar
from ..arguments import axis, floating, no_bools, option
from ..engine import Value
from ..floats import argmax
from ..lists import Tensor, map_rows, nest
from .elementwise import elementwise


def tanh(x: Tensor) -> Tensor:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)), between -1 and 1."""
    return elementwise("tanh", scalar.tanh, x)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), between 0 and 1."""
    return elementwise("sigmoid", scalar.sigmoid, x)


def relu(x: Tensor) -> Tensor:
    """The larger of x and 0; the slope at 0 is 0."""
    no_bools("relu", x)
    return elementwise("relu", scalar.relu, x, integers=lambda i: max(i, 0))


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x · Φ(x), Φ the normal distribution's: exact ("none") or its approximation by "tanh".

    Hendrycks, Gimpel 2016, https://arxiv.org/abs/1606.08415
    """
    option("gelu", "approximate", approximate, ("none", "tanh"))
    items, shape = floating("gelu", x)
    function = _gelu_tanh if approximate == "tanh" else _gelu
    return nest([function(item) for item in items], shape)


def softmax(x: Tensor, dim: int) -> Tensor:
    """Exponentials of x along dim, scaled to sum to one."""
    items, shape = floating("softmax", x)
    along = axis("softmax", dim, len(shape))
    return map_rows(probabilities, items, shape, [along] if shape else [])


def log_softmax(x: Tensor, dim: int) -> Tensor:
    """The logarithm of softmax(x, dim), which does not underflow where softmax does."""
    items, shape = floating("log_softmax", x)
    along = axis("log_softmax", dim, len(shape))
    return map_rows(log_probabilities, items, shape, [along] if shape else [])


def probabilities(row: Sequence[Value]) -> list[Value]:
    """softmax of one row."""
    exponentials = [scalar.exp(item) for item in _shifted(row)]
    scale = scalar.total(exponentials)
    return [scalar.div(item, scale) for item in exponentials]


def log_probabilities(row: Sequence[Value]) -> list[Value]:
    """log_softmax of one row."""
    row = _shifted(row)
    normalizer = scalar.log(scalar.total([scalar.exp(item) for item in row]))
    return [scalar.sub(item, normalizer) for item in row]


def _shifted(row: Sequence[Value]) -> Sequence[Value]:
    """row less its largest element, so that no exp overflows."""
    if not row:
        return row
    # A constant to the gradient: softmax does not change with the shift.
    top = Value(row[argmax([item.data for item in row])].data)
    return [scalar.sub(item, top) for item in row]


def _gelu(x: Value) -> Value:
    return x * scalar.normal_cdf(x)


def _gelu_tanh(x: Value) -> Value:
    inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * (x * x * x))
    return 0.5 * x * (1.0 + scalar.tanh(inner))
