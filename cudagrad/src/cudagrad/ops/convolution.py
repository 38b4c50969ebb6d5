"""Convolution, pooling and padding: windows that slide over a signal or an image."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import arrays, device, windows
from ..arguments import (
    Shape,
    fitting,
    flag,
    floats,
    margins,
    option,
    refuse_bool,
    same,
    sizes,
    tensors,
    whole,
    wholes,
)
from ..arrays import INT
from ..dtypes import is_floating, through_float32
from ..engine import Operand, Output, op
from ..kernels import functions as f
from ..kernels import window as kernels


@op
def conv1d(
    x: Operand,
    weight: Operand,
    bias: Operand | None = None,
    stride: Shape = 1,
    padding: Shape | str = 0,
    dilation: Shape = 1,
    groups: int = 1,
) -> Output:
    """Weighted sums of windows of a signal: (N, C, L) or (C, L) -> (N, O, L') or (O, L').

    Like conv2d, with weight (O, C / groups, K) and bias (O).
    """
    return _convolved("conv1d", x, weight, bias, stride, padding, dilation, groups, dims=1)


@op
def conv2d(
    x: Operand,
    weight: Operand,
    bias: Operand | None = None,
    stride: Shape = 1,
    padding: Shape | str = 0,
    dilation: Shape = 1,
    groups: int = 1,
) -> Output:
    """Weighted sums of windows of an image: (N, C, H, W) or (C, H, W) -> (N, O, H', W') or (O, …).

    weight (O, C / groups, Kh, Kw), bias (O). stride (from one window to the next), padding,
    dilation (from one element of a window to the next): an int or a pair. padding: zeros on both
    sides; "valid" is none, "same" as many as keep H and W, the odd one at the end. groups: the
    channels of x and of the output are split into so many, and each group of the output sees only
    its own of x.
    """
    return _convolved("conv2d", x, weight, bias, stride, padding, dilation, groups, dims=2)


@op
def max_pool2d(
    x: Operand,
    kernel_size: Shape,
    stride: Shape | None = None,
    padding: Shape = 0,
    dilation: Shape = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Output:
    """The largest element of each window: (N, C, H, W) or (C, H, W) -> (N, C, H', W') or (C, …).

    Of equals it is the first, which gets the gradient; NaN propagates. stride None: kernel_size.
    padding: -inf on both sides, at most half a window. ceil_mode: windows may end beyond the
    padding. return_indices: return the pair of the elements and their indices in the flattened
    H · W.
    """
    refuse_bool("max_pool2d", x)
    images, shape = _images("max_pool2d", x), x.shape
    size, *geometry = _windows(
        "max_pool2d", shape, kernel_size, stride, padding, dilation, ceil_mode
    )
    pooled, images_shape = (*shape[:-2], *size), images.shape
    values, indices = arrays.empty(pooled, x.dtype), arrays.empty(pooled, INT)
    chosen = _images("max_pool2d", indices)
    args = images, *geometry, _images("max_pool2d", values), chosen
    arrays.launch(kernels.largest(x.dtype.type), values.size, *args)

    def pullback(dout):
        dx = arrays.empty(images_shape, dout.dtype)
        args = arrays.reshape(dout, chosen.shape), chosen, *geometry, dx
        arrays.launch(kernels.largest_dx(dout.dtype.type), dx.size, *args)
        return arrays.reshape(dx, shape)

    return (values, indices) if return_indices else values, pullback


@op
def avg_pool2d(
    x: Operand,
    kernel_size: Shape,
    stride: Shape | None = None,
    padding: Shape = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Output:
    """The mean of each window: (N, C, H, W) or (C, H, W) -> (N, C, H', W') or (C, H', W').

    stride None: the kernel_size. padding: zeros on both sides, at most half a window, which count
    as elements if count_include_pad. ceil_mode: windows may end beyond the padding, where nothing
    counts. divisor_override: what each sum is divided by instead. Integers are rounded towards 0.
    """
    name = "avg_pool2d"
    refuse_bool(name, x)
    flag(name, "count_include_pad", count_include_pad)
    if divisor_override is not None and whole(name, "divisor_override", divisor_override) == 0:
        raise ValueError(f"{name}: divisor_override must not be 0")
    images = _images(name, x)
    size, kernel, stride, padding, _ = _windows(
        name, x.shape, kernel_size, stride, padding, 1, ceil_mode
    )
    divisors = (None, None) if divisor_override is None else (1, divisor_override)
    spans = [
        _pool_spans(x.shape[i - 2], size[i], *own, count_include_pad, divisors[i])
        for i, own in enumerate(zip(kernel, stride, padding, strict=True))
    ]
    return _averaged(images, x.shape, *spans)


@op
def adaptive_avg_pool2d(x: Operand, output_size: int | Sequence[int | None]) -> Output:
    """The means of H' · W' windows of about equal size: (N, C, H, W) or (C, H, W) -> (..., H', W').

    output_size: H' and W', where None keeps H or W; or an int for both.
    """
    floats("adaptive_avg_pool2d", x)
    images = _images("adaptive_avg_pool2d", x)
    wanted = output_size if isinstance(output_size, tuple | list) else (output_size,) * 2
    if len(wanted) != 2:
        raise ValueError(
            f"adaptive_avg_pool2d: output_size must be an int or a pair, not {output_size}"
        )
    counts = [m if n is None else n for n, m in zip(wanted, x.shape[-2:], strict=True)]
    size = wholes("adaptive_avg_pool2d", "output_size", counts, 2, 0)
    return _averaged(images, x.shape, *map(_adaptive_spans, x.shape[-2:], size))


@op
@through_float32
def pad(x: Operand, pad: Shape, mode: str = "constant", value: float | None = None) -> Output:
    """x padded with value (None is 0) before and after its last dims; a negative pad crops.

    pad: two ints for each dim, before and after; the last dim comes first. mode: only "constant".
    """
    option("pad", "mode", mode, ("constant",))
    value = 0 if value is None else value
    fitting("pad", "value", value, x.dtype, wraps=False)
    if isinstance(pad, int):
        raise TypeError(f"pad: expected two ints for each dim, not {pad!r}")
    amounts = sizes("pad", pad)
    if len(amounts) % 2 or len(amounts) > 2 * x.ndim:
        raise ValueError(f"pad: {pad} is not two ints for each of the last dims of shape {x.shape}")
    known = list(zip(amounts[::2], amounts[1::2], strict=True))[::-1]
    pairs = [(0, 0)] * (x.ndim - len(known)) + known
    if any(n + min(a, 0) + min(b, 0) < 0 for n, (a, b) in zip(x.shape, pairs, strict=True)):
        raise ValueError(f"pad: {pad} takes away more than there is in shape {x.shape}")
    back = [(-a, -b) for a, b in pairs]
    return _padded(x, pairs, value), lambda dout: _padded(dout, back, 0)


def _convolved(
    name: str,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    dims: int,
) -> Any:
    """The product of weight with the windows of x; a signal is an image of one row."""
    tensors(name, weight)
    same(name, x, weight, bias)
    refuse_bool(name, x)
    shapes = f"shapes {x.shape} and {weight.shape}"
    if weight.ndim != dims + 2 or x.ndim not in (dims + 1, dims + 2):
        raise ValueError(f"{name}: {shapes} do not fit")
    shape, ones = x.shape, (1,) * (2 - dims)
    batch, channels = math.prod(shape[: -dims - 1]), shape[-dims - 1]
    n_out, n_in = weight.shape[:2]
    groups = whole(name, "groups", groups, least=1)
    if n_out % groups or not n_out or channels != groups * n_in:
        raise ValueError(f"{name}: {shapes} do not fit in {groups} groups")
    if bias is not None and bias.shape != (n_out,):
        raise ValueError(f"{name}: bias of shape {bias.shape} for weight {weight.shape}")
    lengths, kernel = (*ones, *shape[-dims:]), (*ones, *weight.shape[2:])
    strides = *ones, *wholes(name, "stride", stride, dims, 1)
    dilations = *ones, *wholes(name, "dilation", dilation, dims, 1)
    own = kernel[-dims:], strides[-dims:], dilations[-dims:]
    pairs = [*[(0, 0) for _ in ones], *margins(name, padding, *own)]
    padded = [n + before + after for n, (before, after) in zip(lengths, pairs, strict=True)]
    size = tuple(
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(padded, kernel, strides, dilations, strict=True)
    )
    if min(*size, *kernel) < 1:
        raise ValueError(f"{name}: {shapes} have no window, padded to {tuple(padded[-dims:])}")
    geometry = strides, tuple(before for before, _ in pairs), dilations

    images = arrays.reshape(x, (batch, channels, *lengths))
    filters = arrays.reshape(weight, (n_out, n_in, *kernel))
    images_shape, filters_shape, out_shape = images.shape, filters.shape, (batch, n_out, *size)
    out = windows.convolved(images, filters, bias, groups, geometry, out_shape)

    def dx(dout):
        dout = arrays.reshape(dout, out_shape)
        grad = windows.convolved_dx(dout, filters, groups, geometry, images_shape)
        return arrays.reshape(grad, shape)

    def dweight(dout):
        dout = arrays.reshape(dout, out_shape)
        grad = windows.convolved_dweight(images, dout, groups, geometry, filters_shape)
        return arrays.reshape(grad, weight.shape)

    def dbias(dout):
        return arrays.total(arrays.reshape(dout, (batch, n_out, math.prod(size))), (0, 2))

    out = arrays.reshape(out, (*shape[: -dims - 1], n_out, *size[-dims:]))
    return out, (dx, dweight, dbias)


def _padded(x: Any, pairs: list[tuple[int, int]], value: Any) -> Any:
    """x padded with value before and after its last dims by pairs, or cropped where negative."""
    padded = tuple(n + a + b for n, (a, b) in zip(x.shape, pairs, strict=True))
    kept = tuple(n + min(a, 0) + min(b, 0) for n, (a, b) in zip(x.shape, pairs, strict=True))
    if kept != x.shape:
        steps = arrays.strides(x.shape)
        start = sum(max(-a, 0) * step for (a, _), step in zip(pairs, steps, strict=True))
        x = arrays.copy_from(x, start, kept, steps)
    if kept == padded:
        return x
    out, steps = arrays.full(padded, value, x.dtype), arrays.strides(padded)
    start = sum(max(a, 0) * step for (a, _), step in zip(pairs, steps, strict=True))
    arrays.copy_into(x, out, start, steps)
    return out


def _images(name: str, x: Any) -> Any:
    """x (N, C, H, W) or (C, H, W) as (images, H, W)."""
    if x.ndim not in (3, 4) or 0 in x.shape[-3:]:
        raise ValueError(f"{name}: expected (N, C, H, W) or (C, H, W), not shape {x.shape}")
    return arrays.reshape(x, (math.prod(x.shape[:-2]), *x.shape[-2:]))


def _windows(
    name: str,
    shape: tuple[int, ...],
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> tuple[tuple[int, ...], ...]:
    """How many windows there are down and across, their kernel, stride, padding and dilation."""
    flag(name, "ceil_mode", ceil_mode)
    kernel = wholes(name, "kernel_size", kernel_size, 2, 1)
    stride = kernel if stride is None else wholes(name, "stride", stride, 2, 1)
    padding = wholes(name, "padding", padding, 2, 0)
    dilation = wholes(name, "dilation", dilation, 2, 1)
    size = []
    for n, k, s, p, d in zip(shape[-2:], kernel, stride, padding, dilation, strict=True):
        if 2 * p > k or any(start % d >= n for start in range(-p, 0, s)):
            raise ValueError(
                f"{name}: a padding of {p} for kernel_size {k}, dilation {d} and a length of {n}: "
                "it is at most half a window, and no window sees nothing else"
            )
        count = (n + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (count - 1) * s >= n + p:
            count -= 1  # it would see nothing but padding
        if count < 1:
            raise ValueError(f"{name}: windows of {d * (k - 1) + 1} do not fit into shape {shape}")
        size.append(count)
    return tuple(size), kernel, stride, padding, dilation


@functools.lru_cache(maxsize=1024)
def _pool_spans(
    n: int, count: int, kernel: int, stride: int, padding: int, padded: bool, divisor: int | None
) -> tuple[Any, Any]:
    starts = np.arange(count) * stride - padding
    stops = np.minimum(starts + kernel, n + padding)
    inside = np.maximum(starts, 0), np.minimum(stops, n)
    counted = stops - starts if padded else inside[1] - inside[0]
    return _spans(n, *inside, counted if divisor is None else np.full(count, divisor))


@functools.lru_cache(maxsize=1024)
def _adaptive_spans(n: int, count: int) -> tuple[Any, Any]:
    ends = np.arange(count + 1) * n
    starts, stops = ends[:-1] // max(count, 1), -(-ends[1:] // max(count, 1))
    return _spans(n, starts, stops, stops - starts)


def _spans(n: int, starts: Any, stops: Any, counted: Any) -> tuple[Any, Any]:
    """What average and average_dx want to know of windows along a dim of length n.

    Kept, as the callers are, because the same windows come back in every step.
    """
    places = np.arange(n)
    reached = [np.searchsorted(ends, places, side="right") for ends in (stops, starts)]
    tables = np.stack([starts, stops, counted], axis=1), np.stack(reached, axis=1)
    windows, windows_at = (device.to_device(table.astype(INT)) for table in tables)
    return windows, windows_at


def _averaged(images: Any, shape: tuple[int, ...], rows: Any, columns: Any) -> Any:
    """The means of windows of the images of a shape; rows and columns are what _spans makes."""
    (rows, down), (columns, across) = rows, columns
    stored, size, images_shape = images.dtype.type, (rows.shape[0], columns.shape[0]), images.shape
    quotient = f.div if is_floating(images.dtype) else f.int_div_trunc
    out = arrays.empty((images_shape[0], *size), images.dtype)
    arrays.launch(kernels.average(stored, quotient), out.size, images, rows, columns, out)
    out_shape = out.shape

    def pullback(dout):
        dx = arrays.empty(images_shape, dout.dtype)
        args = arrays.reshape(dout, out_shape), rows, columns, down, across, dx
        arrays.launch(kernels.average_dx(stored), dx.size, *args)
        return arrays.reshape(dx, shape)

    return arrays.reshape(out, (*shape[:-2], *size)), pullback
