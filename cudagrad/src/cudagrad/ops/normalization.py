"""Rows brought to one scale: layer norm and root-mean-square norm."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import arrays
from ..arguments import Shape, floats, sizes
from ..arrays import apply
from ..engine import Operand, Output, op
from ..kernels import functions as f
from ..kernels import normalization as kernels


@op
def layer_norm(
    x: Operand,
    normalized_shape: Shape,
    weight: Operand | None = None,
    bias: Operand | None = None,
    eps: float = 1e-05,
) -> Output:
    """(x - mean) / sqrt(variance + eps) · weight + bias over the trailing normalized_shape.

    Ba, Kiros, Hinton 2016, https://arxiv.org/abs/1607.06450
    """
    n = _trailing("layer_norm", x, normalized_shape, weight, bias)
    normal, normal_dx = _normalized(x, n, True, eps)
    y = normal if weight is None else apply(f.mul, normal, weight)
    y = y if bias is None else apply(f.add, y, bias)

    def dx(dout):
        return normal_dx(dout if weight is None else apply(f.mul, dout, weight))

    return y, (dx, None, lambda dout: apply(f.mul, dout, normal), lambda dout: dout)


@op
def rms_norm(
    x: Operand,
    normalized_shape: Shape,
    weight: Operand | None = None,
    eps: float | None = None,
) -> Output:
    """x / sqrt(mean of squares + eps) · weight over the trailing normalized_shape.

    eps None: the epsilon of x's dtype. Zhang, Sennrich 2019, https://arxiv.org/abs/1910.07467
    """
    n = _trailing("rms_norm", x, normalized_shape, weight)
    normal, normal_dx = _normalized(x, n, False, np.finfo(x.dtype).eps if eps is None else eps)

    def dx(dout):
        return normal_dx(dout if weight is None else apply(f.mul, dout, weight))

    y = normal if weight is None else apply(f.mul, normal, weight)
    return y, (dx, None, lambda dout: apply(f.mul, dout, normal))


def _normalized(x: Any, n: int, centre: bool, eps: float) -> tuple[Any, Callable[[Any], Any]]:
    """x with every n elements brought to one scale, and the pullback of that."""
    shape, real = x.shape, x.dtype.type
    rows = (x.size // n if n else 0, n)
    normal, scale = arrays.empty(shape, x.dtype), arrays.empty(rows[:1], x.dtype)
    args = arrays.reshape(x, rows), centre, real(eps), arrays.reshape(normal, rows), scale
    arrays.launch_rows(kernels.normalize(real), *rows, *args)

    def pullback(dnormal):
        dx = arrays.empty(shape, dnormal.dtype)
        inputs = arrays.reshape(dnormal, rows), arrays.reshape(normal, rows), scale
        args = *inputs, centre, arrays.reshape(dx, rows)
        arrays.launch_rows(kernels.normalize_dx(real), *rows, *args)
        return dx

    return normal, pullback


def _trailing(name: str, x: Any, normalized_shape: Any, *parameters: Any) -> int:
    """How many elements normalized_shape has; it must be x's last dims, and the parameters'."""
    shape = sizes(name, normalized_shape)
    floats(name, x, *parameters)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ValueError(f"{name}: normalized_shape {shape} for a tensor of shape {x.shape}")
    for parameter in parameters:
        if parameter is not None and parameter.shape != shape:
            raise ValueError(f"{name}: a parameter of shape {parameter.shape}, expected {shape}")
    return math.prod(shape)
