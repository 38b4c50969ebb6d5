"""How far a prediction is from its target, as one number to make small.

reduction: the "mean" of the losses, their "sum", or "none", which leaves them apart.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence

from .. import scalar
from ..arguments import (
    broadcast,
    broadcast_shapes,
    constants,
    flag,
    floating,
    ids,
    in_range,
    no_plain_floats,
    option,
    probability,
    refuse_bool,
    whole,
)
from ..engine import Value
from ..lists import Shape, Tensor, is_integer, nest, rows, stretch, unnest
from .activation import log_probabilities
from .elementwise import elementwise
from .reduction import mean, sum

_REDUCTIONS = ("mean", "sum", "none")


def cross_entropy(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Minus the log-probability that the logits x give to the target class.

    x (C,), (N, C) or (N, C, d1, …), target of integers (), (N,) or (N, d1, …), or of probabilities
    in x's shape; weight (C,) is how much each class counts. label_smoothing is the share of the
    target that is spread evenly over all classes. Targets equal to ignore_index have a loss of 0.
    The mean divides by the sum of the other targets' weights, and is nan if there are none; for
    probabilities, by the number of rows. Raises IndexError for another target outside [0, C).
    """
    op = "cross_entropy"
    option(op, "reduction", reduction, _REDUCTIONS)
    whole(op, "ignore_index", ignore_index)
    probability(op, "label_smoothing", label_smoothing)
    classes, shape, weights = _classes(op, x, weight)
    (targets, target_shape), x_shape = unnest(target, op), unnest(x, op)[1]
    if len(target_shape) != len(x_shape) or is_integer(targets):
        pick: Callable[[Sequence[Value], int], Value] = _log_probability
        if label_smoothing:  # which needs the score of every class
            classes, pick = [log_probabilities(row) for row in classes], operator.getitem
        losses, count = _picked(
            op, classes, pick, shape, target, weights, ignore_index, label_smoothing
        )
        return _class_mean(losses, count, shape, reduction)
    if target_shape != x_shape:
        raise ValueError(f"{op}: logits {x_shape} and probabilities {target_shape} differ")
    if ignore_index >= 0:
        raise ValueError(f"{op}: ignore_index is for class indices, not for probabilities")
    losses = []
    for row, shares in zip(classes, _classes(op, target, None)[0], strict=True):
        if weight is not None or label_smoothing:
            even = label_smoothing / len(row)
            shares = [
                (share * (1.0 - label_smoothing) + even) * factor
                for share, factor in zip(shares, weights, strict=True)
            ]
        losses.append(-scalar.dot(log_probabilities(row), shares))
    return _class_mean(losses, len(classes), shape, reduction)


