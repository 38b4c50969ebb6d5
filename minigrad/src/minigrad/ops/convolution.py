"""Convolution, pooling and padding: windows that slide over a signal or an image."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import (
    fitting,
    flag,
    floats,
    margins,
    option,
    refuse_bool,
    same,
    sizes,
    whole,
    wholes,
)
from ..dtypes import is_floating
from ..engine import Operand, Output, op
from ..rows import long_product, wide_product
from ..windows import Windows, positions
from .elementwise import truncated
from .indexing import collected

Lengths = int | Sequence[int]


@op
def conv1d(
    x: Operand,
    weight: Operand,
    bias: Operand | None = None,
    stride: Lengths = 1,
    padding: Lengths | str = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Output:
    """Weighted sums of windows of a signal: (N, C, L) or (C, L) -> (N, O, L') or (O, L').

    Like conv2d, with weight (O, C / groups, K) and bias (O).
    """
    return _convolved("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


@op
def conv2d(
    x: Operand,
    weight: Operand,
    bias: Operand | None = None,
    stride: Lengths = 1,
    padding: Lengths | str = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Output:
    """Weighted sums of windows of an image: (N, C, H, W) or (C, H, W) -> (N, O, H', W') or (O, …).

    weight (O, C / groups, Kh, Kw), bias (O). stride (from one window to the next), padding,
    dilation (from one element of a window to the next): an int or a pair. padding: zeros on both
    sides; "valid" is none, "same" as many as keep H and W, the odd one at the end. groups: the
    channels of x and of the output are split into so many, and each group of the output sees only
    its own of x.
    """
    return _convolved("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


@op
def max_pool2d(
    x: Operand,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    dilation: Lengths = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Output:
    """The largest element of each window: (N, C, H, W) or (C, H, W) -> (N, C, H', W') or (C, …).

    Of equals it is the first, which gets the gradient; NaN propagates. stride None: kernel_size.
    padding: -inf on both sides, at most half a window. ceil_mode: windows may end beyond the
    padding. return_indices: return the pair of the elements and their indices in the flattened
    H · W.
    """
    name = "max_pool2d"
    refuse_bool(name, x)
    dilations = wholes(name, "dilation", dilation, 2, least=1)
    kernel, strides, paddings, reach, counts = _windows(
        name, x, kernel_size, stride, padding, dilations, ceil_mode
    )
    height, width = x.shape[-2:]
    # Padding up to the end of the last window; negative where that leaves out some of x.
    pairs = [
        (p, (n - 1) * s + r + 1 - p - length)
        for n, s, r, p, length in zip(counts, strides, reach, paddings, x.shape[-2:], strict=True)
    ]
    lowest = -np.inf if is_floating(x.dtype) else np.iinfo(x.dtype).min
    padded = _padded(x, pairs, lowest)
    inside = _padded(np.ones((height, width), np.bool_), pairs, False)
    parts = list(positions(kernel, counts, strides, dilations))
    largest = functools.reduce(np.maximum, [padded[..., *part] for _, part in parts])

    def places():
        """Indices in the flattened H · W: the first of equals, the last of NaNs, as in torch."""
        # The number of the part that holds the largest.
        nth = np.zeros(largest.shape, np.min_scalar_type(len(parts)))
        ahead = np.ones(largest.shape, np.bool_)
        for _, part in parts:
            other = padded[..., *part] != largest
            if padded is not x:  # else there is no padding
                other |= ~inside[*part]
            ahead &= other
            nth += ahead
        behind = np.isnan(largest)  # NaN equals nothing: nth has counted all parts
        for _, part in reversed(parts if behind.any() else []):
            nth -= behind
            behind &= ~np.isnan(padded[..., *part])
        rows, columns = (
            np.arange(n) * s - p for n, s, p in zip(counts, strides, paddings, strict=True)
        )
        steps = [i * dilations[0] * width + j * dilations[1] for (i, j), _ in parts]
        return rows[:, None] * width + columns + np.array(steps)[nth]

    def pullback(dout):
        planes = np.arange(math.prod(x.shape[:-2])).reshape(*x.shape[:-2], 1, 1)
        return collected(dout, planes * (height * width) + places(), x.shape)

    return ((largest, places()) if return_indices else largest), pullback


@op
def avg_pool2d(
    x: Operand,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
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
    kernel, strides, paddings, _reach, counts = _windows(
        name, x, kernel_size, stride, padding, (1, 1), ceil_mode
    )
    if divisor_override is not None and whole(name, "divisor_override", divisor_override) == 0:
        raise ValueError(f"{name}: divisor_override must not be 0")
    windows, extents = [], []
    for n, length, k, s, p in zip(counts, x.shape[-2:], kernel, strides, paddings, strict=True):
        starts = np.arange(n) * s - p
        first, end = np.maximum(starts, 0), np.minimum(starts + k, length)
        windows.append((first, end))
        padded = np.minimum(starts + k, length + p) - starts
        extents.append(padded if count_include_pad else end - first)
    divisor = np.multiply.outer(*extents) if divisor_override is None else divisor_override
    return _means(x, windows, divisor)


@op
def adaptive_avg_pool2d(x: Operand, output_size: int | Sequence[int | None]) -> Output:
    """The means of H' · W' windows of about equal size: (N, C, H, W) or (C, H, W) -> (..., H', W').

    output_size: H' and W', where None keeps H or W; or an int for both.
    """
    name = "adaptive_avg_pool2d"
    floats(name, x)
    _require_images(name, x)
    wanted = output_size if isinstance(output_size, tuple | list) else (output_size, output_size)
    if len(wanted) != 2:
        raise ValueError(f"{name}: output_size must be an int or a pair, not {output_size}")
    whole = x.shape[-2:]
    wanted = [length if n is None else n for n, length in zip(wanted, whole, strict=True)]
    windows = [
        (np.arange(n) * length // n, -(-np.arange(1, n + 1) * length // n))
        for n, length in zip(wholes(name, "output_size", wanted, 2, least=0), whole, strict=True)
    ]
    return _means(x, windows, np.multiply.outer(*(ends - starts for starts, ends in windows)))


@op
def pad(
    x: Operand, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Output:
    """x padded with value (None is 0) before and after its last dims; a negative pad crops.

    pad: two ints for each dim, before and after; the last dim comes first. mode: only "constant".
    """
    option("pad", "mode", mode, ("constant",))
    if isinstance(pad, int):
        raise TypeError(f"pad: expected two ints for each dim, not {pad!r}")
    ends = sizes("pad", pad)
    if len(ends) % 2 or len(ends) > 2 * x.ndim:
        raise ValueError(f"pad: {pad} is not two ints for each of the last dims of shape {x.shape}")
    pairs = list(zip(ends[-2::-2], ends[::-2], strict=True))  # in the order of the dims
    lengths = x.shape[x.ndim - len(pairs) :]
    if any(max(-b, 0) + max(-a, 0) > n for (b, a), n in zip(pairs, lengths, strict=True)):
        raise ValueError(f"pad: {pad} takes away more than there is in shape {x.shape}")
    back = [(-before, -after) for before, after in pairs]
    fill = fitting("pad", "value", 0 if value is None else value, x.dtype, wraps=False)
    return _padded(x, pairs, fill), lambda dout: _padded(dout, back, 0)


def _convolved(
    name: str,
    n: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Lengths,
    padding: Lengths | str,
    dilation: Lengths,
    groups: int,
) -> Output:
    """Over n dims, as a matrix product: a window is a column, an output channel's weights a row."""
    same(name, x, weight, bias)
    refuse_bool(name, x)
    groups = whole(name, "groups", groups, least=1)
    shapes = f"shapes {x.shape} and {weight.shape}"
    if x.ndim not in (n + 1, n + 2) or weight.ndim != n + 2:
        raise ValueError(f"{name}: {shapes} do not fit")
    n_out, n_in, *kernel = weight.shape
    if x.shape[-n - 1] != groups * n_in or n_out % groups or not n_out:
        raise ValueError(f"{name}: {shapes} do not fit in {groups} groups")
    if bias is not None and bias.shape != (n_out,):
        raise ValueError(f"{name}: bias of shape {bias.shape} for weight {weight.shape}")
    strides = wholes(name, "stride", stride, n, least=1)
    dilations = wholes(name, "dilation", dilation, n, least=1)
    pairs = margins(name, padding, kernel, strides, dilations)
    images = (x if x.ndim == n + 2 else x[None]).swapaxes(0, 1)  # (C, N, H, W)
    # Meaningless windows (see Windows) have a gradient of 0, and 0 · inf would be NaN.
    in_line = max(strides) == 1 and bool(np.isfinite(weight).all())
    windows = Windows(images.shape, kernel, pairs, strides, dilations, in_line)
    if min(*windows.counts, *kernel) < 1:
        raise ValueError(f"{name}: {shapes} have no window, padded to {tuple(windows.around)}")

    line = windows.line(x.dtype)
    windows.within(line)[...] = images
    pieces = windows.pieces(line)
    columns: Any = np.empty((len(images), len(pieces), *pieces[0].shape[1:]), x.dtype)
    for i, piece in enumerate(pieces):
        columns[:, i] = piece
    size = n_in * len(pieces)
    columns = columns.reshape(groups, size, windows.total)
    rows = weight.reshape(groups, n_out // groups, size)
    out = windows.cut(wide_product(rows, columns).reshape(n_out, windows.total))  # (O, N, H', W')
    out = np.ascontiguousarray(out) if bias is None else out + bias.reshape(-1, 1, *(1,) * n)

    def product_of(dout):
        """The gradient of rows @ columns."""
        batch = dout if x.ndim == n + 2 else dout[None]
        return windows.spread(batch.swapaxes(0, 1)).reshape(groups, n_out // groups, windows.total)

    def dx(dout):
        dproduct, dline = product_of(dout), windows.line(x.dtype)
        by_position = rows.reshape(groups, n_out // groups, n_in, -1).transpose(3, 0, 2, 1)
        for piece, weights in zip(windows.pieces(dline), by_position, strict=True):
            piece += wide_product(weights, dproduct).reshape(piece.shape)
        return windows.within(dline).swapaxes(0, 1)

    def dweight(dout):
        factors = columns, product_of(dout)  # in this order BLAS is faster
        grad = long_product(*factors)
        if in_line and not np.isfinite(grad).all():
            left, right = (windows.cut(a).reshape(*a.shape[:2], -1) for a in factors)
            grad = left @ right.swapaxes(1, 2)
        return grad.swapaxes(1, 2).reshape(weight.shape)

    def dbias(dout):
        return dout.sum(axis=tuple(range(-n, 0)))  # ([N,] n_out), summed up by backward()

    out = out.swapaxes(0, 1)
    return out if x.ndim == n + 2 else out[0], (dx, dweight, dbias)


def _padded(x: Any, pairs: Sequence[tuple[int, int]], value: Any) -> Any:
    """x padded with value before and after its last dims by pairs, or cropped where negative."""
    if not any(map(any, pairs)):
        return x
    old = x.shape[x.ndim - len(pairs) :]
    new = [length + before + after for length, (before, after) in zip(old, pairs, strict=True)]

    def common(lengths, sign):
        ends = zip(lengths, pairs, strict=True)
        return tuple(slice(max(sign * b, 0), n - max(sign * a, 0)) for n, (b, a) in ends)

    out = np.full((*x.shape[: x.ndim - len(pairs)], *new), value, x.dtype)
    out[..., *common(new, 1)] = x[..., *common(old, -1)]
    return out


def _means(x: Any, windows: Sequence[tuple[Any, Any]], divisor: Any) -> Output:
    """The sums of windows, given by starts and ends in the last two dims, divided by divisor."""
    rows, columns = windows
    divisor = np.asarray(divisor, x.dtype)
    if len(rows[0]) == len(columns[0]) == 1:  # in one pass
        top, bottom, left, right = (int(each[0]) for each in (*rows, *columns))
        sums = x[..., top:bottom, left:right].sum(axis=(-2, -1), keepdims=True)
    else:
        sums = _window_sums(_window_sums(x, *rows, -2), *columns, -1)

    def pullback(dout):
        shares = _window_sums(dout / divisor, *_windows_of(*columns, x.shape[-1]), -1)
        return _window_sums(shares, *_windows_of(*rows, x.shape[-2]), -2)

    return (sums / divisor if is_floating(x.dtype) else truncated(sums, divisor)), pullback


def _window_sums(x: Any, starts: Any, ends: Any, axis: int) -> Any:
    """The sums of x from each start to its end along an axis, which is -1 or -2."""
    if len(starts) == 1:
        whole = (..., slice(int(starts[0]), int(ends[0])), *(slice(None),) * (-1 - axis))
        return x[whole].sum(axis=axis, keepdims=True)
    if not x.shape[axis]:  # nothing can be taken
        return np.zeros((*x.shape[:axis], len(starts), *x.shape[axis:][1:]), x.dtype)
    sums = None
    for i in range(np.max(ends - starts, initial=1)):
        at = starts + i
        part = x.take(at, axis, mode="clip")
        if (at >= ends).any():
            part[..., at >= ends, *(slice(None),) * (-1 - axis)] = 0
        sums = part if sums is None else np.add(sums, part, out=sums)
    return sums


def _windows_of(starts: Any, ends: Any, length: int) -> tuple[Any, Any]:
    """Of the windows that hold each index, the first and one past the last; starts, ends ascend."""
    places = np.arange(length)
    return np.searchsorted(ends, places, "right"), np.searchsorted(starts, places, "right")


def _windows(
    name: str,
    x: Any,
    kernel_size: Lengths,
    stride: Lengths | None,
    padding: Lengths,
    dilation: Sequence[int],
    ceil_mode: bool,
) -> Any:
    """kernel, stride and padding as pairs, a window's last index less its first, window counts."""
    flag(name, "ceil_mode", ceil_mode)
    _require_images(name, x)
    kernel = wholes(name, "kernel_size", kernel_size, 2, least=1)
    step = kernel if stride is None else wholes(name, "stride", stride, 2, least=1)
    around = wholes(name, "padding", padding, 2, least=0)
    reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
    counts = []
    for length, k, d, r, s, p in zip(
        x.shape[-2:], kernel, dilation, reach, step, around, strict=True
    ):
        if 2 * p > k or any(start % d >= length for start in range(-p, 0, s)):
            raise ValueError(
                f"{name}: a padding of {p} for kernel_size {k}, dilation {d} and a length of "
                f"{length}: it is at most half a window, and no window sees nothing else"
            )
        room = length + 2 * p - r - 1
        count = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and (count - 1) * s >= length + p:
            count -= 1  # it would start in the padding
        if count < 1:
            raise ValueError(f"{name}: windows of {r + 1} do not fit into shape {x.shape}")
        counts.append(count)
    return kernel, step, around, reach, counts


def _require_images(name: str, x: Any) -> None:
    if x.ndim not in (3, 4) or 0 in x.shape[-3:]:
        raise ValueError(f"{name}: expected (N, C, H, W) or (C, H, W), not shape {x.shape}")
