"""How far a prediction is from its target, as one number to make small."""

from __future__ import annotations

from collections.abc import Sequence

from .. import scalar
from ..arguments import broadcast, floating, ids, in_range, option
from ..engine import Value
from ..lists import Shape, Tensor, nest, operands, rows
from .activation import log_probabilities

_REDUCTIONS = ("mean", "sum", "none")


def cross_entropy(
    x: Tensor, target: Tensor, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Minus the log-probability that the logits x give to the class target.

    x (C,), (N, C) or (N, C, d1, …), target of integers (), (N,) or (N, d1, …). Targets equal to
    ignore_index lose nothing and do not count in the mean, which is nan if there are no others.
    Raises IndexError for another target outside [0, C).
    """
    option("cross_entropy", "reduction", reduction, _REDUCTIONS)
    items, shape = floating("cross_entropy", x)
    targets, target_shape = ids("cross_entropy", "target", target)
    classes = min(1, len(shape) - 1)
    if not shape or target_shape != shape[:classes] + shape[classes + 1 :]:
        raise ValueError(f"cross_entropy: shapes {shape} and {target_shape} do not fit")
    losses = []
    for row, wanted in zip(rows(items, shape, [classes]), targets, strict=True):
        counts = wanted != ignore_index
        index = in_range("cross_entropy", "target", wanted, len(row)) if counts else 0
        losses.append(scalar.where(counts, -log_probabilities(row)[index], Value(0.0)))
    count = sum(wanted != ignore_index for wanted in targets)
    return _reduced(losses, target_shape, reduction, count)


def mse_loss(x: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The squared difference of x and target, which broadcast."""
    option("mse_loss", "reduction", reduction, _REDUCTIONS)
    flat, integers = operands(x, target)
    if integers and flat[0][0]:
        raise TypeError("mse_loss: expected floats, not integers")
    (xs, targets), shape = broadcast("mse_loss", *flat)
    distances = list(map(scalar.sub, xs, targets))
    squares = list(map(scalar.mul, distances, distances))
    return _reduced(squares, shape, reduction, len(squares))


def _reduced(losses: Sequence[Value], shape: Shape, reduction: str, count: int) -> Tensor:
    if reduction == "none":
        return nest(losses, shape)
    total = scalar.total(losses)
    return total / count if reduction == "mean" else total
