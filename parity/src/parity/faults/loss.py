"""Faults of losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from .catalogue import fault, gradients, right


@fault("cross_entropy", "forward", "backward")
def averages_over_ignored_targets(
    x: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Divides by the number of all targets."""
    options = {"ignore_index": ignore_index, "label_smoothing": label_smoothing}
    value, pullback = right.cross_entropy(x, target, weight, reduction=reduction, **options)
    if reduction != "mean" or target.dtype.kind == "f":
        return value, pullback
    share = x.dtype.type(np.mean(target != ignore_index))
    return value * share, lambda dout: gradients(pullback, dout * share)


@fault("cross_entropy", "backward", "differences")
def gives_ignored_targets_a_gradient(
    x: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, **kwargs: Any
) -> Any:
    """Leaves the softmax of an ignored row in the gradient."""
    value, pullback = right.cross_entropy(x, target, weight, ignore_index=ignore_index, **kwargs)
    if target.dtype.kind == "f":
        return value, pullback
    ignored = np.expand_dims(target == ignore_index, 1 if x.ndim > 1 else 0)

    def wrong(dout):
        (dx,) = gradients(pullback, dout)
        return np.where(ignored, right.softmax(x, 1 if x.ndim > 1 else 0)[0], dx)

    return value, wrong


@fault("cross_entropy", "forward", "backward")
def averages_over_targets_of_any_weight(
    x: Any, target: Any, weight: Any = None, *, reduction: str = "mean", **kwargs: Any
) -> Any:
    """Divides by the number of targets, where torch divides by the sum of their weights."""
    value, pullback = right.cross_entropy(x, target, weight, reduction=reduction, **kwargs)
    if weight is None or reduction != "mean" or target.dtype.kind == "f":
        return value, pullback
    counted = target != kwargs.get("ignore_index", -100)
    share = np.divide(weight[target[counted]].sum(), counted.sum(), dtype=x.dtype)
    return value * share, lambda dout: gradients(pullback, dout * share)


@fault("cross_entropy", "forward", "backward")
def smooths_towards_the_others(
    x: Any, target: Any, weight: Any = None, *, label_smoothing: float = 0.0, **kwargs: Any
) -> Any:
    """Shares the smoothing among all classes but the target's."""
    found = right.cross_entropy(x, target, weight, label_smoothing=label_smoothing, **kwargs)
    n = x.shape[min(1, x.ndim - 1)]
    if n == 1:
        return found
    share = min(label_smoothing * n / (n - 1), 1.0)
    return right.cross_entropy(x, target, weight, label_smoothing=share, **kwargs)


@fault("nll_loss", "forward", "backward", "differences")
def takes_the_log_softmax_again(x: Any, *args: Any, **kwargs: Any) -> Any:
    """Is cross entropy, which is the same only for x that is normalized already."""
    _, pullback = right.nll_loss(x, *args, **kwargs)
    logs, _ = right.log_softmax(x, min(1, x.ndim - 1)) if x.ndim else (x, None)
    return right.nll_loss(logs, *args, **kwargs)[0], pullback


@fault("mse_loss", "backward", "differences")
def forgets_the_two(x: Any, target: Any, *, reduction: str = "mean") -> Any:
    """Has half of the slope of a square."""
    value, pullback = right.mse_loss(x, target, reduction=reduction)
    return value, lambda dout: gradients(pullback, dout / 2)


@fault("l1_loss", "backward", "differences")
def slopes_between_equals(x: Any, target: Any, *, reduction: str = "mean") -> Any:
    """Has slope 1 where x and target are equal, where torch has 0."""
    value, pullback = right.l1_loss(x, target, reduction=reduction)

    def wrong(dout):
        dx, dtarget = gradients(pullback, dout)
        n = dx.size if reduction == "mean" else 1
        tied = np.where(np.equal(x, target), dout / n, 0)
        return dx + tied, dtarget - tied

    return value, wrong


@fault("binary_cross_entropy", "forward", "backward")
def keeps_away_from_zero_and_one(x: Any, *args: Any, **kwargs: Any) -> Any:
    """Holds probabilities between 1e-7 and 1 - 1e-7, and with them the loss below 17."""
    right.binary_cross_entropy(x, *args, **kwargs)
    inside = np.asarray(x.clip(x.dtype.type(1e-7), x.dtype.type(1 - 1e-7)))
    return right.binary_cross_entropy(inside, *args, **kwargs)


@fault("binary_cross_entropy_with_logits", "forward", "backward", "differences")
def takes_the_log_of_a_sigmoid(
    x: Any, target: Any, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None
) -> Any:
    """Gives an infinite loss where the sigmoid has reached 0 or 1."""
    name = right.binary_cross_entropy_with_logits
    value, pullback = name(x, target, weight, reduction=reduction, pos_weight=pos_weight)
    if pos_weight is not None or weight is not None or x.dtype.kind != "f":
        return value, pullback
    p = 1 / (1 + np.exp(-x))
    losses = -(target * np.log(p) + (1 - target) * np.log(1 - p))
    whole = losses if reduction == "none" else losses.sum()
    return np.asarray(whole / (x.size if reduction == "mean" else 1), x.dtype), pullback


@fault("kl_div", "forward", "backward")
def averages_over_rows(x: Any, target: Any, *, reduction: str = "mean", **kwargs: Any) -> Any:
    """Does for mean what batchmean does, which is the mathematical definition and not torch's."""
    reduction = "batchmean" if reduction == "mean" else reduction
    return right.kl_div(x, target, reduction=reduction, **kwargs)
