"""Activation functions: tanh, sigmoid, relu and its kin, gelu, softplus; softmax over a dim."""

from __future__ import annotations

from typing import Any

from .. import arrays
from ..arguments import axis, fitting, floats, option, refuse_bool
from ..arrays import apply
from ..dtypes import floating, is_floating, promote
from ..engine import Operand, Output, op, reading_op
from ..kernels import functions as f
from ..kernels import softmax as kernels
from ..kernels.row import LONGEST


@op
def tanh(x: Operand) -> Output:
    """Hyperbolic tangent."""
    y = apply(f.tanh, floating(x))
    return y, lambda dout: apply(f.tanh_dx, y, dout)


@op
def sigmoid(x: Operand) -> Output:
    """1 / (1 + exp(-x)), by the exponential that cannot overflow."""
    y = apply(f.sigmoid, floating(x))
    return y, lambda dout: apply(f.sigmoid_dx, y, dout)


@op
def relu(x: Operand) -> Output:
    """x where it is positive, else 0; the slope at 0 is 0."""
    (x,) = promote(x)
    refuse_bool("relu", x)
    y = apply(f.relu, x)  # positive where x is: which need not be kept
    return y, lambda dout: apply(f.relu_dx, y, dout)


@op
def leaky_relu(x: Operand, negative_slope: float = 0.01) -> Output:
    """x where it is positive, else negative_slope · x."""
    floats("leaky_relu", x)
    fitting("leaky_relu", "negative_slope", negative_slope, x.dtype)
    y = apply(f.leaky_relu, x, negative_slope)
    return y, lambda dout: apply(f.leaky_relu_dx, x, negative_slope, dout)


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
    fitting("elu", "alpha", alpha, x.dtype)
    return apply(f.elu, x, alpha), lambda dout: apply(f.elu_dx, x, alpha, dout)


@op
def silu(x: Operand) -> Output:
    """x sigmoid(x).

    Hendrycks, Gimpel 2016, https://arxiv.org/abs/1606.08415
    """
    floats("silu", x)
    return apply(f.silu, x), lambda dout: apply(f.silu_dx, x, dout)


@op
def gelu(x: Operand, approximate: str = "none") -> Output:
    """x Φ(x), Φ the standard normal CDF; approximate="tanh" replaces it by a tanh.

    Hendrycks, Gimpel 2016, https://arxiv.org/abs/1606.08415
    """
    option("gelu", "approximate", approximate, ("none", "tanh"))
    floats("gelu", x)
    gelu, gelu_dx = f.gelu_tanh, f.gelu_tanh_dx
    if approximate == "none":
        single = arrays.reckoned(x.dtype) == arrays.FLOAT32
        gelu, gelu_dx = (f.single_gelu, f.single_gelu_dx) if single else (f.gelu, f.gelu_dx)
    return apply(gelu, x), lambda dout: apply(gelu_dx, x, dout)


@op
def softplus(x: Operand, beta: float = 1.0, threshold: float = 20.0) -> Output:
    """log(1 + exp(beta x)) / beta, or x itself where beta x is above threshold."""
    floats("softplus", x)
    fitting("softplus", "beta", beta, x.dtype)
    fitting("softplus", "threshold", threshold, x.dtype)
    y = apply(f.softplus, x, beta, threshold)
    return y, lambda dout: apply(f.softplus_dx, x, beta, threshold, dout)


@op
def logsigmoid(x: Operand) -> Output:
    """log(sigmoid(x)), without taking the log of an exponential that underflowed."""
    floats("logsigmoid", x)
    return apply(f.logsigmoid, x), lambda dout: apply(f.logsigmoid_dx, x, dout)


@op
def hardtanh(x: Operand, min_val: float = -1.0, max_val: float = 1.0) -> Output:
    """x between min_val and max_val; the slopes at both are 0."""
    return _hardtanh("hardtanh", x, min_val, max_val)


@reading_op
def softmax(x: Operand, dim: int) -> Output:
    """Exponentials of x along dim, scaled to sum to one. (..., n, ...) -> the same shape."""
    floats("softmax", x)
    along, stored = axis("softmax", dim, x.ndim), x.dtype
    p = by_row(kernels.SOFTMAX, along, x)
    return p, lambda dout: by_row(kernels.SOFTMAX_DX, along, p, dout, dtype=stored)


@reading_op
def log_softmax(x: Operand, dim: int) -> Output:
    """Logarithm of softmax along dim, without taking the log of an exponential that underflowed."""
    floats("log_softmax", x)
    along, stored = axis("log_softmax", dim, x.ndim), x.dtype
    y = by_row(kernels.LOG_SOFTMAX, along, x)
    return y, lambda dout: by_row(kernels.LOG_SOFTMAX_DX, along, y, dout, dtype=stored)


def _hardtanh(name: str, x: Any, low: float, high: float) -> Any:
    refuse_bool(name, x)
    fitting(name, "min_val", low, x.dtype)
    fitting(name, "max_val", high, x.dtype)
    if low > high or (x.dtype.kind == "u" and not is_floating(x.dtype) and low < 0):
        raise ValueError(f"{name}: no {x.dtype} from min_val {low} to max_val {high}")
    return apply(f.clamp, x, low, high), lambda dout: apply(f.between_dx, x, low, high, dout)


def by_row(kernel: kernels.ByRow, along: int, *operands: Any, dtype: Any = None) -> Any:
    """The result of a kernel whose every block owns a row along a dim of equally shaped arrays.

    dtype: of the result, if it may be bfloat16; else that is float32 of an operand of bfloat16.
    """
    shape, stored = operands[0].shape, operands[0].dtype if dtype is None else dtype
    out = arrays.empty(shape, arrays.reckoned(stored) if dtype is None else dtype)
    outer, n, inner = arrays.around(out, along).shape
    if inner == 1 and n <= LONGEST:
        rows = [arrays.reshape(array, (outer, n)) for array in (*operands, out)]
        arrays.launch_held(kernel.held(stored.type), outer, n, *rows)
    else:
        *flat, result = map(arrays.flat, (*operands, out))
        arrays.launch_rows(kernel.other(stored.type), outer * inner, n, *flat, n, inner, result)
    return out
