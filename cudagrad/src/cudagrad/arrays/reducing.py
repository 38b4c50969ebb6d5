"""Many elements to one: sums, folds, extremes, and what runs along a dim."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import device, launches
from ..device import BLOCK, TILE, Array
from ..kernels import functions as f
from ..kernels import reduction, scan, softmax
from ..kernels.storage import narrow
from ..storage import BFLOAT16
from .elementwise import cast
from .launching import launch_rows
from .making import INT, empty, full, item, reckoned
from .rearranging import around, flat, reshape

PART = 32 * BLOCK  # elements that a block combines before a long row is cut into parts
SHORTEST = 256  # lines that a part has at least, where lines are cut into parts (see cuts)


def total(x: Array, axes: Sequence[int], keepdims: bool = False, dtype: Any = None) -> Array:
    """The sum over axes (ascending), in dtype."""
    dtype = x.dtype if dtype is None else np.dtype(dtype)
    if reckoned(x.dtype) != reckoned(dtype):
        x = cast(x, reckoned(dtype))
    return fold(x, axes, f.add, 0, keepdims, dtype)


def fold(
    x: Array,
    axes: Sequence[int],
    combine: Callable[..., Any],
    start: Any,
    keepdims: bool = False,
    dtype: Any = None,
) -> Array:
    """The elements over axes (ascending) combined; start is what changes nothing in that.

    dtype: of the result, if it is not that of x: bfloat16 instead of float32, or the other way
    round. Both are combined in float32, and the result is rounded once.
    """
    made = x.dtype if dtype is None else np.dtype(dtype)
    first = reckoned(x.dtype).type(start)

    def reduce(rows: Array, is_last: bool) -> Array:
        return _fold_middle(rows, combine, first, made if is_last else reckoned(made))

    return cast(by_rows(reduce, x, axes, keepdims), made)  # without axes nothing was reduced


def by_rows(
    reduce: Callable[[Array, bool], Array], x: Array, axes: Sequence[int], keepdims: bool = False
) -> Array:
    """reduce, (outer, n, inner) -> (outer, inner), over one run of neighbouring axes at a time.

    reduce is told whether the run is the last one.
    """
    shape = tuple(n for i, n in enumerate(x.shape) if i not in axes)
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    out, left = x, list(axes)
    while left:
        stop = left.pop() + 1
        start = stop - 1
        while left and left[-1] == start - 1:
            start = left.pop()
        ahead, behind = out.shape[:start], out.shape[stop:]
        rows = (math.prod(ahead), math.prod(out.shape[start:stop]), math.prod(behind))
        reduced = reduce(reshape(out, rows), not left)
        out = reshape(reduced, (*ahead, *(1,) * (stop - start), *behind))
    return reshape(out, kept if keepdims else shape)


def _fold_middle(x: Array, combine: Callable[..., Any], start: Any, made: Any) -> Array:
    """(outer, n, inner) -> (outer, inner), in the dtype made."""
    outer, n, inner = x.shape
    if not n:
        return full((outer, inner), start, made)
    if inner != 1:
        across = outer * -(-inner // TILE)  # blocks
        parts = cuts(n, across)
        out = empty((outer * parts, inner), made if parts == 1 else reckoned(made))
        if out.size:
            kernel = _folding(reduction.fold_columns, x, combine, out)
            lines = reshape(x, (outer * parts, n // parts, inner))
            kernel[across * parts, (TILE, TILE)](lines, start, out)
        if parts > 1:
            return _fold_middle(reshape(out, (outer, parts, inner)), combine, start, made)
        return out
    out = reshape(x, (outer, n))
    while True:
        rows, n = out, out.shape[1]
        out = empty((outer, -(-n // PART)), made if n <= PART else reckoned(made))
        kernel = _folding(reduction.fold_rows, rows, combine, out)
        launch_rows(kernel, out.size, min(n, PART), rows, start, PART, out)
        if n <= PART:
            return out


def _folding(kernels: Any, x: Array, combine: Callable[..., Any], out: Array) -> Any:
    """Which of the kernels reads x, and writes out, as each is stored."""
    return kernels(x.dtype.type, combine, *([narrow] if out.dtype == BFLOAT16 else []))


def cuts(n: int, blocks: float) -> int:
    """Into how many equal parts to cut n lines, so that blocks times as many fill the GPU."""
    parts = 1
    while n % (2 * parts) == 0 and n // (2 * parts) >= SHORTEST:
        if parts * blocks >= 2 * device.processors():
            break
        parts *= 2
    return parts


def logsumexp(x: Array, axes: Sequence[int]) -> Array:
    """log Σ exp(x) over axes (ascending), which stay with length 1."""
    return by_rows(lambda rows, _: _logsumexp_middle(rows), x, axes, keepdims=True)


def _logsumexp_middle(x: Array) -> Array:
    """(outer, n, inner) -> (outer, inner)"""
    outer, n, inner = x.shape
    if not n:
        return full((outer, inner), -math.inf, x.dtype)
    out = empty((outer, inner), x.dtype)
    args = flat(x), n, inner, flat(out)
    launch_rows(softmax.logsumexp(x.dtype.type), out.size, n, *args)
    return out


def cumsum(x: Array, along: int, backwards: bool = False) -> Array:
    """The running sum along a dim; of the elements from each one on, if backwards."""
    out = empty(x.shape, x.dtype)
    rows = around(x, along)
    outer, n, inner = rows.shape
    args = rows, backwards, around(out, along)
    launch_rows(scan.cumsum(x.dtype.type), outer * inner, n, *args)
    return out


def prod_dx(x: Array, dout: Array, along: int) -> Array:
    """The gradient of the product along a dim, in which dout has length 1 or is missing."""
    dx = empty(x.shape, x.dtype)
    rows = around(x, along)
    outer, n, inner = rows.shape
    args = rows, reshape(dout, (outer, inner)), around(dx, along)
    launch_rows(scan.prod_dx(x.dtype.type), outer * inner, n, *args)
    return dx


def extreme(x: Array, along: int, wins: Callable[..., Any]) -> tuple[Array, Array]:
    """The winners along a dim, which stays with length 1, and their indices."""
    shape = tuple(1 if i == along else n for i, n in enumerate(x.shape))
    values, indices = empty(shape, x.dtype), empty(shape, INT)
    rows = around(x, along)
    flat_shape = (rows.shape[0], rows.shape[2])
    kernel = reduction.extreme(x.dtype.type, wins)
    results = reshape(values, flat_shape), reshape(indices, flat_shape)
    launch_rows(kernel, values.size, rows.shape[1], rows, *results)
    return values, indices


def refuse(flags: Array, error: Callable[[], Exception]) -> None:
    """Raise an error if any of the flags is true; in a graph, after every replay."""
    flag = fold(flags, tuple(range(flags.ndim)), f.either, False)
    recorder = launches.recorder.get()
    if recorder is not None:
        recorder.refuse(flag, error)
    elif item(flag):
        raise error()
