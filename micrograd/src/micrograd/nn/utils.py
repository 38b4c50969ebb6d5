"""Gradients kept within bounds, in place, between backward() and step().

https://docs.pytorch.org/docs/stable/nn.html#utilities
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .. import floats
from ..arguments import number
from ..engine import Value
from ..lists import Tensor, unnest


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> float:
    """Scale all gradients alike, so that their norm, as of one vector, is at most max_norm.

    norm_type: the p of the norm, positive, or inf. Returns the norm that they had; if that is
    infinite or NaN, error_if_nonfinite raises RuntimeError before anything changes.
    Pascanu, Mikolov, Bengio 2013, https://arxiv.org/abs/1211.5063
    """
    number("clip_grad_norm_", "max_norm", max_norm)
    number("clip_grad_norm_", "norm_type", norm_type)
    if not norm_type > 0:
        raise ValueError(f"clip_grad_norm_: norm_type must be positive, is {norm_type}")
    values, grads = _gradients("clip_grad_norm_", parameters)
    total = _norm(grads, norm_type) if grads else 0.0
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {total}")
    scale = min(floats.divide(max_norm, total + 1e-6), 1.0)
    for value, grad in zip(values, grads, strict=True):
        value.grad = grad * scale
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clamp every element of the gradients to [-clip_value, clip_value]."""
    bound = number("clip_grad_value_", "clip_value", clip_value)
    for value, grad in zip(*_gradients("clip_grad_value_", parameters), strict=True):
        value.grad = floats.clamp(grad, -bound, bound)


def _gradients(what: str, parameters: Tensor | Iterable[Tensor]) -> tuple[list[Value], list[float]]:
    """The Values that have a gradient, and their gradients."""
    every = list(parameters) if isinstance(parameters, Iterable) else [parameters]
    for each in every:
        if not isinstance(each, (list, tuple, Value)):
            found = type(each).__name__
            raise TypeError(f"{what}: expected parameters, as of model.parameters(), not {found}")
    values = [value for parameter in every for value in unnest(parameter)[0]]
    pairs = [(value, value.grad) for value in values if value.grad is not None]
    return [value for value, _ in pairs], [grad for _, grad in pairs]


def _norm(numbers: Sequence[float], p: float) -> float:
    """The p-norm of numbers, as of one vector."""
    if p == 2:
        return floats.sqrt(sum(number * number for number in numbers))
    sizes = [abs(number) for number in numbers]
    if p == math.inf:
        return sizes[floats.argmax(sizes)]
    return floats.power(sum(floats.power(size, p) for size in sizes), 1 / p)
