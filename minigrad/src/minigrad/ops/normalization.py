"""Rows brought to one scale: layer norm and root-mean-square norm."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import Shape, floats, sizes
from ..engine import Operand, Output, op


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
    along = _trailing("layer_norm", x, normalized_shape, weight, bias)
    centred = x - x.mean(axis=along, keepdims=True)
    rstd = 1 / np.sqrt((centred * centred).mean(axis=along, keepdims=True) + x.dtype.type(eps))
    normal = centred * rstd
    y = normal if weight is None else normal * weight
    y = y if bias is None else y + bias

    def dx(dout):
        dnormal = dout if weight is None else dout * weight
        shift = dnormal.mean(axis=along, keepdims=True)
        stretch = (dnormal * normal).mean(axis=along, keepdims=True)
        return rstd * (dnormal - shift - normal * stretch)

    return y, (dx, None, lambda dout: dout * normal, lambda dout: dout)


@op
def rms_norm(
    x: Operand, normalized_shape: Shape, weight: Operand | None = None, eps: float | None = None
) -> Output:
    """x / sqrt(mean of squares + eps) · weight over the trailing normalized_shape.

    eps None: the epsilon of x's dtype. Zhang, Sennrich 2019, https://arxiv.org/abs/1910.07467
    """
    along = _trailing("rms_norm", x, normalized_shape, weight)
    eps = x.dtype.type(np.finfo(x.dtype).eps if eps is None else eps)
    scale = 1 / np.sqrt((x * x).mean(axis=along, keepdims=True) + eps)
    normal = x * scale

    def dx(dout):
        dnormal = dout if weight is None else dout * weight
        stretch = (dnormal * normal).mean(axis=along, keepdims=True)
        return scale * (dnormal - normal * stretch)

    y = normal if weight is None else normal * weight
    return y, (dx, None, lambda dout: dout * normal)


def _trailing(name: str, x: Any, normalized_shape: Any, *parameters: Any) -> tuple[int, ...]:
    """The axes of normalized_shape, which must be x's last; parameters must have that shape."""
    shape = sizes(name, normalized_shape)
    floats(name, x, *parameters)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ValueError(f"{name}: normalized_shape {shape} for a tensor of shape {x.shape}")
    for parameter in parameters:
        if parameter is not None and parameter.shape != shape:
            raise ValueError(f"{name}: a parameter of shape {parameter.shape}, expected {shape}")
    return tuple(range(-len(shape), 0))
