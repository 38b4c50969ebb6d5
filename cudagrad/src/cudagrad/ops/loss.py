"""How wrong a prediction is, as one number.

reduction: the "mean" of the losses, their "sum", or "none", which leaves them apart.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import arrays
from ..arguments import (
    broadcast,
    broadcast_shapes,
    flag,
    floats,
    floats_beside,
    indices,
    integers,
    option,
    probability,
    refuse_bool,
    tensors,
    whole,
)
from ..arrays import BOOL, INT, apply, reckoned
from ..dtypes import is_floating, promote, through_float32
from ..engine import Operand, Output, constants, op, reading_op
from ..kernels import functions as f
from ..kernels import softmax as kernels
from .activation import by_row

REDUCTIONS = ("mean", "sum", "none")


def _stretched(function: Callable[..., Output]) -> Callable[..., Output]:
    """Stretch x and target of two dtypes first, as torch does: so a 0-d one counts as others do."""

    @functools.wraps(function)
    def wrapper(x: Any, target: Any, *, reduction: str = "mean") -> Output:
        tensors(function.__name__, x, target)
        shape = broadcast(function.__name__, x, target)
        if x.dtype != target.dtype:
            x, target = arrays.expand(x, shape), arrays.expand(target, shape)
        return function(x, target, reduction=reduction)

    return wrapper


@constants("weight")
@reading_op
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
    floats_beside(name, x, weight)
    tensors(name, target)
    if x.ndim and target.ndim == x.ndim and is_floating(target.dtype):
        x = arrays.cast(x, reckoned(x.dtype))
        return _soft_cross_entropy(x, target, weight, ignore_index, reduction, label_smoothing)
    classes, counted, share = _classes(name, x, target, weight, ignore_index)
    shape, logits = x.shape, arrays.around(x, min(1, x.ndim - 1))  # (N, C, d1 · …)
    divisor = _divisor(share, reduction)
    if label_smoothing:
        logits = arrays.cast(logits, reckoned(x.dtype))
        losses, dlogits = _by_smoothed_classes(logits, classes, counted, weight, label_smoothing)
    else:
        losses, dlogits = _by_classes(logits, classes, counted, share)

    def pullback(dout):
        return arrays.reshape(dlogits(_part(dout, reduction, divisor)), shape)

    return _reduced(arrays.reshape(losses, target.shape), reduction, divisor), pullback


@constants("weight")
@op
@through_float32
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
    floats("nll_loss", x, weight)
    classes, counted, share = _classes("nll_loss", x, target, weight, ignore_index)
    shape, along = x.shape, min(1, x.ndim - 1)
    lines = (*shape[:along], 1, *shape[along + 1 :])
    divisor = _divisor(share, reduction)
    places = arrays.reshape(classes, lines)
    chosen = arrays.reshape(arrays.gather_along(x, places, along), classes.shape)

    def pullback(dout):
        part = _part(dout, reduction, divisor)
        dchosen = apply(f.charge, counted, part, share, dtype=dout.dtype)
        return arrays.put_along(arrays.reshape(dchosen, lines), places, shape, along)

    losses = apply(f.charge, counted, chosen, share, dtype=x.dtype)
    return _reduced(losses, reduction, divisor), pullback


@op
@_stretched
@through_float32
def mse_loss(x: Operand, target: Operand, *, reduction: str = "mean") -> Output:
    """Squared difference of x and target, which broadcast."""
    distance = _distance("mse_loss", x, target, reduction)
    value, part = _weighted_and_reduced(apply(f.square, distance), None, reduction)
    return value, (
        lambda dout: apply(f.square_dx, distance, part(dout)),
        lambda dout: apply(f.neg, apply(f.square_dx, distance, part(dout))),
    )


@op
@_stretched
@through_float32
def l1_loss(x: Operand, target: Operand, *, reduction: str = "mean") -> Output:
    """Absolute difference of x and target, which broadcast; where they are equal the slope is 0.

    Integers stay integers, and so have no mean; booleans are refused.
    """
    refuse_bool("l1_loss", x, target)
    distance = _distance("l1_loss", x, target, reduction, whole=reduction != "mean")
    losses = apply(f.magnitude, distance)
    if not is_floating(losses.dtype):
        return losses if reduction == "none" else arrays.total(
            losses, range(losses.ndim), dtype=INT
        ), None
    value, part = _weighted_and_reduced(losses, None, reduction)
    return value, (
        lambda dout: apply(f.magnitude_dx, distance, part(dout)),
        lambda dout: apply(f.neg, apply(f.magnitude_dx, distance, part(dout))),
    )


@constants("weight")
@op
@through_float32
def binary_cross_entropy(
    x: Operand, target: Operand, weight: Operand | None = None, *, reduction: str = "mean"
) -> Output:
    """-log x where target is 1, -log (1 - x) where it is 0; in between, a weighted mean of both.

    x and target: probabilities, of one shape. weight: broadcasts with them, and has no gradient. As
    in torch, logarithms are at least -100, and denominators of slopes at least 1e-12.
    """
    name = "binary_cross_entropy"
    _require_one_shape(name, x, target, reduction, weight)
    flags = apply(f.not_both_shares, x, target, dtype=BOOL)
    arrays.refuse(flags, lambda: ValueError(f"{name}: a probability lies in [0, 1]"))
    value, part = _weighted_and_reduced(apply(f.binary_cross_entropy, x, target), weight, reduction)
    return value, (
        lambda dout: apply(f.binary_cross_entropy_dx, x, target, part(dout)),
        lambda dout: apply(f.binary_cross_entropy_dtarget, x, part(dout)),
    )


@constants("weight", "pos_weight")
@op
@through_float32
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
    _require_one_shape(name, x, target, reduction, weight, pos_weight)
    if pos_weight is None:
        value, part = _weighted_and_reduced(apply(f.logit_loss, x, target), weight, reduction)
        return value, (
            lambda dout: apply(f.logit_loss_dx, x, target, part(dout)),
            lambda dout: apply(f.minus_product, x, part(dout)),
        )
    losses = apply(f.weighted_logit_loss, x, target, pos_weight)
    value, part = _weighted_and_reduced(losses, weight, reduction)
    return value, (
        lambda dout: apply(f.weighted_logit_loss_dx, x, target, pos_weight, part(dout)),
        lambda dout: apply(f.weighted_logit_loss_dtarget, x, pos_weight, part(dout)),
    )


@op
@through_float32
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
    of_logs = f.log_divergence, f.log_divergence_dx, f.log_divergence_dtarget
    of_shares = f.divergence, f.divergence_dx, f.divergence_dtarget
    loss, slope, target_slope = of_logs if log_target else of_shares
    losses = apply(loss, x, target)
    rows = x.shape[0] if x.ndim else 1
    divisor = rows if reduction == "batchmean" else losses.size
    value, part = _weighted_and_reduced(losses, None, reduction, divisor)
    return value, (
        lambda dout: apply(slope, x, target, part(dout)),
        lambda dout: apply(target_slope, x, target, part(dout)),
    )


def _soft_cross_entropy(
    x: Any, target: Any, weight: Any, ignore_index: int, reduction: str, smoothing: float
) -> Any:
    floats("cross_entropy", x, target)
    if target.shape != x.shape:
        raise ValueError(f"cross_entropy: logits {x.shape} and probabilities {target.shape} differ")
    if whole("cross_entropy", "ignore_index", ignore_index) >= 0:
        raise ValueError("cross_entropy: ignore_index is for class indices, not for probabilities")
    shape, along = x.shape, min(1, x.ndim - 1)
    _require_weights("cross_entropy", weight, shape[along])
    logits, shares = arrays.around(x, along), arrays.around(target, along)
    losses, dlogits, dshares = _by_shares(logits, shares, weight, smoothing)
    losses = arrays.reshape(losses, shape[:along] + shape[along + 1 :])
    value, part = _weighted_and_reduced(losses, None, reduction)
    return value, (
        lambda dout: arrays.reshape(dlogits(part(dout)), shape),
        lambda dout: arrays.reshape(dshares(part(dout)), shape),
    )


def _by_classes(logits: Any, classes: Any, counted: Any, share: Any) -> Any:
    """Cross-entropy of logits (N, C, inner) at their classes, and its pullback to the logits."""
    batch, n_classes, inner = logits.shape
    count, shape, stored = batch * inner, logits.shape, logits.dtype.type
    real = reckoned(logits.dtype)
    classes, counted, share = map(arrays.flat, (classes, counted, share))
    tops, log_totals, losses = (arrays.empty((count,), real) for _ in range(3))
    logits, of_rows = arrays.flat(logits), (classes, counted, tops, log_totals)
    forward_args = logits, n_classes, inner, *of_rows, share, losses
    arrays.launch_rows(kernels.cross_entropy(stored), count, n_classes, *forward_args)

    def dlogits(dlosses):
        scale = apply(f.mul, share, arrays.flat(dlosses) if dlosses.ndim else dlosses)
        dx = arrays.empty((logits.size,), stored)
        args = *of_rows, scale, dx
        if inner == 1:
            kernel = kernels.cross_entropy_dx_rows(stored)
            arrays.launch_rows(kernel, count, n_classes, logits, n_classes, *args)
        else:
            kernel = kernels.cross_entropy_dx(stored)
            arrays.launch(kernel, dx.size, logits, n_classes, inner, *args)
        return arrays.reshape(dx, shape)

    return losses, dlogits


def _by_smoothed_classes(
    logits: Any, classes: Any, counted: Any, weight: Any, smoothing: float
) -> Any:
    """The same where all classes have a share of every target: those are _by_shares then."""
    lines = (logits.shape[0], 1, logits.shape[2])
    ones = arrays.full(lines, 1, logits.dtype)
    chosen = arrays.put_along(ones, arrays.reshape(classes, lines), logits.shape, 1)
    losses, dlogits, _ = _by_shares(logits, chosen, weight, smoothing)
    counted = arrays.reshape(counted, losses.shape)

    def dlogits_of_counted(dlosses):
        dlosses = arrays.reshape(dlosses, counted.shape if dlosses.ndim else ())
        return dlogits(apply(f.keep, counted, dlosses, dtype=dlosses.dtype))

    return apply(f.keep, counted, losses, dtype=losses.dtype), dlogits_of_counted


def _by_shares(logits: Any, target: Any, weight: Any, smoothing: float) -> Any:
    """Cross-entropy of logits and a target in shares, both (N, C, inner), and its two pullbacks.

    They are given the gradient of the losses in any shape, or for all of them a single number.
    """
    n_batch, n_classes, n_inner = logits.shape
    own = arrays.constant(1 - smoothing, logits.dtype)  # what of its share a class keeps
    even = smoothing / max(1, n_classes)
    shares = apply(f.multiply_add, target, own, even) if smoothing else target
    if weight is not None:
        weight = arrays.reshape(weight, (n_classes, 1))
        shares, own = apply(f.mul, shares, weight), apply(f.mul, weight, own)
    logp = by_row(kernels.LOG_SOFTMAX, 1, logits)

    def lines(dlosses):
        return arrays.reshape(dlosses, (n_batch, 1, n_inner)) if dlosses.ndim else dlosses

    def dlogits(dlosses):
        dlogp = apply(f.minus_product, shares, lines(dlosses))
        return by_row(kernels.LOG_SOFTMAX_DX, 1, logp, dlogp)

    def dtarget(dlosses):
        return apply(f.mul, apply(f.minus_product, logp, lines(dlosses)), own)

    losses = arrays.total(apply(f.minus_product, shares, logp), (1,))
    return losses, dlogits, dtarget


def _classes(name: str, x: Any, target: Any, weight: Any, ignore_index: int) -> Any:
    """Checked target classes, 0 for those that do not count; which do; and each one's weight."""
    target = integers(name, target, "target")
    ignore_index = whole(name, "ignore_index", ignore_index)
    if not x.ndim or target.shape != x.shape[:1] * (x.ndim > 1) + x.shape[2:]:
        raise ValueError(f"{name}: logits {x.shape} and targets {target.shape} do not fit")
    n_classes = x.shape[min(1, x.ndim - 1)]
    _require_weights(name, weight, n_classes)
    counted = apply(f.differ, target, ignore_index, dtype=BOOL)
    classes = apply(f.keep, counted, target, dtype=INT)
    indices(name, classes, n_classes, "target")
    if weight is None:
        return classes, counted, arrays.cast(counted, reckoned(x.dtype))
    own = arrays.take(arrays.reshape(weight, (1, n_classes, 1)), arrays.flat(classes))
    own = arrays.reshape(own, classes.shape)
    return classes, counted, apply(f.keep, counted, own, dtype=own.dtype)


