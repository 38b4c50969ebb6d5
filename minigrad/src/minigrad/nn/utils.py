"""Gradients kept within bounds, in place, between backward() and step().

https://docs.pytorch.org/docs/stable/nn.html#utilities
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import ops
from ..engine import Tensor
from ..rows import blocks


@np.errstate(all="ignore")
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients alike, so that their norm, as of one vector, is at most max_norm.

    norm_type: the p of the norm, positive, or inf. Returns the norm that they had, of which
    error_if_nonfinite makes a RuntimeError if it is infinite or NaN, before anything changes.
    Pascanu, Mikolov, Bengio 2013, https://arxiv.org/abs/1211.5063
    """
    if not norm_type > 0:
        raise ValueError(f"clip_grad_norm_: norm_type must be positive, is {norm_type}")
    grads = _gradients(parameters)
    norms = [_norm(grad.data, norm_type) for grad in grads if grad.numel()]
    total = np.asarray(_norm(np.array(norms), norm_type) if norms else np.float32(0))
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {total.item()}")
    scale = np.minimum(max_norm / (total + 1e-6), 1)
    if scale != 1:
        for grad in grads:
            grad.data *= scale.astype(grad.dtype)
    return Tensor(total)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Bring every element of the gradients into [-clip_value, clip_value]."""
    for grad in _gradients(parameters):
        grad.data = ops.clamp(grad, -clip_value, clip_value).data


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    every = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [parameter.grad for parameter in every if parameter.grad is not None]


def _norm(x: Any, p: float) -> Any:
    """The p-norm of all elements, as of one vector, in the dtype of x."""
    if p == 2:
        flat = x.reshape(-1)
        # A block at a time: over a long vector BLAS would add small squares to a large sum.
        squares = math.fsum(flat[block] @ flat[block] for block in blocks(flat.size))
        return x.dtype.type(math.sqrt(squares))
    size = np.abs(x)
    return size.max() if p == math.inf else (size**p).sum() ** (1 / p)
