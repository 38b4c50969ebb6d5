"""Convolution on device arrays, (N, C, H, W) and (O, C / groups, Kh, Kw): which kernels to launch.

A geometry is three pairs, for rows and columns: stride, padding in front, dilation. With few
channels, or too few tiles to keep the GPU busy, a kernel follows the formula. Otherwise a product
of matrices is computed, of the windows, which are never laid out in memory, and the filters,
rearranged so that all numbers for one tap lie side by side.
"""

from __future__ import annotations

import math
from typing import Any

from . import arrays
from .arrays import Array, Shape
from .kernels import convolution
from .kernels.convolution import implicit, naive, summed
from .kernels.window import element_of, window_of

Geometry = Any  # three pairs of ints


def convolved(
    x: Array, weight: Array, bias: Array, groups: int, geometry: Geometry, shape: Shape
) -> Array:
    """The sums of windows, of a shape (N, O, down, across), + bias (O) or None."""
    stored, out = x.dtype.type, arrays.empty(shape, x.dtype)
    bias = arrays.empty((0,), x.dtype) if bias is None else bias
    m, depth = weight.shape[0] // groups, weight.shape[1]
    if not _fills(weight, groups, m, depth, shape):
        args = x, weight, bias, groups, *geometry, out
        arrays.launch(naive.forward(stored), out.size, *args)
    else:
        filters = arrays.permute(_by_group(weight, groups), (0, 3, 2, 1))
        _gather(implicit.gather(stored, element_of), x, filters, weight, bias, geometry, out)
    return out


def convolved_dx(
    dout: Array, weight: Array, groups: int, geometry: Geometry, shape: Shape
) -> Array:
    """The gradient of x, of a shape (N, C, H, W)."""
    stored, dx = dout.dtype.type, arrays.empty(shape, dout.dtype)
    m, depth = weight.shape[0] // groups, weight.shape[1]
    if not _fills(weight, groups, depth, m, shape):
        arrays.launch(naive.dx(stored), dx.size, dout, weight, groups, *geometry, dx)
    else:
        filters = arrays.permute(_by_group(weight, groups), (0, 3, 1, 2))
        nothing = arrays.empty((0,), dout.dtype)
        _gather(implicit.gather(stored, window_of), dout, filters, weight, nothing, geometry, dx)
    return dx


def convolved_dweight(
    x: Array, dout: Array, groups: int, geometry: Geometry, shape: Shape
) -> Array:
    """The gradient of weight, of a shape (O, C / groups, Kh, Kw)."""
    count, (n_out, depth, *kernel) = dout.shape[0] * math.prod(dout.shape[2:]), shape
    m, taps, stored = n_out // groups, math.prod(kernel), x.dtype.type
    length = convolution.part(count, groups * taps, m, depth)
    n_parts = -(-count // length)
    if not convolution.fills(x.dtype, n_parts * groups * taps, m, count, depth):
        dweight = arrays.empty(shape, x.dtype)
        args = x, dout, groups, *geometry, dweight
        arrays.launch_rows(naive.dweight(stored), dweight.size, max(dout.shape[-1], 1), *args)
        return dweight
    parts = arrays.empty((n_parts * groups * taps, m, depth), arrays.reckoned(x.dtype))
    images, size = _lines(x)
    douts, counts = _lines(dout)
    args = images, size, douts, counts, groups, tuple(kernel), *geometry, length, parts
    summed.dfilters(stored)[parts.shape[0] * convolution.tiles(m, depth), implicit.THREADS](*args)
    parts = arrays.reshape(parts, (n_parts, groups, taps, m, depth))
    if n_parts > 1:
        sums = arrays.total(parts, (0,), dtype=x.dtype)
    else:
        sums = arrays.cast(arrays.reshape(parts, parts.shape[1:]), x.dtype)
    return arrays.reshape(arrays.permute(sums, (0, 2, 3, 1)), shape)


def _fills(weight: Array, groups: int, m: int, depth: int, shape: Shape) -> bool:
    """Whether a product is large enough for tiles; its result is of a shape (N, groups · m, …)."""
    count, terms = shape[0] * math.prod(shape[2:]), depth * math.prod(weight.shape[2:])
    return convolution.fills(weight.dtype, groups, m, terms, count)


def _by_group(weight: Array, groups: int) -> Array:
    """(O, C / groups, Kh, Kw) -> (groups, O / groups, C / groups, Kh · Kw)"""
    n_out, depth, *kernel = weight.shape
    return arrays.reshape(weight, (groups, n_out // groups, depth, math.prod(kernel)))


def _lines(x: Array) -> tuple[Array, Shape]:
    """Images as (N, C, H · W), and their size."""
    return arrays.reshape(x, (*x.shape[:2], math.prod(x.shape[2:]))), x.shape[2:]


def _gather(
    kernel: Any,
    x: Array,
    filters: Array,
    weight: Array,
    bias: Array,
    geometry: Geometry,
    out: Array,
) -> None:
    """out = the product of filters (groups, taps, depth, m) and what is seen of x, + bias."""
    groups, taps, depth, m = filters.shape
    filters = arrays.reshape(filters, (groups * taps, depth, m))
    lines, windows = _lines(out)
    blocks = groups * convolution.tiles(m, out.shape[0] * math.prod(windows))
    args = filters, groups, weight.shape[2:], bias, *geometry, windows, lines
    kernel[blocks, implicit.THREADS](arrays.flat(x), x.shape[2:], *args)
