"""How wrong a prediction is, as one number.

reduction: the "mean" of the losses, their "sum", or "none", which leaves them apart.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arguments import (
    broadcast,
    flag,
    floats,
    indices,
    option,
    probability,
    refuse_bool,
    same,
    tensors,
    whole,
)
from ..dtypes import is_floating, promote
from ..engine import Operand, Output, constants, op
from .activation import logistic
from .elementwise import signs

REDUCTIONS = ("mean", "sum", "none")
LEAST_DIVISOR = np.float32(1e-12)  # torch has this number in float32 for every dtype


@constants("weight")
@op
def cross_entropy(
    x: Operand,
    target: Operand,
    weight: Operand | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Output:
    """-log softmax(x) at the target class, or averaged by the target's probabilities.

    x: logits (C), (N, C) or (N, C, d1, …). target: class indices (), (N) or (N, d1, …); or
    probabilities, floating, in the shape of x. Targets equal to ignore_index are left out of the
    sum and of the mean's divisor. weight (C): a factor for each class, which is part of the divisor
    too if the targets are indices; it has no gradient. label_smoothing: the share of every target
    that is spread evenly over all classes.
    """
    name = "cross_entropy"
    option(name, "reduction", reduction, REDUCTIONS)
    label_smoothing = probability(name, "label_smoothing", label_smoothing)
    same(name, target)
    weights = _class_weights(name, x, weight)
    rows = _rows(x)  # (rows, C)
    below = rows - rows.max(axis=1, keepdims=True)
    logp = below - np.log(np.exp(below).sum(axis=1, keepdims=True))
    # The gradient of -logp[c] is softmax(x), less 1 at c; each c has its share in the loss.
    spread = np.zeros_like(weights)
    if label_smoothing:  # 0 times an infinite weight would be NaN
        spread += label_smoothing * weights / len(weights)

    if is_floating(target.dtype) and target.ndim == x.ndim:
        if target.shape != x.shape:
            raise ValueError(f"{name}: logits {x.shape} and probabilities {target.shape} differ")
        if whole(name, "ignore_index", ignore_index) >= 0:
            raise ValueError(f"{name}: ignore_index is for class indices, not for probabilities")
        floats(name, x, target)
        q = (1 - label_smoothing) * weights * _rows(target) + spread  # (rows, C)
        divisor = _divisor(len(rows), reduction, x.dtype)

        def dx(dout):
            scale = (dout / divisor).reshape(-1, 1)
            return _unrows(scale * (np.exp(logp) * q.sum(axis=1, keepdims=True) - q), x.shape)

        def dtarget(dout):
            scale = (dout / divisor).reshape(-1, 1)
            return _unrows(scale * (label_smoothing - 1) * weights * logp, x.shape)

        losses = -(q * logp).sum(axis=1).reshape(_without_classes(x.shape))
        return _reduced(losses, reduction, divisor), (dx, dtarget)

    counted, at = _targets(name, x, target, ignore_index)
    of_target = weights[at[1]]
    hard = (1 - label_smoothing) * of_target  # the weight of the target class itself
    divisor = _divisor(np.where(counted, of_target, 0).sum(), reduction, x.dtype)
    losses = np.where(counted, -hard * logp[at], 0).reshape(target.shape)
    value = _reduced(losses, reduction, divisor)
    if label_smoothing:  # divided apart, as in torch: for a total weight of 0 the mean is NaN
        losses = np.where(counted, -(logp @ spread), 0).reshape(target.shape)
        value = value + _reduced(losses, reduction, divisor)

    def pullback(dout):
        scale = (dout / divisor).reshape(-1, 1)
        drows = np.exp(logp) * (scale * (hard + spread.sum())[:, None])
        drows[at] -= scale[:, 0] * hard
        if label_smoothing:
            drows -= scale * spread
        drows[~counted] = 0  # set, not multiplied: the row of an ignored target may hold infinities
        return _unrows(drows, x.shape)

    return value, pullback


@constants("weight")
@op
def nll_loss(
    x: Operand,
    target: Operand,
    weight: Operand | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Output:
    """-x at the target class, where x are log-probabilities; see cross_entropy."""
    option("nll_loss", "reduction", reduction, REDUCTIONS)
    same("nll_loss", target)
    weights, rows = _class_weights("nll_loss", x, weight), _rows(x)
    counted, at = _targets("nll_loss", x, target, ignore_index)
    weights = np.where(counted, weights[at[1]], 0)
    losses = np.where(counted, -weights * rows[at], 0).reshape(target.shape)
    divisor = _divisor(weights.sum(), reduction, x.dtype)

    def pullback(dout):
        drows = np.zeros_like(rows)
        drows[at] = np.where(counted, (dout / divisor).reshape(-1) * -weights, 0)
        return _unrows(drows, x.shape)

    return _reduced(losses, reduction, divisor), pullback


@op
def mse_loss(x: Operand, target: Operand, *, reduction: str = "mean") -> Output:
    """Squared difference of x and target, which broadcast."""
    distance, divisor = _distance("mse_loss", x, target, reduction)

    def dx(dout):
        return dout * (2 / divisor * distance)

    return _reduced(distance * distance, reduction, divisor), (dx, lambda dout: -dx(dout))


@op
def l1_loss(x: Operand, target: Operand, *, reduction: str = "mean") -> Output:
    """Absolute difference of x and target, which broadcast; where they are equal the slope is 0.

    Integers stay integers, and so have no mean; booleans are refused.
    """
    refuse_bool("l1_loss", x, target)
    distance, divisor = _distance("l1_loss", x, target, reduction, whole=reduction != "mean")
    losses = np.abs(distance)
    if not is_floating(losses.dtype):
        return losses if reduction == "none" else losses.sum(dtype=np.int64), None

    def dx(dout):
        return dout / divisor * signs(distance)

    return _reduced(losses, reduction, divisor), (dx, lambda dout: -dx(dout))


@constants("weight")
@op
def binary_cross_entropy(
    x: Operand, target: Operand, weight: Operand | None = None, *, reduction: str = "mean"
) -> Output:
    """-log x where target is 1, -log (1 - x) where it is 0; in between, a weighted mean of both.

    x and target: probabilities, of one shape. weight: broadcasts with them, and has no gradient. As
    in torch, logarithms are at least -100, and denominators of slopes at least 1e-12.
    """
    name = "binary_cross_entropy"
    option(name, "reduction", reduction, REDUCTIONS)
    _require_one_shape(name, x, target, weight)
    weight = 1 if weight is None else weight
    for numbers in (x, target):
        if not np.all((numbers >= 0) & (numbers <= 1)):
            raise ValueError(f"{name}: a probability lies in [0, 1]")
    logx, log1mx = np.log(x), np.log1p(-x)
    losses = -weight * (target * np.maximum(logx, -100) + (1 - target) * np.maximum(log1mx, -100))
    divisor = _divisor(x.size, reduction, x.dtype)

    def dx(dout):
        # (1 - target) / (1 - x) - target / x, over one denominator
        return dout / divisor * weight * (x - target) / np.maximum(x * (1 - x), LEAST_DIVISOR)

    return _reduced(losses, reduction, divisor), (
        dx,
        lambda dout: dout / divisor * weight * (log1mx - logx),
    )


@constants("weight", "pos_weight")
@op
def binary_cross_entropy_with_logits(
    x: Operand,
    target: Operand,
    weight: Operand | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Operand | None = None,
) -> Output:
    """binary_cross_entropy of sigmoid(x), without the log of an exponential that underflowed.

    weight, pos_weight: broadcast with x, and have no gradient; pos_weight is a factor
    for the term of a target of 1.
    """
    name = "binary_cross_entropy_with_logits"
    option(name, "reduction", reduction, REDUCTIONS)
    _require_one_shape(name, x, target, weight, pos_weight)
    weight = 1 if weight is None else weight
    e = np.exp(-np.abs(x))
    positive = np.log1p(e) - np.minimum(x, 0)  # -log sigmoid(x), for a target of 1
    losses = (1 - target) * x + positive
    if pos_weight is not None:
        losses += (pos_weight - 1) * target * positive
    divisor = _divisor(x.size, reduction, x.dtype)

    def dx(dout):
        p = logistic(x)
        slope = p - target
        if pos_weight is not None:
            slope += (pos_weight - 1) * target * (p - 1)
        return dout / divisor * weight * slope

    def dtarget(dout):
        if pos_weight is None:
            return dout / divisor * weight * -x
        negative = np.log1p(e) + np.maximum(x, 0)  # -log sigmoid(-x), for a target of 0
        return dout / divisor * weight * (pos_weight * positive - negative)

    return _reduced(weight * losses, reduction, divisor), (dx, dtarget)


@op
def kl_div(
    x: Operand, target: Operand, *, reduction: str = "mean", log_target: bool = False
) -> Output:
    """target (log target - x), where x holds logarithms; with log_target, so does target.

    They broadcast. reduction: "batchmean" divides the sum by the length of x's first dim. A target
    of 0 adds 0 to the loss, but its slope is NaN.

    Kullback, Leibler 1951, https://doi.org/10.1214/aoms/1177729694
    """
    flag("kl_div", "log_target", log_target)
    option("kl_div", "reduction", reduction, ("mean", "batchmean", "sum", "none"))
    floats("kl_div", x)
    floats("kl_div", target)
    broadcast("kl_div", x, target)
    x, target = promote(x, target)
    if log_target:
        losses = np.exp(target) * (target - x)
    else:
        losses = np.where(target == 0, 0, target * np.log(target)) - target * x
    count = x.shape[0] if reduction == "batchmean" and x.ndim else 1
    divisor = _divisor(losses.size, reduction, x.dtype) * x.dtype.type(count)

    def dx(dout):
        share = np.broadcast_to(dout / divisor, losses.shape)
        return -share * (np.exp(target) if log_target else target)

    def dtarget(dout):
        if log_target:
            return dout / divisor * (np.exp(target) * (target - x + 1))
        return dout / divisor * np.where(target == 0, np.nan, np.log(target) - x + 1)

    return _reduced(losses, reduction, divisor), (dx, dtarget)


def _divisor(count: Any, reduction: str, dtype: Any) -> Any:
    return np.asarray(count if reduction == "mean" else 1, dtype)


def _reduced(losses: Any, reduction: str, divisor: Any) -> Any:
    return losses if reduction == "none" else np.divide(losses.sum(), divisor)


def _rows(x: Any) -> Any:
    """(N, C, d1, …) -> (N d1 …, C), and (C) -> (1, C)"""
    last = x if x.ndim < 3 else np.moveaxis(x, 1, -1)
    return last.reshape(math.prod(last.shape[:-1]), last.shape[-1])


def _unrows(rows: Any, shape: tuple[int, ...]) -> Any:
    """The inverse of _rows, for an array of that shape."""
    last = rows.reshape(*_without_classes(shape), rows.shape[1])
    return last if len(shape) < 3 else np.moveaxis(last, -1, 1)


def _class_dim(shape: tuple[int, ...]) -> int:
    return min(1, len(shape) - 1)


def _without_classes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(N, C, d1, …) -> (N, d1, …), and (C) -> ()"""
    return shape[:1] * (len(shape) > 1) + shape[2:]


