"""Nonlinearities, element by element, and softmax along a dim."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from .. import rowwise, scalar
from ..arguments import cast, floating, number, one_axis, option, refuse_bool
from ..engine import Value
from ..floats import clamp
from ..lists import Tensor, cut, join, kind, map_rows, nest, rows, unnest
from .elementwise import elementwise


def tanh(x: Tensor) -> Tensor:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)), between -1 and 1."""
    return elementwise("tanh", scalar.tanh, x)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), between 0 and 1."""
    return elementwise("sigmoid", scalar.sigmoid, x)


def relu(x: Tensor) -> Tensor:
    """The larger of x and 0; the slope at 0 is 0."""
    refuse_bool("relu", x)
    return elementwise("relu", scalar.relu, x, integers=lambda i: max(i, 0))


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x above 0, else negative_slope · x."""
    slope = Value(number("leaky_relu", "negative_slope", negative_slope))
    return _each(
        "leaky_relu", lambda item: scalar.own(item) if item.data > 0.0 else item * slope, x
    )


def relu6(x: Tensor) -> Tensor:
    """x limited to [0, 6], with a slope of 0 at both ends and outside."""
    return _hardtanh("relu6", x, 0.0, 6.0)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x above 0, else alpha · (exp(x) - 1).

    Clevert, Unterthiner, Hochreiter 2015, https://arxiv.org/abs/1511.07289
    """
    scale = Value(number("elu", "alpha", alpha))
    return _each(
        "elu", lambda item: scalar.expm1(item) * scale if item.data <= 0.0 else scalar.own(item), x
    )


def silu(x: Tensor) -> Tensor:
    """x · sigmoid(x).

    Hendrycks, Gimpel 2016, https://arxiv.org/abs/1606.08415
    """
    return _each("silu", lambda item: item * scalar.sigmoid(item), x)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x · Φ(x), Φ the standard normal CDF: exact ("none"), or approximated by a tanh ("tanh").

    Hendrycks, Gimpel 2016, https://arxiv.org/abs/1606.08415
    """
    option("gelu", "approximate", approximate, ("none", "tanh"))
    return _each("gelu", _gelu_tanh if approximate == "tanh" else _gelu, x)


def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta · x)) / beta, and x itself where beta · x is above threshold."""
    scale = number("softplus", "beta", beta)
    top = number("softplus", "threshold", threshold)

    def smooth(item: Value) -> Value:
        return scalar.own(item) if scale * item.data > top else scalar.softplus(item, scale)

    return _each("softplus", smooth, x)


def logsigmoid(x: Tensor) -> Tensor:
    """The logarithm of sigmoid(x), which does not underflow where sigmoid does."""
    return _each("logsigmoid", lambda item: -scalar.softplus(-item), x)


def hardtanh(x: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """x limited to [min_val, max_val], with a slope of 0 at both ends and outside."""
    return _hardtanh("hardtanh", x, min_val, max_val)


def softmax(x: Tensor, dim: int) -> Tensor:
    """Exponentials of x along dim, scaled to sum to one."""
    items, shape = floating("softmax", x)
    dims = one_axis("softmax", dim, len(shape))
    return join(probabilities(rows(items, shape, dims)), shape, dims)


def log_softmax(x: Tensor, dim: int) -> Tensor:
    """The logarithm of softmax(x, dim), which does not underflow where softmax does."""
    items, shape = floating("log_softmax", x)
    return map_rows(log_probabilities, items, shape, one_axis("log_softmax", dim, len(shape)))


def probabilities(groups: Sequence[Sequence[Value]], scale: float = 1.0) -> list[list[Value]]:
    """softmax of scale · row, for each row."""
    lengths = list(map(len, groups))
    tops = [max([scale * item.data for item in row], default=0.0) for row in groups]
    shifts = _repeated(tops, lengths)
    exponentials = rowwise.exps_of(list(chain.from_iterable(groups)), scale, shifts)
    totals = _repeated(list(map(scalar.total, cut(exponentials, lengths))), lengths)
    return cut(rowwise.ratios(exponentials, totals), lengths)


def log_probabilities(row: Sequence[Value]) -> list[Value]:
    """log_softmax of one row."""
    top = Value(max([item.data for item in row], default=0.0))
    row = [scalar.sub(item, top) for item in row]
    normalizer = scalar.logsumexp(row)
    return [scalar.sub(item, normalizer) for item in row]


def _repeated(items: Sequence[Any], lengths: Sequence[int]) -> list[Any]:
    """Each item, repeated as often as its row is long."""
    return [item for item, n in zip(items, lengths, strict=True) for _ in range(n)]


def _each(op: str, function: Callable[[Value], Value], x: Tensor) -> Tensor:
    """function of every element of x, which must be floating."""
    items, shape = floating(op, x)
    return nest([function(item) for item in items], shape)


def _hardtanh(op: str, x: Tensor, min_val: float, max_val: float) -> Tensor:
    refuse_bool(op, x)
    if number(op, "min_val", min_val) > number(op, "max_val", max_val):
        raise ValueError(f"{op}: min_val {min_val} is above max_val {max_val}")
    of = kind(unnest(x, op)[0])
    low, high = cast(op, "min_val", min_val, of), cast(op, "max_val", max_val, of)

    def within(item: Value) -> Value:
        inside = low < item.data < high or math.isnan(item.data)
        return scalar.where(inside, item, Value(clamp(item.data, low, high)))

    return elementwise(op, within, x, integers=lambda i: min(max(i, low), high))


def _gelu(x: Value) -> Value:
    return x * scalar.normal_cdf(x)


def _gelu_tanh(x: Value) -> Value:
    inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * (x * x * x))
    return 0.5 * x * (1.0 + scalar.tanh(inner))
