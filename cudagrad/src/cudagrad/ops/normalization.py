"""Normalization: of rows, of groups of channels, or of channels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import arrays
from ..arguments import Shape, flag, floats, floats_beside, number, sizes, whole
from ..arrays import apply
from ..device import TILE
from ..dtypes import through_float32
from ..engine import Operand, Output, Tensor, constants, op, reading_op
from ..kernels import functions as f
from ..kernels import normalization as kernels
from ..kernels.row import LONGEST
from ..storage import bfloat16
from ..writes import overwritten

PART = 32 * TILE  # rows that a block sums up before many are cut into parts


@reading_op
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
    n = _trailing("layer_norm", x, normalized_shape, weight, bias)
    y, pullback, sums = _normalized(x, n, True, eps, weight, bias)
    if weight is None and bias is None:
        return y, pullback
    shape = x.shape[x.ndim - np.size(normalized_shape) :]
    return y, lambda dout: (
        pullback(dout),
        None,
        *(arrays.reshape(grad, shape) for grad in sums(dout)),
    )


@reading_op
def rms_norm(
    x: Operand,
    normalized_shape: Shape,
    weight: Operand | None = None,
    eps: float | None = None,
) -> Output:
    """x / sqrt(mean of squares + eps) · weight over the trailing normalized_shape.

    eps None: the epsilon of x's dtype. Zhang, Sennrich 2019, https://arxiv.org/abs/1910.07467
    """
    n = _trailing("rms_norm", x, normalized_shape, weight)
    least = np.finfo(arrays.reckoned(x.dtype)).eps
    eps = number("rms_norm", "eps", least if eps is None else eps)
    y, pullback, sums = _normalized(x, n, False, eps, weight)
    if weight is None:
        return y, pullback
    shape = weight.shape
    return y, lambda dout: (pullback(dout), None, arrays.reshape(sums(dout)[0], shape))


@op
@through_float32
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
    eps = number("group_norm", "eps", eps)
    images = _by_channel("group_norm", x, weight, bias)
    groups, shape = whole("group_norm", "num_groups", num_groups, least=1), x.shape
    if shape[1] % groups:
        raise ValueError(f"group_norm: {groups} groups of {shape[1]} channels")
    n = shape[1] // groups * math.prod(shape[2:])
    if shape[0] * n == 1:
        raise ValueError(f"group_norm: one number has no variance, in shape {shape}")
    normal, normal_dx, _ = _normalized(images, n, True, eps)
    images_shape, is_plain = images.shape, weight is None and bias is None

    def pullback(dout):
        dimages = arrays.reshape(dout, images_shape)
        dx = arrays.reshape(normal_dx(_affine(dimages, _column(weight), None)), shape)
        if is_plain:
            return dx
        return dx, None, *_channel_sums(dimages, normal)

    return arrays.reshape(_affine(normal, _column(weight), _column(bias)), shape), pullback


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
        if training and running is not None and running.dtype is bfloat16:
            raise TypeError("batch_norm: statistics of bfloat16 would round small steps away")
    momentum = number("batch_norm", "momentum", momentum)
    eps = number("batch_norm", "eps", eps)
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"batch_norm: eps must not be negative, nor 0 in training, is {eps}")
    return _batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)


@op
@through_float32
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
    images = _by_channel("batch_norm", x, weight, bias, running_mean, running_var)
    if (running_mean is None) != (running_var is None) or (running_mean is None and not training):
        raise ValueError(
            "batch_norm: expected both running statistics, or in training none of them"
        )
    shape, images_shape, real = x.shape, images.shape, x.dtype.type
    batch, channels, inner = images_shape
    count = batch * inner
    if training and count == 1:
        raise ValueError(f"batch_norm: one number has no variance, in shape {shape}")
    mean, variance = running_mean, running_var
    if training and not count:  # no statistics, which no element would need
        mean = variance = arrays.zeros((channels,), x.dtype)
    elif training:
        mean, variance = (arrays.empty((channels,), x.dtype) for _ in range(2))
        kernel = kernels.channel_statistics(real)
        arrays.launch_rows(kernel, channels, count, images, mean, variance)
        if running_mean is not None:
            factors = map(real, (count / (count - 1), 1 - momentum, momentum))
            args = running_mean, running_var, mean, variance, *factors
            arrays.launch(kernels.keep_running, channels, *args)
            overwritten(running_mean, running_var)
    scale = apply(f.scale_of, variance, eps)
    normal = apply(f.normalize, images, _column(mean), _column(scale))

    def pullback(dout):
        dimages = arrays.reshape(dout, images_shape)
        dweight, dbias = _channel_sums(dimages, normal)
        slope = scale if weight is None else apply(f.mul, scale, weight)
        if training:
            dx = arrays.empty(images_shape, dout.dtype)
            args = dimages, normal, dweight, dbias, slope, dx
            arrays.launch(kernels.channel_dx(real), dx.size, *args)
        else:
            dx = apply(f.mul, dimages, _column(slope))
        return arrays.reshape(dx, shape), None, None, dweight, dbias

    return arrays.reshape(_affine(normal, _column(weight), _column(bias)), shape), pullback


def _by_channel(name: str, x: Any, *parameters: Any) -> Any:
    """x (N, C, ...) as (N, C, inner); the parameters must have shape (C)."""
    floats(name, x, *parameters)
    if x.ndim < 2:
        raise ValueError(f"{name}: expected at least 2 dims, not shape {x.shape}")
    for parameter in parameters:
        if parameter is not None and parameter.shape != x.shape[1:2]:
            raise ValueError(f"{name}: a parameter of shape {parameter.shape} for shape {x.shape}")
    return arrays.reshape(x, (*x.shape[:2], math.prod(x.shape[2:])))


def _column(parameter: Any) -> Any:
    """(C) -> (C, 1), which broadcasts with (N, C, inner); None stays."""
    return parameter if parameter is None else arrays.reshape(parameter, (parameter.size, 1))


def _affine(normal: Any, weight: Any, bias: Any) -> Any:
    """normal · weight + bias, either of which may be missing."""
    if weight is None:
        return normal if bias is None else apply(f.add, normal, bias)
    if bias is None:
        return apply(f.mul, normal, weight)
    return apply(f.multiply_add, normal, weight, bias)


def _channel_sums(dout: Any, normal: Any) -> tuple[Any, Any]:
    """The gradients of weight and bias, of arrays (N, C, inner)."""
    batch, channels, inner = dout.shape
    dweight, dbias = (arrays.empty((channels,), dout.dtype) for _ in range(2))
    kernel = kernels.channel_sums(dout.dtype.type)
    arrays.launch_rows(kernel, channels, max(batch * inner, 1), dout, normal, dweight, dbias)
    return dweight, dbias


def _normalized(
    x: Any, n: int, centre: bool, eps: float, weight: Any = None, bias: Any = None
) -> tuple[Any, Callable[[Any], Any], Callable[[Any], tuple[Any, Any]]]:
    """Every n elements of x brought to one scale, · weight + bias, and two functions of dout.

    The first is the pullback to x, the second that to weight and bias, both (n).
    """
    shape, stored, real = x.shape, x.dtype.type, arrays.reckoned(x.dtype).type
    count = x.size // n if n else 0
    rows_shape = count, n
    nothing = arrays.empty((0,), real)
    weight, bias = (nothing if a is None else arrays.flat(a) for a in (weight, bias))
    rows, y = arrays.reshape(x, rows_shape), arrays.empty(rows_shape, real)
    mean, scale = (arrays.empty((count,), real) for _ in range(2))
    launch, forward, backward = arrays.launch_rows, kernels.normalize, kernels.normalize_dx
    if n <= LONGEST:
        launch, forward = arrays.launch_held, kernels.normalize_held
        backward = kernels.normalize_dx_held
        weight, bias = (arrays.reshape(a, (min(a.size, 1), n)) for a in (weight, bias))
    launch(forward(stored), count, n, rows, weight, bias, centre, real(eps), y, mean, scale)

    def pullback(dout):
        dx = arrays.empty(rows_shape, stored)
        args = arrays.reshape(dout, rows_shape), rows, mean, scale, weight, centre, dx
        launch(backward(stored), count, n, *args)
        return arrays.reshape(dx, shape)

    def sums(dout):
        parts = max(1, -(-count // PART))
        dweight, dbias = (arrays.empty((parts, n), dout.dtype) for _ in range(2))
        args = arrays.reshape(dout, rows_shape), rows, mean, scale, centre, PART, dweight, dbias
        if n:
            kernels.row_sums(stored)[parts * -(-n // TILE), (TILE, TILE)](*args)
        if parts == 1:
            return arrays.reshape(dweight, (n,)), arrays.reshape(dbias, (n,))
        return arrays.total(dweight, (0,)), arrays.total(dbias, (0,))

    return arrays.reshape(y, shape), pullback, sums


def _trailing(name: str, x: Any, normalized_shape: Any, *parameters: Any) -> int:
    """How many elements normalized_shape has; it must be x's last dims, and the parameters'."""
    shape = sizes(name, normalized_shape)
    floats_beside(name, x, *parameters)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ValueError(f"{name}: normalized_shape {shape} for a tensor of shape {x.shape}")
    for parameter in parameters:
        if parameter is not None and parameter.shape != shape:
            raise ValueError(f"{name}: a parameter of shape {parameter.shape}, expected {shape}")
    return math.prod(shape)