def _class_weights(name: str, x: Any, weight: Any) -> Any:
    floats(name, x, weight)
    n_classes = x.shape[_class_dim(x.shape)] if x.ndim else 0
    if not n_classes:
        raise ValueError(f"{name}: there are no classes in shape {x.shape}")
    if weight is None:
        return np.ones(n_classes, x.dtype)
    if weight.shape != (n_classes,):
        raise ValueError(f"{name}: weight of shape {weight.shape} for {n_classes} classes")
    return weight


def _targets(name: str, x: Any, target: Any, ignore_index: int) -> Any:
    """Which targets count, and the index into the rows of x at each one's class; 0 if ignored."""
    if target.shape != _without_classes(x.shape):
        raise ValueError(f"{name}: logits {x.shape} and targets {target.shape} do not fit")
    ignore_index = whole(name, "ignore_index", ignore_index)
    flat = target.reshape(-1)
    counted = flat != ignore_index
    classes = flat * counted  # of a length that does not depend on how many count
    indices(name, classes, x.shape[_class_dim(x.shape)], "target")
    return counted, (np.arange(flat.size), classes)


def _distance(name: str, x: Any, target: Any, reduction: str, whole: bool = False) -> Any:
    """x - target, and the divisor of the loss. whole: allow integers."""
    option(name, "reduction", reduction, REDUCTIONS)
    tensors(name, x, target)
    shape = broadcast(name, x, target)
    if x.dtype != target.dtype:  # torch stretches them first, so that a 0-d one counts as others do
        x, target = np.broadcast_to(x, shape), np.broadcast_to(target, shape)
    x, target = promote(x, target)
    if not whole:
        floats(name, x)
    distance = x - target
    return distance, _divisor(distance.size, reduction, x.dtype)


def _require_one_shape(name: str, x: Any, target: Any, *weights: Any) -> None:
    """Raise ValueError unless x and target have one shape, to which the weights broadcast."""
    floats(name, x, target, *weights)
    given = [weight for weight in weights if weight is not None]
    if target.shape != x.shape or broadcast(name, x, *given) != x.shape:
        shapes = ", ".join(str(array.shape) for array in (x, target, *given))
        raise ValueError(f"{name}: shapes {shapes} do not fit")
