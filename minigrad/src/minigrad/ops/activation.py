"""Activation functions: tanh, sigmoid, relu and its kin, gelu, softplus; softmax over a dim."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import special
from ..arguments import axis, fitting, floats, option, refuse_bool
from ..dtypes import floating
from ..engine import Operand, Output, op
from ..rows import blocks
from .elementwise import at_least, at_most, chosen, masked

SHORT = 1024  # longest rows that einsum sums faster than sum, which sums longer ones pairwise

SCALE, CUBIC = math.sqrt(2 / math.pi), 0.044715  # of gelu's tanh


@op
def tanh(x: Operand) -> Output:
    """Hyperbolic tangent."""
    y = np.tanh(floating(x))
    return y, lambda dout: dout * ((1 - y) * (1 + y))


@op
def sigmoid(x: Operand) -> Output:
    """1 / (1 + exp(-x))."""
    y = logistic(floating(x))

    def pullback(dout):
        slope = 1 - y
        slope *= y
        slope *= dout
        return slope

    return y, pullback


@op
def relu(x: Operand) -> Output:
    """x where it is positive, else 0; the slope at 0 is 0."""
    refuse_bool("relu", x)
    return at_least(x, np.zeros((), x.dtype)), lambda dout: masked(dout, ~(x <= 0))


@op
def leaky_relu(x: Operand, negative_slope: float = 0.01) -> Output:
    """x where it is positive, else negative_slope · x."""
    floats("leaky_relu", x)
    slope = fitting("leaky_relu", "negative_slope", negative_slope, x.dtype)
    if 0 < slope <= 1:
        y = np.asarray(slope * x)
        np.maximum(x, y, out=y)
    else:
        y = np.where(x > 0, x, slope * x)

    def pullback(dout):
        dx = chosen(x > 0, 1, slope, x.dtype)
        dx *= dout
        return dx

    return y, pullback


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
    zero, factor = np.zeros((), x.dtype), fitting("elu", "alpha", alpha, x.dtype)
    y = np.expm1(at_most(x, zero))
    y *= factor
    y += at_least(x, zero)

    def pullback(dout):
        slope = np.exp(np.fmin(x, zero))  # NaN becomes 0: slope 1, as torch has in small tensors
        slope *= chosen(x <= 0, factor, 1, x.dtype)
        slope *= dout
        return slope

    return y, pullback


@op
def silu(x: Operand) -> Output:
    """x sigmoid(x).

    Hendrycks, Gimpel 2016, https://arxiv.org/abs/1606.08415
    """
    floats("silu", x)
    s = logistic(x)

    def pullback(dout):
        slope = 1 - s  # (1 + x (1 - s)) s, since the slope of s is s (1 - s)
        slope *= x
        slope += 1
        slope *= s
        slope *= dout
        return slope

    return x * s, pullback


@op
def gelu(x: Operand, approximate: str = "none") -> Output:
    """x Φ(x), Φ the standard normal CDF; approximate="tanh" replaces it by a tanh.

    Hendrycks, Gimpel 2016, https://arxiv.org/abs/1606.08415
    """
    option("gelu", "approximate", approximate, ("none", "tanh"))
    floats("gelu", x)
    if approximate == "none":
        share = special.normal(x)

        def pullback(dout):  # the slope is Φ(x) + x φ(x), φ the normal density
            slope = np.exp(-0.5 * x * x)
            slope *= x
            slope *= 1 / math.sqrt(2 * math.pi)
            slope += share
            slope *= dout
            return slope

        return x * share, pullback

    return _gelu_tanh(x), lambda dout: _gelu_tanh_back(dout, x)


@op
def softplus(x: Operand, beta: float = 1.0, threshold: float = 20.0) -> Output:
    """log(1 + exp(beta x)) / beta, or x itself where beta x is above threshold."""
    floats("softplus", x)
    factor = fitting("softplus", "beta", beta, x.dtype)
    linear = factor * x > fitting("softplus", "threshold", threshold, x.dtype)
    e = np.exp(factor * x)
    y = np.where(linear, x, np.log1p(e) / factor)
    return y, lambda dout: dout * np.where(linear, 1, e / (1 + e))


@op
def logsigmoid(x: Operand) -> Output:
    """log(sigmoid(x)), without taking the log of an exponential that underflowed."""
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
    p = _below_max(x, along)
    np.exp(p, out=p)
    p /= _sum(p, along)

    # The slope of p[i] along x[j] is p[j] (1 if i = j else 0) - p[i] p[j].
    # dx[j] is the sum of dout[i] times it, over all i.
    return p, lambda dout: p * (dout - _sum(dout, along, p))


@op
def log_softmax(x: Operand, dim: int) -> Output:
    """Logarithm of softmax along dim, without taking the log of an exponential that underflowed."""
    floats("log_softmax", x)
    along = axis("log_softmax", dim, x.ndim)
    y = _below_max(x, along)
    y -= np.log(_sum(np.exp(y), along))

    def pullback(dout):  # the slope of y[i] along x[j] is (1 if i = j else 0) - p[j], p = exp(y)
        dx = np.asarray(np.exp(y))
        dx *= _sum(dout, along)
        return np.subtract(dout, dx, out=dx)

    return y, pullback


def logistic(x: Any) -> Any:
    """The value of sigmoid. Where the exponential overflows to inf, 1 / inf is 0, as it must be."""
    y = np.asarray(-x)  # NumPy returns a number for a 0-d array
    np.exp(y, out=y)
    y += 1
    return np.divide(1, y, out=y)


def _gelu_tanh(x: Any) -> Any:
    """x (1 + tanh u) / 2, a block at a time, as x s = x / (1 + e), where e = exp(-2 u).

    1 + tanh would cancel where x is negative; and NumPy's exp is faster than its tanh.
    """
    numbers = x.reshape(-1)
    y = np.empty_like(numbers)
    for block in blocks(numbers.size):
        part, e = numbers[block], y[block]
        np.exp(_minus_twice_inner(part, e), out=e)
        e += 1
        np.divide(part, e, out=e)
    return y.reshape(x.shape)


def _gelu_tanh_back(dout: Any, x: Any) -> Any:
    """dout s (1 + x (1 - s) 2 SCALE (1 + 3 CUBIC x²)), a block at a time.

    The exponential is recomputed: kept until then, it would take as much memory as x.
    """
    douts, numbers = dout.reshape(-1), x.reshape(-1)
    dx = np.empty_like(numbers)
    parts = blocks(numbers.size)
    room = np.empty((2, numbers[parts[0]].size), x.dtype)
    finite = np.finfo(x.dtype).max
    for block in parts:
        part, slope = numbers[block], dx[block]
        e, s = room[:, : part.size]
        np.exp(_minus_twice_inner(part, e), out=e)
        np.add(e, 1, out=s)
        np.divide(1, s, out=s)
        np.minimum(e, finite, out=e)  # an infinite e times an s of 0 would be NaN
        e *= s  # 1 - s, with all its digits
        np.multiply(part, part, out=slope)
        slope *= 6 * SCALE * CUBIC
        slope += 2 * SCALE
        slope *= part
        slope *= e
        slope += 1
        slope *= s
        slope *= douts[block]
    return dx.reshape(x.shape)


def _minus_twice_inner(x: Any, out: Any) -> Any:
    """-2 u, written to out, where u = SCALE (x + CUBIC x³) is the argument of gelu's tanh."""
    np.multiply(x, x, out=out)
    out *= -2 * SCALE * CUBIC
    out -= 2 * SCALE
    out *= x
    return out


def _hardtanh(name: str, x: Any, low: float, high: float) -> Output:
    refuse_bool(name, x)
    least, most = fitting(name, "min_val", low, x.dtype), fitting(name, "max_val", high, x.dtype)
    if low > high or (x.dtype.kind == "u" and low < 0):
        raise ValueError(f"{name}: no {x.dtype} from min_val {low} to max_val {high}")
    return np.clip(x, least, most), lambda dout: masked(dout, ~((x <= least) | (x >= most)))


def _below_max(x: Any, along: int) -> Any:
    """x minus its maximum along a dim, so that no exponential of it can overflow."""
    if not x.ndim:
        return np.asarray(x - x)
    return x - x.max(axis=along, keepdims=True, initial=-np.inf)


def _sum(x: Any, along: int, weights: Any = None) -> Any:
    """The sum of x, or of x · weights, along a dim, which is kept."""
    if 0 < x.ndim == along + 1 and x.shape[-1] <= SHORT:
        if weights is None:
            return np.einsum("...i->...", x)[..., None]
        return np.einsum("...i,...i->...", x, weights)[..., None]
    terms = x if weights is None else x * weights
    return terms.sum(axis=along, keepdims=True) if x.ndim else terms
