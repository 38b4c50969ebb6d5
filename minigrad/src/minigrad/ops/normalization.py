"""Normalization: of rows, of groups of channels, or of channels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arguments import Shape, flag, floats, number, sizes, whole
from ..engine import Operand, Output, Tensor, constants, op
from ..rows import blocks, mean_in_rows, rows_apart, sum_in_rows, sum_of_rows


@op
def layer_norm(
    x: Operand,
    normalized_shape: Shape,
    weight: Operand | None = None,
    bias: Operand | None = None,
    eps: float = 1e-05,
) -> Output:
    """(x - mean) / sqrt(variance + eps) · weight + bias over the trailing normalized_shape.

    Ba, Kiros, Hinton 2016, https://arxiv.org/abs/1607.06450
    """
    eps = number("layer_norm", "eps", eps)
    shape = _trailing("layer_norm", x, normalized_shape, weight, bias)
    n = math.prod(shape)
    rows = x.reshape(math.prod(x.shape[: -len(shape)]), n)
    scale = np.ones(n, x.dtype) if weight is None else weight.reshape(n)
    shift = None if bias is None else bias.reshape(n)
    y, mean, rstd = np.empty_like(rows), np.empty(len(rows), x.dtype), np.empty(len(rows), x.dtype)
    for block in blocks(*rows.shape):
        out, inverse = y[block], rstd[block]
        average = mean_in_rows(rows[block], mean[block])
        np.subtract(rows[block], average[:, None], out=out)
        np.vecdot(out, out, out=inverse)
        inverse += n * eps  # 1 / √(variance + eps), from n times both
        np.divide(math.sqrt(n), np.sqrt(inverse, out=inverse), out=inverse)
        out *= inverse[:, None]
        out *= scale
        if shift is not None:
            out += shift

    # With normal = (x - mean) · rstd, where both depend on x, too, and dnormal = dout · weight:
    # dx = rstd · (dnormal - mean of dnormal - normal · mean of dnormal · normal), row by row.
    def pullback(dout):
        douts, dx, share = dout.reshape(rows.shape), np.empty_like(rows), scale / n
        dweight: Any = None
        dbias: Any = None
        for block in blocks(*rows.shape):
            part, inverse, out = douts[block], rstd[block], dx[block]
            centred = rows[block] - mean[block, None]  # recomputed: not worth keeping
            product = part * centred
            own_weight, own_bias = inverse.dot(product), sum_of_rows(part)
            if dweight is None:
                dweight, dbias = own_weight, own_bias
            else:
                dweight += own_weight
                dbias += own_bias
            stretch = product.dot(share)
            stretch *= inverse
            stretch *= inverse
            centred *= stretch[:, None]
            np.multiply(part, scale, out=out)
            out -= centred
            out -= part.dot(share)[:, None]
            out *= inverse[:, None]
        return dx.reshape(x.shape), None, dweight.reshape(shape), dbias.reshape(shape)

    return y.reshape(x.shape), pullback


@op
def rms_norm(
    x: Operand, normalized_shape: Shape, weight: Operand | None = None, eps: float | None = None
) -> Output:
    """x / sqrt(mean of squares + eps) · weight over the trailing normalized_shape.

    eps None: the epsilon of x's dtype. Zhang, Sennrich 2019, https://arxiv.org/abs/1910.07467
    """
    along = tuple(range(-len(_trailing("rms_norm", x, normalized_shape, weight)), 0))
    eps = number("rms_norm", "eps", np.finfo(x.dtype).eps if eps is None else eps)
    scale = 1 / np.sqrt(_mean(x * x, along) + x.dtype.type(eps))
    normal = x * scale

    def dx(dout):  # as in layer_norm, where no mean was taken away
        dnormal = dout if weight is None else dout * weight
        return scale * (dnormal - normal * _mean(dnormal * normal, along))

    y = normal if weight is None else normal * weight
    return y, (dx, None, lambda dout: dout * normal)


@op
def group_norm(
    x: Operand,
    num_groups: int,
    weight: Operand | None = None,
    bias: Operand | None = None,
    eps: float = 1e-05,
) -> Output:
    """(x - mean) / sqrt(variance + eps) · weight + bias over each of num_groups groups of channels.

    x (N, C, ...), weight and bias (C). Wu, He 2018, https://arxiv.org/abs/1803.08494
    """
    floats("group_norm", x, weight, bias)
    eps = number("group_norm", "eps", eps)
    num_groups = whole("group_norm", "num_groups", num_groups, least=1)
    weight, bias = _per_channel("group_norm", x, weight), _per_channel("group_norm", x, bias)
    if x.shape[1] % num_groups:
        raise ValueError(f"group_norm: {num_groups} groups of {x.shape[1]} channels")
    if x.size == num_groups:
        raise ValueError(f"group_norm: one number has no variance, in shape {x.shape}")
    n, channels, *rest = x.shape
    size = math.prod(rest)
    groups = x.reshape(n, num_groups, channels // num_groups, size)
    scale = (np.ones(channels, x.dtype) if weight is None else weight).reshape(groups.shape[1:3])
    y, count, parts = np.empty_like(groups), size * groups.shape[2], blocks(n, channels * size)
    # For each group of each sample: (N, groups, 1).
    mean = mean_in_rows(groups.reshape(n * num_groups, count)).reshape(n, num_groups, 1)
    rstd = np.empty_like(mean)
    with rows_apart(size):
        for block in parts:
            centred = np.subtract(groups[block], mean[block, ..., None], out=y[block])
            rows = centred.reshape(len(centred), num_groups, count)
            np.vecdot(rows, rows, out=rstd[block, :, 0])
        rstd /= count
        rstd += eps
        np.divide(1, np.sqrt(rstd, out=rstd), out=rstd)
        factor = (rstd * scale)[..., None]
        for block in parts:
            out = y[block]
            out *= factor[block]
            if bias is not None:
                out += bias.reshape(*groups.shape[1:3], 1)

    # As in layer_norm, with each mean over a group.
    def pullback(dout):
        douts, dx, product = dout.reshape(groups.shape), *map(np.empty_like, (groups, factor))
        spare = np.empty_like(groups[parts[0]])
        with rows_apart(size):
            for block in parts:
                centred = np.subtract(groups[block], mean[block, ..., None], out=dx[block])
                np.vecdot(douts[block], centred, out=product[block, ..., 0])
            # The sums over each channel, from which come those over a group: (N, groups, channels).
            total = sum_in_rows(dout.reshape(n * channels, size)).reshape(factor.shape[:3])
            product = rstd * product[..., 0]
            shift, stretch = (
                rstd * (scale * sums).sum(axis=-1, keepdims=True) / count
                for sums in (total, product)
            )
            stretch *= rstd
            for block in parts:
                rest = dx[block]
                rest *= stretch[block, ..., None]
                rest += shift[block, ..., None]
                part = np.multiply(douts[block], factor[block], out=spare[: len(rest)])
                np.subtract(part, rest, out=rest)
        dweight, dbias = (sums.sum(axis=0).reshape(channels) for sums in (product, total))
        return dx.reshape(x.shape), None, dweight, dbias

    return y.reshape(x.shape), pullback


@constants("running_mean", "running_var")
def batch_norm(
    x: Operand,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Operand | None = None,
    bias: Operand | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor:
    """(x - mean) / sqrt(variance + eps) · weight + bias of each channel.

    x (N, C, ...), all others (C). In training, mean and variance are those of x, and the running
    ones, tensors or None, move towards them by momentum, in place; the running variance is the
    unbiased one. Otherwise the running ones are used, which have no gradient.

    Ioffe, Szegedy 2015, https://arxiv.org/abs/1502.03167
    """
    flag("batch_norm", "training", training)
    for running in (running_mean, running_var):
        if running is not None and not isinstance(running, Tensor):
            raise TypeError("batch_norm: running statistics are tensors")
        if running is not None and training:  # a graph may hold the old array
            running.data = running.data.copy()
    return _batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)


@op
def _batch_norm(
    x: Operand,
    running_mean: Operand | None,
    running_var: Operand | None,
    weight: Operand | None,
    bias: Operand | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Output:
    name = "batch_norm"
    floats(name, x, running_mean, running_var, weight, bias)
    momentum, eps = number(name, "momentum", momentum), number(name, "eps", eps)
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"{name}: eps must not be negative, nor 0 in training, is {eps}")
    if (running_mean is None) != (running_var is None) or (running_mean is None and not training):
        raise ValueError(f"{name}: expected both running statistics, or in training none of them")
    weight, bias = _per_channel(name, x, weight), _per_channel(name, x, bias)
    mean, variance = _per_channel(name, x, running_mean), _per_channel(name, x, running_var)
    if training:
        along = (0, *range(2, x.ndim))
        count = math.prod(x.shape[i] for i in along)
        if count == 1:
            raise ValueError(f"{name}: one number has no variance, in shape {x.shape}")
        normal, dcentred, new_mean, new_variance = _standardized(x, along, eps)
        if running_mean is not None and count:
            unbiased = new_variance[0] * (count / (count - 1))
            mean[...] = (1 - momentum) * mean + momentum * new_mean[0]
            variance[...] = (1 - momentum) * variance + momentum * unbiased
    else:
        normal, dcentred = _normalized(x, mean, variance, eps)

    def dx(dout):
        return dcentred(dout if weight is None else dout * weight)

    return _weighted(normal, weight, bias), (
        dx,
        None,
        None,
        lambda dout: _sum_per_channel(dout * normal),
        lambda dout: _sum_per_channel(dout),
    )


def _standardized(x: Any, along: tuple[int, ...], eps: float) -> Any:
    """x brought to mean 0 and variance 1 over some axes; its pullback, mean and variance."""
    mean = _mean(x, along)
    centred = x - mean
    variance = _mean(centred * centred, along)
    rstd = 1 / np.sqrt(variance + x.dtype.type(eps))
    normal = centred * rstd

    def pullback(dout):  # as in layer_norm, over other axes
        return rstd * (dout - _mean(dout, along) - normal * _mean(dout * normal, along))

    return normal, pullback, mean, variance


def _normalized(x: Any, mean: Any, variance: Any, eps: float) -> Any:
    """x normalized by a mean and a variance that do not depend on it, and the pullback."""
    rstd = 1 / np.sqrt(variance + x.dtype.type(eps))
    return (x - mean) * rstd, lambda dout: dout * rstd


def _weighted(normal: Any, weight: Any, bias: Any) -> Any:
    y = normal if weight is None else normal * weight
    return y if bias is None else y + bias


def _mean(x: Any, along: tuple[int, ...]) -> Any:
    """The mean over axes, kept with length 1; NaN for no elements, without NumPy's warning."""
    return x.sum(axis=along, keepdims=True) / math.prod(x.shape[i] for i in along)


def _per_channel(name: str, x: Any, parameter: Any) -> Any:
    """A parameter (C) in the shape that broadcasts with x (N, C, ...)."""
    if x.ndim < 2:
        raise ValueError(f"{name}: expected at least 2 dims, not shape {x.shape}")
    if parameter is None:
        return None
    if parameter.shape != x.shape[1:2]:
        raise ValueError(f"{name}: a parameter of shape {parameter.shape} for shape {x.shape}")
    return parameter.reshape(-1, *(1,) * (x.ndim - 2))


def _sum_per_channel(grad: Any) -> Any:
    """(N, C, ...) -> (C)"""
    return grad.sum(axis=(0, *range(2, grad.ndim)))


def _trailing(name: str, x: Any, normalized_shape: Any, *parameters: Any) -> tuple[int, ...]:
    """normalized_shape as a tuple; x's last axes and all parameters must have that shape."""
    shape = sizes(name, normalized_shape)
    floats(name, x, *parameters)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ValueError(f"{name}: normalized_shape {shape} for a tensor of shape {x.shape}")
    for parameter in parameters:
        if parameter is not None and parameter.shape != shape:
            raise ValueError(f"{name}: a parameter of shape {parameter.shape}, expected {shape}")
    return shape
