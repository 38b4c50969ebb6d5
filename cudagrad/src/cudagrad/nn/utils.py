"""Gradients kept within bounds, in place, between backward() and step().

https://docs.pytorch.org/docs/stable/nn.html#utilities
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from .. import arrays, ops
from ..arguments import number
from ..arrays import PART, Array
from ..engine import Tensor
from ..flat import joined
from ..kernels import functions as f
from ..kernels import optimizer as kernels
from ..storage import BFLOAT16
from ..writes import overwritten

MOST_PARTS = 1024  # of an array: every block that shrinks it adds up the sums of all


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
    dtypes = {grad.dtype for grad in grads}
    if norm_type == 2 and len(dtypes) == 1 and not (error_if_nonfinite or BFLOAT16 in dtypes):
        return Tensor(_shrunk(grads, max_norm))
    norms = [_norm(Tensor(grad), norm_type) for grad in grads if grad.size]
    total = _norm(ops.stack(norms), norm_type) if norms else ops.zeros(())
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {total.item()}")
    scale = ops.div(ops.full_like(total, max_norm), ops.add(total, 1e-6))
    scale = ops.clamp(scale, max=1.0)
    for grad in grads:
        arrays.apply(f.mul, grad, arrays.cast(scale.data, grad.dtype), into=grad)
    overwritten(*grads)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clamp every element of the gradients to [-clip_value, clip_value]."""
    number("clip_grad_value_", "clip_value", clip_value)
    for grad in _gradients("clip_grad_value_", parameters):
        arrays.apply(f.clamp, grad, -clip_value, clip_value, into=grad)
        overwritten(grad)


def _gradients(what: str, parameters: Tensor | Iterable[Tensor]) -> list[Array]:
    several = isinstance(parameters, Iterable) and not isinstance(parameters, Tensor)
    every: list[Any] = list(parameters) if several else [parameters]
    for each in every:
        if not isinstance(each, Tensor):
            found = type(each).__name__
            raise TypeError(f"{what}: expected parameters, as of model.parameters(), not {found}")
    return joined([(each.grad.data, each.home) for each in every if each.grad is not None])


def _shrunk(grads: list[Array], max_norm: float) -> Array:
    """Arrays of one dtype brought to a 2-norm of max_norm at most, and the norm that they had.

    Two launches for each.
    """
    dtype = grads[0].dtype
    real, norm = dtype.type, arrays.zeros((), dtype)
    lengths = [max(PART, -(-grad.size // MOST_PARTS)) for grad in grads]
    parts = [-(-grad.size // length) for grad, length in zip(grads, lengths, strict=True)]
    sums = arrays.empty((sum(parts),), dtype)
    for i, grad in enumerate(grads):
        of_part = arrays.flat(grad), lengths[i], sum(parts[:i]), sums
        arrays.launch_rows(kernels.squares(real), parts[i], min(grad.size, lengths[i]), *of_part)
    for i, grad in enumerate(grads):
        args = sums, real(max_norm), lengths[i], arrays.flat(grad), arrays.flat(norm)
        arrays.launch_rows(kernels.shrink(real), parts[i], min(grad.size, lengths[i]), *args)
    overwritten(*grads)
    return norm


def _norm(x: Tensor, p: float) -> Tensor:
    """The p-norm of all elements, as of one vector."""
    if p == 2:
        return ops.sqrt(ops.sum(ops.square(x)))
    size = ops.abs(x)
    return ops.amax(size) if p == math.inf else ops.pow(ops.sum(ops.pow(size, p)), 1 / p)
