"""What bends: tanh, sigmoid, relu, gelu, and softmax over a dim."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arguments import axis, floats, option
from ..dtypes import floating
from ..engine import Operand, Output, op

_erfc = np.frompyfunc(math.erfc, 1, 1)  # NumPy has none; the standard library's, one by one


@op
def tanh(x: Operand) -> Output:
    """Hyperbolic tangent."""
    y = np.tanh(floating(x))
    return y, lambda dout: dout * ((1 - y) * (1 + y))


@op
def sigmoid(x: Operand) -> Output:
    """1 / (1 + exp(-x)), by the exponential that cannot overflow."""
    x = floating(x)
    e = np.exp(-np.abs(x))
    y = np.where(x >= 0, 1, e) / (1 + e)
    return y, lambda dout: dout * (y * (1 - y))


@op
def relu(x: Operand) -> Output:
    """x where it is positive, else 0; the slope at 0 is 0."""
    if x.dtype == np.bool_:
        raise TypeError("relu: bool is no number")
    return np.maximum(x, 0), lambda dout: np.where(x <= 0, np.zeros((), dout.dtype), dout)


@op
def gelu(x: Operand, approximate: str = "none") -> Output:
    """x Φ(x), Φ the normal distribution function; approximate="tanh" replaces it by a tanh.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.gelu.html
    """
    option("gelu", "approximate", approximate, ("none", "tanh"))
    floats("gelu", x)
    if approximate == "none":
        # By the complement of erf: 1 + erf would cancel where x is negative.
        cdf = 0.5 * np.asarray(_erfc(-x * math.sqrt(0.5)), x.dtype)

        def pullback(dout):
            return dout * (cdf + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))

        return x * cdf, pullback

    scale, cubic = math.sqrt(2 / math.pi), 0.044715
    t = np.tanh(scale * (x + cubic * x * x * x))

    def pullback_tanh(dout):
        slope = scale * (1 + 3 * cubic * x * x)
        return dout * (0.5 * (1 + t) + 0.5 * x * ((1 - t) * (1 + t)) * slope)

    return 0.5 * x * (1 + t), pullback_tanh


@op
def softmax(x: Operand, dim: int) -> Output:
    """Exponentials of x along dim, scaled to sum to one. (..., n, ...) -> the same shape."""
    floats("softmax", x)
    along = axis("softmax", dim, x.ndim)
    p = np.exp(_below_max(x, along))
    p /= _sum(p, along)

    def pullback(dout):
        return p * (dout - _sum(dout * p, along))

    return p, pullback


@op
def log_softmax(x: Operand, dim: int) -> Output:
    """Logarithm of softmax along dim, which never takes the log of a vanished exponential."""
    floats("log_softmax", x)
    along = axis("log_softmax", dim, x.ndim)
    below = _below_max(x, along)
    y = below - np.log(_sum(np.exp(below), along))

    def pullback(dout):
        return dout - np.exp(y) * _sum(dout, along)

    return y, pullback


def _below_max(x: Any, along: int) -> Any:
    """x less its maximum along a dim: no exponential of it can overflow."""
    if not x.ndim:
        return x - x
    return x - x.max(axis=along, keepdims=True, initial=-np.inf)


def _sum(x: Any, along: int) -> Any:
    return x.sum(axis=along, keepdims=True) if x.ndim else x