def _require_weights(name: str, weight: Any, n_classes: int) -> None:
    if weight is not None and weight.shape != (n_classes,):
        raise ValueError(f"{name}: weight of shape {weight.shape} for {n_classes} classes")


def _divisor(share: Any, reduction: str) -> Any:
    """What a mean divides by: how much all targets count together."""
    return arrays.total(share, range(share.ndim)) if reduction == "mean" else None


def _distance(name: str, x: Any, target: Any, reduction: str, whole: bool = False) -> Any:
    """x - target. whole: allow integers."""
    option(name, "reduction", reduction, REDUCTIONS)
    x, target = promote(x, target)
    if not whole:
        floats(name, x)
    return apply(f.sub, x, target)


def _require_one_shape(name: str, x: Any, target: Any, reduction: str, *weights: Any) -> None:
    """Raise ValueError unless x and target have one shape, to which the weights broadcast."""
    option(name, "reduction", reduction, REDUCTIONS)
    tensors(name, target)
    floats(name, x, target, *weights)
    if x.shape != target.shape:
        raise ValueError(f"{name}: shapes {x.shape} and {target.shape} differ")
    for weight in weights:
        if weight is not None and broadcast_shapes(name, x.shape, weight.shape) != x.shape:
            raise ValueError(f"{name}: weight of shape {weight.shape} for shape {x.shape}")


def _weighted_and_reduced(
    losses: Any, weight: Any, reduction: str, divisor: int | None = None
) -> tuple[Any, Callable[[Any], Any]]:
    """The losses, weighted and reduced, and a function from the gradient of that to their own.

    divisor: of a mean; without one, the number of losses.
    """
    divisor = losses.size if divisor is None else divisor

    def part(dout):
        dlosses = _part(dout, reduction, divisor)
        return dlosses if weight is None else apply(f.mul, dlosses, weight)

    losses = losses if weight is None else apply(f.mul, losses, weight)
    return _reduced(losses, reduction, divisor), part


def _reduced(losses: Any, reduction: str, divisor: Any) -> Any:
    if reduction == "none":
        return losses
    total = arrays.total(losses, range(losses.ndim))
    return total if reduction == "sum" else apply(f.mean, total, divisor)


def _part(dout: Any, reduction: str, divisor: Any) -> Any:
    """What of dout, the gradient of the reduced losses, each of them receives."""
    return dout if reduction in ("none", "sum") else apply(f.div, dout, divisor)
