"""How wrong a prediction is, as one number."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import broadcast, floats, indices, option
from ..dtypes import promote
from ..engine import Operand, Output, op

REDUCTIONS = ("mean", "sum", "none")


@op
def cross_entropy(
    x: Operand, target: Operand, *, ignore_index: int = -100, reduction: str = "mean"
) -> Output:
    """-log softmax(x) at the target class.

    x: logits (C), (N, C) or (N, C, d1, …); target: class indices (), (N) or (N, d1, …). Targets
    equal to ignore_index count for nothing: not in the sum, and not in the mean's divisor.
    """
    option("cross_entropy", "reduction", reduction, REDUCTIONS)
    floats("cross_entropy", x)
    if not x.ndim or target.shape != x.shape[:1] * (x.ndim > 1) + x.shape[2:]:
        raise ValueError(f"cross_entropy: logits {x.shape} and targets {target.shape} do not fit")
    classes_last = np.moveaxis(x, min(1, x.ndim - 1), -1)  # (N, d1, …, C)
    n_classes = classes_last.shape[-1]
    logits = classes_last.reshape(target.size, n_classes)
    flat = target.reshape(-1)
    counted = flat != ignore_index
    indices("cross_entropy", flat[counted], n_classes, "target")
    at = np.flatnonzero(counted), flat[counted]  # the logit of each target that counts

    below = logits - logits.max(axis=1, keepdims=True, initial=-np.inf)
    logp = below - np.log(np.exp(below).sum(axis=1, keepdims=True))
    losses = np.zeros(target.size, x.dtype)
    losses[at[0]] = -logp[at]
    divisor = x.dtype.type(counted.sum() if reduction == "mean" else 1)

    def pullback(dout):
        dlogits = np.exp(logp)
        dlogits[at] -= 1
        scale = (dout / divisor).reshape(-1, 1) if target.size else 1
        # Chosen, not multiplied: the row of an ignored target may hold infinities.
        dlogits = np.where(counted[:, None], dlogits * scale, np.zeros((), x.dtype))
        return np.moveaxis(dlogits.reshape(classes_last.shape), -1, min(1, x.ndim - 1))

    return _reduced(losses.reshape(target.shape), reduction, divisor), pullback


@op
def mse_loss(x: Operand, target: Operand, reduction: str = "mean") -> Output:
    """Squared distance between x and target, which broadcast."""
    option("mse_loss", "reduction", reduction, REDUCTIONS)
    broadcast("mse_loss", x, target)
    x, target = promote(x, target)
    floats("mse_loss", x)
    distance = x - target
    divisor = x.dtype.type(distance.size if reduction == "mean" else 1)

    def dx(dout):
        return dout * (2 / divisor * distance)

    return _reduced(distance * distance, reduction, divisor), (dx, lambda dout: -dx(dout))


def _reduced(losses: Any, reduction: str, divisor: Any) -> Any:
    return losses if reduction == "none" else np.divide(losses.sum(), divisor)
