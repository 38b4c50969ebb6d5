"""What bends: tanh, sigmoid, relu, gelu, and softmax over a dim."""

from __future__ import annotations

from typing import Any

from .. import arrays
from ..arguments import axis, floats, option
from ..arrays import BOOL, apply
from ..dtypes import floating, promote
from ..engine import Operand, Output, op
from ..kernels import functions as f
from ..kernels import softmax as kernels


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
    if x.dtype == BOOL:
        raise TypeError("relu: bool is no number")
    return apply(f.relu, x), lambda dout: apply(f.relu_dx, x, dout)


@op
def gelu(x: Operand, approximate: str = "none") -> Output:
    """x Φ(x), Φ the normal distribution function; approximate="tanh" replaces it by a tanh.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.gelu.html
    """
    option("gelu", "approximate", approximate, ("none", "tanh"))
    floats("gelu", x)
    if approximate == "none":
        return apply(f.gelu, x), lambda dout: apply(f.gelu_dx, x, dout)
    return apply(f.gelu_tanh, x), lambda dout: apply(f.gelu_tanh_dx, x, dout)


@op
def softmax(x: Operand, dim: int) -> Output:
    """Exponentials of x along dim, scaled to sum to one. (..., n, ...) -> the same shape."""
    floats("softmax", x)
    along = axis("softmax", dim, x.ndim)
    p = _by_row(kernels.softmax, along, x)
    return p, lambda dout: _by_row(kernels.softmax_dx, along, p, dout)


@op
def log_softmax(x: Operand, dim: int) -> Output:
    """Logarithm of softmax along dim, which never takes the log of a vanished exponential."""
    floats("log_softmax", x)
    along = axis("log_softmax", dim, x.ndim)
    y = _by_row(kernels.log_softmax, along, x)
    return y, lambda dout: _by_row(kernels.log_softmax_dx, along, y, dout)


def _by_row(kernel: Any, along: int, *operands: Any) -> Any:
    """The result of a kernel whose every block owns a row along a dim of equally shaped arrays."""
    out = arrays.empty(operands[0].shape, operands[0].dtype)
    rows = [arrays.around(array, along) for array in (*operands, out)]
    outer, n, inner = rows[0].shape
    arrays.launch_rows(kernel(out.dtype.type), outer * inner, n, *rows)
    return out
