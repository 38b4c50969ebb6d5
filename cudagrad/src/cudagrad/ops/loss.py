"""How wrong a prediction is, as one number."""

from __future__ import annotations

from typing import Any

from .. import arrays
from ..arguments import broadcast, floats, indices, integers, option
from ..arrays import BOOL, INT, apply
from ..dtypes import promote
from ..engine import Operand, Output, op
from ..kernels import functions as f
from ..kernels import softmax as kernels

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
    logits = arrays.around(x, min(1, x.ndim - 1))  # (N, C, d1 · …)
    n_batch, n_classes, n_inner = logits.shape
    places = (n_batch, n_inner)
    target = integers("cross_entropy", target, "target")
    counted = apply(f.differ, target, ignore_index, dtype=BOOL)
    classes = apply(f.keep, counted, target, dtype=INT)
    indices("cross_entropy", classes, n_classes, "target")

    tops, log_totals, losses = (arrays.empty(places, x.dtype) for _ in range(3))
    by_place = arrays.reshape(classes, places), arrays.reshape(counted, places)
    args = logits, *by_place, tops, log_totals
    kernel = kernels.cross_entropy(x.dtype.type)
    arrays.launch_rows(kernel, losses.size, n_classes, *args, losses)
    divisor = arrays.total(counted, range(counted.ndim), dtype=x.dtype)

    def pullback(dout):
        scale = apply(f.div, dout, divisor) if reduction == "mean" else dout
        scale = arrays.reshape(arrays.expand(scale, target.shape), places)
        dx = arrays.empty(logits.shape, x.dtype)
        arrays.launch(kernels.cross_entropy_dx(x.dtype.type), dx.size, *args, scale, dx)
        return arrays.reshape(dx, x.shape)

    return _reduced(arrays.reshape(losses, target.shape), reduction, divisor), pullback


@op
def mse_loss(x: Operand, target: Operand, reduction: str = "mean") -> Output:
    """Squared distance between x and target, which broadcast."""
    option("mse_loss", "reduction", reduction, REDUCTIONS)
    broadcast("mse_loss", x, target)
    x, target = promote(x, target)
    floats("mse_loss", x)
    distance = apply(f.sub, x, target)

    def dx(dout):
        share = 2 / max(1, distance.size) if reduction == "mean" else 2.0
        return apply(f.mul, dout, apply(f.mul, distance, share))

    squares = apply(f.square, distance)
    return _reduced(squares, reduction, distance.size), (dx, lambda dout: apply(f.neg, dx(dout)))


def _reduced(losses: Any, reduction: str, divisor: Any) -> Any:
    if reduction == "none":
        return losses
    total = arrays.total(losses, range(losses.ndim))
    return total if reduction == "sum" else apply(f.div, total, divisor)
