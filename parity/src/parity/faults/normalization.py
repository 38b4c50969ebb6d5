"""Faults of normalization."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad

from .catalogue import fault, gradients, right


@fault("layer_norm", "forward", "backward", "rejects")
def ignores_eps(
    x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-05
) -> Any:
    """Always takes the default eps."""
    return right.layer_norm(x, normalized_shape, weight, bias)


@fault("layer_norm", "backward", "differences")
def takes_the_mean_for_a_constant(
    x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-05
) -> Any:
    """Lets no gradient through the mean."""
    value, pullback = right.layer_norm(x, normalized_shape, weight, bias, eps)
    along = tuple(range(-len(normalized_shape), 0))
    rstd = 1 / np.sqrt(x.var(axis=along, keepdims=True) + x.dtype.type(eps))

    def wrong(dout):
        dx, *others = gradients(pullback, dout)
        shift = (dout if weight is None else dout * weight).mean(axis=along, keepdims=True)
        return dx + rstd * shift, *others

    return value, wrong


@fault("rms_norm", "forward", "backward", "differences")
def adds_eps_to_the_root(
    x: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Any:
    """Adds eps outside of the root: the same to seven digits, when eps is small."""
    _, pullback = right.rms_norm(x, normalized_shape, weight, eps)
    eps = np.finfo(x.dtype).eps if eps is None else eps
    along = tuple(range(-len(normalized_shape), 0))
    scale = np.sqrt((x * x).mean(axis=along, keepdims=True)) + x.dtype.type(eps)
    return x / scale if weight is None else x / scale * weight, pullback


@fault("group_norm", "forward", "backward")
def takes_every_other_channel(
    x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-05
) -> Any:
    """Makes a group of channels that are num_groups apart, in place of neighbours."""
    right.group_norm(x, num_groups, weight, bias, eps)
    mixed = np.arange(x.shape[1]).reshape(-1, num_groups).T.reshape(-1)
    back = np.argsort(mixed)
    parameters = [array if array is None else array[mixed] for array in (weight, bias)]
    value, pullback = right.group_norm(x[:, mixed], num_groups, *parameters, eps)

    def wrong(dout):
        dx, *others = gradients(pullback, dout[:, mixed])
        return dx[:, back], *(other if other is None else other[back] for other in others)

    return value[:, back], wrong


@fault("batch_norm", "forward", "backward", "differences")
def keeps_its_running_statistics(
    x: Any, running_mean: Any, running_var: Any, *args: Any, **kwargs: Any
) -> Any:
    """Never updates its running statistics."""
    running = (running_mean, running_var)
    kept = [None if each is None else each.clone() for each in running]
    return right.batch_norm(x, *kept, *args, **kwargs)


@fault("batch_norm", "forward", "backward", "differences")
def updates_with_the_biased_variance(
    x: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Any:
    """Updates running_var with the variance over n, where torch takes n - 1."""
    before = None if running_var is None else running_var.data
    found = right.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    if training and before is not None and x.data.size:
        n = x.data.size // x.shape[1]
        share = (1 - momentum) * before
        running_var.data = share + (running_var.data - share) * ((n - 1) / n)
    return found


@fault("batch_norm", "forward", "backward", "differences")
def normalizes_in_place(x: Any, *args: Any, **kwargs: Any) -> Any:
    """Writes the result over x."""
    found = right.batch_norm(x, *args, **kwargs)
    x.data[...] = found.data
    return found


@fault("batch_norm", "backward", "differences")
def takes_its_batch_for_a_constant(
    x: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Any:
    """In training, has the gradient that is right in evaluation."""
    found = right.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training or not x.data.size:
        return found
    along = (0, *range(2, x.ndim))
    batch = [minigrad.tensor(f(x.data, axis=along)) for f in (np.mean, np.var)]
    return right.batch_norm(x, *batch, weight, bias, False, momentum, eps)
