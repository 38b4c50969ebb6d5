"""What bends: tanh, sigmoid, relu and its kin, gelu, softplus, and softmax over a dim."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import special
from ..arguments import axis, fitting, floats, number, option, refuse_bool
from ..dtypes import floating
from ..engine import Operand, Output, op
from ..rows import BLOCK, blocks
from .elementwise import masked

SCALE, CUBIC = math.sqrt(2 / math.pi), 0.044715  # of gelu's tanh


@op
def tanh(x: Operand) -> Output:
    """Hyperbolic tangent."""
    y = np.tanh(floating(x))
    return y, lambda dout: dout * ((1 - y) * (1 + y))


@op
def sigmoid(x: Operand) -> Output:
    """1 / (1 + exp(-x)), by exponentials that cannot overflow."""
    y = logistic(floating(x))
    return y, lambda dout: dout * (y * (1 - y))


@op
def relu(x: Operand) -> Output:
    """x where it is positive, else 0; the slope at 0 is 0."""
    refuse_bool("relu", x)
    return np.maximum(x, 0), lambda dout: masked(dout, ~(x <= 0))


@op
def leaky_relu(x: Operand, negative_slope: float = 0.01) -> Output:
    """x where it is positive, else negative_slope · x."""
    floats("leaky_relu", x)
    slope = fitting("leaky_relu", "negative_slope", negative_slope, x.dtype)
    up = x > 0
    y = masked(x, up) + masked(slope * x, ~up)
    return y, lambda dout: masked(dout, up) + masked(slope * dout, ~up)


@op
def relu6(x: Operand) -> Output:
    """x between 0 and 6; the slopes at both are 0."""
    return _hardtanh("relu6", x, 0, 6)


@op
def elu(x: Operand, alpha: float = 1.0) -> Output:
    """x where it is positive, else alpha (exp(x) - 1).

    Clevert, Unterthiner, Hochreiter 2015, https://arxiv.org/abs/1511.07289
    """
    floats("elu", x)
    number("elu", "alpha", alpha)
    alpha = x.dtype.type(alpha)
    y = np.where(x <= 0, alpha * np.expm1(x), x)
    return y, lambda dout: dout * np.where(x <= 0, alpha * np.exp(x), 1)


@op
def silu(x: Operand) -> Output:
    """x sigmoid(x)."""
    floats("silu", x)
    s = logistic(x)
    return x * s, lambda dout: dout * (s * (1 + x * (1 - s)))


@op
def gelu(x: Operand, approximate: str = "none") -> Output:
    """x Φ(x), Φ the normal distribution function; approximate="tanh" replaces it by a tanh.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.gelu.html
    """
    option("gelu", "approximate", approximate, ("none", "tanh"))
    floats("gelu", x)
    if approximate == "none":
        # By the complement of erf: 1 + erf would cancel where x is negative.
        cdf = 0.5 * special.erfc(-x * math.sqrt(0.5))

        def pullback(dout):
            return dout * (cdf + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))

        return x * cdf, pullback

    y, t = _gelu_tanh(x)
    return y, lambda dout: _gelu_tanh_back(dout, x, t)


@op
def softplus(x: Operand, beta: float = 1.0, threshold: float = 20.0) -> Output:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is beyond threshold."""
    floats("softplus", x)
    number("softplus", "beta", beta)
    beta = x.dtype.type(beta)
    linear = beta * x > threshold
    e = np.exp(beta * x)
    y = np.where(linear, x, np.log1p(e) / beta)
    return y, lambda dout: dout * np.where(linear, 1, e / (1 + e))


@op
def logsigmoid(x: Operand) -> Output:
    """log(sigmoid(x)), which never takes the log of a vanished exponential."""
    floats("logsigmoid", x)
    y = np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))
    return y, lambda dout: dout * logistic(-x)


@op
def hardtanh(x: Operand, min_val: float = -1.0, max_val: float = 1.0) -> Output:
    """x between min_val and max_val; the slopes at both are 0."""
    return _hardtanh("hardtanh", x, min_val, max_val)


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


def logistic(x: Any) -> Any:
    """What sigmoid returns."""
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def _gelu_tanh(x: Any) -> tuple[Any, Any]:
    """y = x (1 + t) / 2, and t = tanh(√(2/π) (x + CUBIC x³)), in place, a block at a time."""
    numbers = x.reshape(-1)
    y, t = np.empty_like(numbers), np.empty_like(numbers)
    for block in blocks(numbers.size):
        u, inner, out = numbers[block], t[block], y[block]
        np.multiply(u, u, out=inner)
        inner *= SCALE * CUBIC
        inner += SCALE
        inner *= u
        np.tanh(inner, out=inner)
        np.add(inner, 1, out=out)
        out *= 0.5
        out *= u
    return y.reshape(x.shape), t.reshape(x.shape)


def _gelu_tanh_back(dout: Any, x: Any, t: Any) -> Any:
    """dout (1 + t) (1 + x (1 - t) SCALE (1 + 3 CUBIC x²)) / 2, a block at a time."""
    douts, numbers, tanhs = dout.reshape(-1), x.reshape(-1), t.reshape(-1)
    dx = np.empty_like(numbers)
    spare = np.empty_like(numbers[:BLOCK])
    for block in blocks(numbers.size):
        u, v, slope = numbers[block], tanhs[block], dx[block]
        factor = spare[: u.size]
        np.multiply(u, u, out=slope)
        slope *= 1.5 * SCALE * CUBIC
        slope += 0.5 * SCALE
        slope *= u
        slope *= np.subtract(1, v, out=factor)
        slope += 0.5
        slope *= np.add(1, v, out=factor)
        slope *= douts[block]
    return dx.reshape(x.shape)


def _hardtanh(name: str, x: Any, low: float, high: float) -> Output:
    refuse_bool(name, x)
    least, most = fitting(name, "min_val", low, x.dtype), fitting(name, "max_val", high, x.dtype)
    if low > high or (x.dtype.kind == "u" and low < 0):
        raise ValueError(f"{name}: no {x.dtype} from min_val {low} to max_val {high}")
    outside = (x <= least) | (x >= most)
    return np.minimum(np.maximum(x, least), most), lambda dout: masked(dout, ~outside)


def _below_max(x: Any, along: int) -> Any:
    """x less its maximum along a dim: no exponential of it can overflow."""
    if not x.ndim:
        return x - x
    return x - x.max(axis=along, keepdims=True, initial=-np.inf)


def _sum(x: Any, along: int) -> Any:
    return x.sum(axis=along, keepdims=True) if x.ndim else x