def nll_loss(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-probability that x has for the target class; otherwise as cross_entropy."""
    option("nll_loss", "reduction", reduction, _REDUCTIONS)
    whole("nll_loss", "ignore_index", ignore_index)
    classes, shape, weights = _classes("nll_loss", x, weight)
    losses, count = _picked(
        "nll_loss", classes, operator.getitem, shape, target, weights, ignore_index
    )
    return _class_mean(losses, count, shape, reduction)


def mse_loss(x: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The squared difference of x and target, which broadcast."""
    option("mse_loss", "reduction", reduction, _REDUCTIONS)
    no_plain_floats("mse_loss", x, target)
    items = [*unnest(x, "mse_loss")[0], *unnest(target, "mse_loss")[0]]
    if items and is_integer(items):
        raise TypeError("mse_loss: expected floats, not integers")

    def squared(item: Value, wanted: Value) -> Value:
        distance = item - wanted
        return distance * distance

    return _reduced(elementwise("mse_loss", squared, x, target), reduction)


def l1_loss(x: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The absolute difference of x and target, which broadcast; TypeError for a mean of ints."""
    option("l1_loss", "reduction", reduction, _REDUCTIONS)
    no_plain_floats("l1_loss", x, target)
    refuse_bool("l1_loss", x, target)
    distances = elementwise(
        "l1_loss",
        lambda item, wanted: scalar.abs(item - wanted),
        x,
        target,
        integers=lambda item, wanted: operator.abs(item - wanted),
    )
    if reduction == "mean":
        floating("l1_loss", distances)
    return _reduced(distances, reduction)


def binary_cross_entropy(
    x: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Minus the log-probability that the probabilities x give to target.

    target has x's shape and is between 0, false, and 1, true. weight broadcasts to x. A logarithm
    is at least -100. Raises ValueError for numbers outside [0, 1].
    """
    op = "binary_cross_entropy"
    items, targets, shape = _pairs(op, x, target, reduction)
    for item in [*items, *targets]:
        if not 0.0 <= item.data <= 1.0:
            raise ValueError(f"{op}: x and target must be between 0 and 1, not {item.data}")
    losses = list(map(scalar.binary_cross_entropy, items, targets))
    return _reduced(nest(_weighted(op, losses, weight, shape), shape), reduction)


def binary_cross_entropy_with_logits(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """binary_cross_entropy of sigmoid(x), which does not overflow where that would.

    pos_weight, the weight of the true part of target, broadcasts to x as weight does.
    """
    op = "binary_cross_entropy_with_logits"
    items, targets, shape = _pairs(op, x, target, reduction)
    losses = []
    for item, truth, positive in zip(
        items, targets, _stretched(op, "pos_weight", pos_weight, shape), strict=True
    ):
        surprise = scalar.softplus(-item)  # minus the logarithm of sigmoid(item)
        if pos_weight is not None:
            surprise = surprise * (truth * (positive - 1.0) + 1.0)
        losses.append((1.0 - truth) * item + surprise)
    return _reduced(nest(_weighted(op, losses, weight, shape), shape), reduction)


def kl_div(
    x: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """target · (log(target) - x), for log-probabilities x: they broadcast.

    log_target: target holds logarithms, too. reduction "batchmean" is the sum, divided by the
    length of x's first dim.

    Kullback, Leibler 1951, https://doi.org/10.1214/aoms/1177729694
    """
    flag("kl_div", "log_target", log_target)
    option("kl_div", "reduction", reduction, (*_REDUCTIONS, "batchmean"))
    flat = floating("kl_div", x), floating("kl_div", target)
    (items, targets), shape = broadcast("kl_div", *flat)
    if log_target:
        losses = [scalar.exp(log) * (log - item) for item, log in zip(items, targets, strict=True)]
    else:
        losses = [scalar.xlogx(p) - p * item for item, p in zip(items, targets, strict=True)]
    if reduction == "batchmean":
        return sum(nest(losses, shape)) / (*unnest(x, "kl_div")[1], 1)[0]
    return _reduced(nest(losses, shape), reduction)


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return losses
    return mean(losses) if reduction == "mean" else sum(losses)


def _classes(
    op: str, x: Tensor, weight: Tensor | None
) -> tuple[list[list[Value]], Shape, list[float]]:
    """x in rows of one number per class, the shape of all other dims, and each class's weight."""
    items, shape = floating(op, x)
    if not shape:
        raise ValueError(f"{op}: expected at least 1 dim, not shape {shape}")
    along = min(1, len(shape) - 1)
    others = shape[:along] + shape[along + 1 :]
    if weight is None:
        return rows(items, shape, [along]), others, [1.0] * shape[along]
    weights, own = constants(op, "weight", weight)
    if own != shape[along : along + 1]:
        raise ValueError(f"{op}: weight of shape {own} for {shape[along]} classes")
    return rows(items, shape, [along]), others, weights


def _picked(
    op: str,
    classes: Sequence[Sequence[Value]],
    pick: Callable[[Sequence[Value], int], Value],
    shape: Shape,
    target: Tensor,
    weights: Sequence[float],
    ignore_index: int,
    smoothing: float = 0.0,
) -> tuple[list[Value], float]:
    """Minus the weighted score that pick finds for each target's class; the sum of the weights."""
    targets, target_shape = ids(op, "target", target)
    if target_shape != shape:
        raise ValueError(f"{op}: target of shape {target_shape}, not {shape}")
    factors = list(map(Value, weights))
    losses, count = [], 0.0
    for row, wanted in zip(classes, targets, strict=True):
        if wanted == ignore_index:
            losses.append(scalar.where(False, row[0], Value(0.0)))
            continue
        index = in_range(op, "target", wanted, len(row))
        count += weights[index]
        loss = pick(row, index) * -weights[index]
        if smoothing:
            every = scalar.dot(row, factors)
            loss = loss * (1.0 - smoothing) - every * (smoothing / len(row))
        losses.append(loss)
    return losses, count


def _log_probability(row: Sequence[Value], index: int) -> Value:
    """log_probabilities(row)[index], without the others."""
    return -scalar.logsumexp(row, less=row[index])


def _class_mean(losses: Sequence[Value], count: float, shape: Shape, reduction: str) -> Tensor:
    if reduction == "mean":
        # Without any weight it is nan, even if smoothing has left something to sum.
        return scalar.total(losses) / (count or math.nan)
    return _reduced(nest(losses, shape), reduction)


def _pairs(
    op: str, x: Tensor, target: Tensor, reduction: str
) -> tuple[list[Value], list[Value], Shape]:
    """x and target, which must have the same shape."""
    option(op, "reduction", reduction, _REDUCTIONS)
    items, shape = floating(op, x)
    targets, target_shape = floating(op, target)
    if target_shape != shape:
        raise ValueError(f"{op}: shapes {shape} and {target_shape} differ")
    return items, targets, shape


def _stretched(op: str, name: str, weight: Tensor | None, shape: Shape) -> list[float]:
    """A weight for each element; 1 for None."""
    if weight is None:
        return stretch([1.0], (), shape)
    weights, own = constants(op, name, weight)
    if broadcast_shapes(op, own, shape) != shape:
        raise ValueError(f"{op}: {name} of shape {own} for shape {shape}")
    return stretch(weights, own, shape)


def _weighted(op: str, losses: list[Value], weight: Tensor | None, shape: Shape) -> list[Value]:
    if weight is None:
        return losses
    weights = _stretched(op, "weight", weight, shape)
    return [loss * factor for loss, factor in zip(losses, weights, strict=True)]
