"""Windows that slide over a signal or an image: each is a list of positions in the flat tensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from typing import Any

from .. import scalar
from ..arguments import (
    alike,
    cast,
    flag,
    floating,
    margins,
    option,
    refuse_bool,
    sizes,
    whole,
    wholes,
)
from ..engine import Value
from ..lists import Shape, Tensor, kind, nest, numbers, operands, rows, spans, unnest
from ..rowwise import owned
from .elementwise import trunc_divide
from .linalg import integer_dot
from .reduction import average

Ints = int | Sequence[int]
Window = Sequence[int | None]  # positions, None for what is padding
Windows = Sequence[Window]


def conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """Dot products of kernels with the windows of a signal; ints give ints.

    x (N, C, L) or (C, L), weight (K, C / groups, l), bias (K,) -> (N, K, windows) or (K, windows).
    stride: from one window to the next; dilation: from one element of a window to the next.
    padding: the number of zeros at each end; "valid" is none, "same" as many as make one window
    per element. groups: the kernels of each group see only the channels of that group.
    """
    return _convolved("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """conv1d of images: x (N, C, H, W) or (C, H, W), weight (K, C / groups, h, w), bias (K,)."""
    return _convolved("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


def max_pool2d(
    x: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """The largest element of each window: (N, C, H, W) or (C, H, W) -> (N, C, h, w) or (C, h, w).

    nan counts as largest, padding never does; the first of equals has the gradient. stride None is
    kernel_size. ceil_mode: a remainder at the end makes a window, too. return_indices: the pair
    (largest elements, their positions in their flattened image).
    """
    op = "max_pool2d"
    refuse_bool(op, x)
    [(items, shape)], _ = operands(op, x)
    [(plain, _)] = numbers(op, x)
    windows, counts = _pooling(op, shape, kernel_size, stride, padding, dilation, ceil_mode)

    def rank(place: int) -> tuple[bool, float]:
        n = plain[place]
        return (True, place) if n != n else (False, n)  # of several nans the last one

    area = math.prod(shape[-2:])
    everywhere = range(len(items))
    best = [max(window, key=rank) for window, _ in _covered(everywhere, area, windows)]
    largest = nest(owned([items[place] for place in best]), (*shape[:-2], *counts))
    if not return_indices:
        return largest
    return largest, nest([place % area for place in best], (*shape[:-2], *counts))


def avg_pool2d(
    x: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window: (N, C, H, W) or (C, H, W) -> (N, C, h, w) or (C, h, w).

    stride and ceil_mode as max_pool2d's. count_include_pad: the zeros of the padding count.
    divisor_override: what the sum is divided by instead. Ints give ints, rounded towards 0.
    """
    op = "avg_pool2d"
    refuse_bool(op, x)
    [(items, shape)], exact = operands(op, x)
    flag(op, "count_include_pad", count_include_pad)
    windows, counts = _pooling(op, shape, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override is not None and whole(op, "divisor_override", divisor_override) == 0:
        raise ValueError(f"{op}: divisor_override must not be 0")
    means = []
    for window, size in _covered(items, math.prod(shape[-2:]), windows):
        divisor = divisor_override or (size if count_include_pad else len(window))
        means.append(
            trunc_divide(sum(window), divisor) if exact else scalar.total(window) / divisor
        )
    return nest(means, (*shape[:-2], *counts))


def adaptive_avg_pool2d(x: Tensor, output_size: int | Sequence[int | None]) -> Tensor:
    """The means of as many windows as output_size says, which cover the image evenly.

    (N, C, H, W) or (C, H, W) -> (N, C, h, w) or (C, h, w); None keeps the length.
    """
    op = "adaptive_avg_pool2d"
    items, shape = floating(op, x)
    _require_images(op, shape)
    given = output_size if isinstance(output_size, list | tuple) else [output_size] * 2
    if len(given) != 2:
        raise ValueError(f"{op}: output_size must be an int or a pair, not {output_size}")
    axes: list[Windows] = []
    for m, offsets in zip(given, spans(shape)[-2:], strict=True):
        n = len(offsets)
        count = n if m is None else whole(op, "output_size", m, least=0)
        axes.append([offsets[i * n // count : -(-(i + 1) * n // count)] for i in range(count)])
    windows = reduce(_crossed, axes)
    means = [average(window) for window, _ in _covered(items, math.prod(shape[-2:]), windows)]
    return nest(means, (*shape[:-2], *map(len, axes)))


def pad(
    x: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """x padded with value, or 0, along its last dims.

    pad: how many before and after along the last dim, then along the one before it, and so on;
    a negative number removes as many elements.
    """
    items, shape = unnest(x, "pad")
    if not isinstance(pad, list | tuple):
        raise TypeError(f"pad: expected two ints for each dim, not {pad!r}")
    option("pad", "mode", mode, ("constant",))
    widths = sizes("pad", pad)
    if len(widths) % 2 or len(widths) > 2 * len(shape):
        raise ValueError(f"pad: {pad} is not two ints for each of the last dims of shape {shape}")
    of = kind(items)
    fill = cast("pad", "value", 0 if value is None else value, of)
    pairs = [*zip(widths[::2], widths[1::2], strict=True)]
    pairs = [(0, 0)] * (len(shape) - len(pairs)) + pairs[::-1]
    axes: list[Window] = []
    for offsets, (before, after) in zip(spans(shape), pairs, strict=True):
        n = len(offsets)
        if min(before + n, after + n, before + n + after) < 0:
            raise ValueError(f"pad: {pad} takes away more than there is in shape {shape}")
        kept = offsets[max(-before, 0) : n - max(-after, 0)]
        axes.append([*[None] * before, *kept, *[None] * after])
    origin: Windows = [[0]]  # the result is one window, which may reach beyond x
    (positions,) = reduce(_crossed, ([axis] for axis in axes), origin)
    padding = Value(fill) if of is float else fill
    padded = [padding if position is None else items[position] for position in positions]
    return nest(owned(padded), tuple(map(len, axes)))


def _convolved(
    op: str,
    ndim: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Ints,
    padding: Ints | str,
    dilation: Ints,
    groups: int,
) -> Tensor:
    given = (x, weight) if bias is None else (x, weight, bias)
    ((xs, shape), (ws, kernels_shape), *biases), integers = alike(op, *given)
    groups = whole(op, "groups", groups, least=1)
    fits = len(shape) in (ndim + 1, ndim + 2) and len(kernels_shape) == ndim + 2
    if not fits or 0 in kernels_shape or shape[-ndim - 1] != groups * kernels_shape[1]:
        raise ValueError(f"{op}: shapes {shape} and {kernels_shape} do not fit in {groups} groups")
    count, channels, *kernel = kernels_shape
    if count % groups:
        raise ValueError(f"{op}: {count} kernels do not make {groups} equal groups")
    strides = wholes(op, "stride", stride, ndim, 1)
    dilations = wholes(op, "dilation", dilation, ndim, 1)
    widths = margins(op, padding, kernel, strides, dilations)
    steps = spans(shape)[-ndim:]
    axes = list(map(_slid, steps, kernel, strides, dilations, widths))
    if not all(axes):
        raise ValueError(f"{op}: no window of {tuple(kernel)} fits into shape {shape}")
    windows = reduce(_crossed, axes)

    zero, one = (0, 1) if integers else (Value(0.0), Value(1.0))
    kernels = rows(ws, kernels_shape, range(1, ndim + 2))
    end = []
    for bs, bias_shape in biases:
        if bias_shape != (count,):
            raise ValueError(f"{op}: bias of shape {bias_shape} for {count} kernels")
        # A bias is the weight of a 1 that stands at the end of every window.
        kernels, end = [[*own, b] for own, b in zip(kernels, bs, strict=True)], [one]

    dot: Callable[..., Any] = integer_dot if integers else scalar.dot
    area, each = math.prod(shape[-ndim:]), count // groups
    results = []
    for group in range(math.prod(shape[: -ndim - 1]) * groups):
        images = [(group * channels + channel) * area for channel in range(channels)]
        patches = [
            [*(zero if p is None else xs[image + p] for image in images for p in window), *end]
            for window in windows
        ]
        first = group % groups * each
        results += [dot(patch, own) for own in kernels[first : first + each] for patch in patches]
    return nest(results, (*shape[: -ndim - 1], count, *map(len, axes)))


def _pooling(
    op: str,
    shape: Shape,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Ints,
    dilation: Ints,
    ceil_mode: bool,
) -> tuple[Windows, Shape]:
    """The windows of an image, and how many there are down and across."""
    flag(op, "ceil_mode", ceil_mode)
    _require_images(op, shape)
    kernel = wholes(op, "kernel_size", kernel_size, 2, 1)
    strides = kernel if stride is None else wholes(op, "stride", stride, 2, 1)
    widths = wholes(op, "padding", padding, 2, 0)
    dilations = wholes(op, "dilation", dilation, 2, 1)
    if any(2 * width > k for width, k in zip(widths, kernel, strict=True)):
        raise ValueError(f"{op}: padding {padding} is more than half of a window of {kernel}")
    slid = partial(_slid, ceil_mode=ceil_mode)
    pairs = [(width, width) for width in widths]
    axes = list(map(slid, spans(shape)[-2:], kernel, strides, dilations, pairs))
    if not all(axes):
        raise ValueError(f"{op}: no window of {kernel} fits into shape {shape}")
    windows = reduce(_crossed, axes)
    if any(set(window) == {None} for window in windows):
        raise ValueError(f"{op}: a window of {kernel} sees nothing of shape {shape} but padding")
    return windows, tuple(map(len, axes))


def _require_images(op: str, shape: Shape) -> None:
    if len(shape) not in (3, 4) or 0 in shape:
        raise ValueError(f"{op}: expected (N, C, H, W) or (C, H, W), not shape {shape}")


def _slid(
    offsets: Sequence[int],
    kernel: int,
    stride: int,
    dilation: int,
    width: tuple[int, int],
    ceil_mode: bool = False,
) -> Windows:
    """The windows along one axis, padded by width: before and after."""
    before, after = width
    padded = [*[None] * before, *offsets, *[None] * after]
    reach = dilation * (kernel - 1)
    room = len(padded) - 1 - reach  # for a window to move
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (count - 1) * stride >= before + len(offsets):
        count -= 1  # the last one would be padding alone
    return [padded[i * stride : i * stride + reach + 1 : dilation] for i in range(count)]


def _crossed(down: Windows, across: Windows) -> Windows:
    """The windows over several axes, made of those over all but the last and over the last."""
    return [
        [None if a is None or b is None else a + b for a in column for b in row]
        for column in down
        for row in across
    ]


def _covered(items: Sequence[Any], area: int, windows: Windows) -> Iterator[tuple[list[Any], int]]:
    """The items of each image in each window, and the window's size, padding included."""
    for image in range(0, len(items), area):
        for window in windows:
            yield [items[image + p] for p in window if p is not None], len(window)
