"""Gradients kept within bounds, in place, between backward() and step().

https://docs.pytorch.org/docs/stable/nn.html#utilities
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from .. import ops
from ..engine import Tensor


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
    norms = [_norm(grad, norm_type) for grad in grads if grad.numel()]
    total = _norm(ops.stack(norms), norm_type) if norms else ops.zeros(())
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {total.item()}")
    scale = ops.div(ops.full_like(total, max_norm), ops.add(total, 1e-6))
    scale = ops.clamp(scale, max=1.0)
    for grad in grads:
        grad.data = ops.mul(grad, scale).data
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Bring every element of the gradients into [-clip_value, clip_value]."""
    for grad in _gradients(parameters):
        grad.data = ops.clamp(grad, -clip_value, clip_value).data


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    every = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [parameter.grad for parameter in every if parameter.grad is not None]


def _norm(x: Tensor, p: float) -> Tensor:
    """The p-norm of all elements, as of one vector."""
    if p == 2:
        return ops.sqrt(ops.sum(ops.square(x)))
    size = ops.abs(x)
    return ops.amax(size) if p == math.inf else ops.pow(ops.sum(ops.pow(size, p)), 1 / p)
