"""Gradients kept within bounds, in place, between backward() and step().

https://docs.pytorch.org/docs/stable/nn.html#utilities
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import ops
from ..arguments import number
from ..capture import live
from ..engine import Tensor
from ..rows import BLOCK, blocks

Array = np.ndarray[Any, Any]


@live
@np.errstate(all="ignore")
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients alike, so that their norm, as of one vector, is at most max_norm.

    norm_type: the p of the norm, positive, or inf. Returns the norm that they had; if that is
    infinite or NaN, error_if_nonfinite raises RuntimeError before anything changes.
    Pascanu, Mikolov, Bengio 2013, https://arxiv.org/abs/1211.5063
    """
    number("clip_grad_norm_", "max_norm", max_norm)
    number("clip_grad_norm_", "norm_type", norm_type)
    if not norm_type > 0:
        raise ValueError(f"clip_grad_norm_: norm_type must be positive, is {norm_type}")
    grads = _gradients("clip_grad_norm_", parameters)
    total = np.asarray(_norm([grad.data for grad in grads if grad.numel()], norm_type))
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {total.item()}")
    scale = np.asarray(np.minimum(max_norm / (total + 1e-6), 1))
    if scale != 1:
        for grad in grads:
            # A new array: a graph may hold the old one.
            grad.data = np.asarray(grad.data * scale, grad.data.dtype)
    return Tensor(total)


@live
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clamp every element of the gradients to [-clip_value, clip_value]."""
    number("clip_grad_value_", "clip_value", clip_value)
    for grad in _gradients("clip_grad_value_", parameters):
        grad.data = ops.clamp(grad, -clip_value, clip_value).data


def _gradients(what: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    several = isinstance(parameters, Iterable) and not isinstance(parameters, Tensor)
    every: list[Any] = list(parameters) if several else [parameters]
    for each in every:
        if not isinstance(each, Tensor):
            found = type(each).__name__
            raise TypeError(f"{what}: expected parameters, as of model.parameters(), not {found}")
    return [parameter.grad for parameter in every if parameter.grad is not None]


def _norm(arrays: list[Array], p: float) -> Any:
    """The p-norm of all elements of arrays, as of one vector, in their dtype."""
    if not arrays:
        return np.float32(0)
    dtype = np.result_type(*{array.dtype for array in arrays})
    if p == 2:
        short = [array for array in arrays if array.size < BLOCK]
        long = [array.reshape(-1) for array in arrays if array.size >= BLOCK]
        # In blocks: over a whole vector, BLAS adds small squares to a sum that is already large.
        squares = [
            float(vector[block] @ vector[block])
            for vector in (*([np.concatenate(short, axis=None)] if short else ()), *long)
            for block in blocks(vector.size)
        ]
        return dtype.type(math.sqrt(math.fsum(squares)))
    sizes = [np.abs(array) for array in arrays]
    if p == math.inf:
        return np.max([size.max() for size in sizes])
    return np.sum([(size**p).sum() for size in sizes]) ** (1 / p)
