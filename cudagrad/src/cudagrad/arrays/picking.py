"""Picking elements by index, and what finds indices: sorting, and masks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..device import BLOCK, Array, Shape
from ..kernels import functions as f
from ..kernels import gather, reduction
from ..kernels import sort as sorting
from .elementwise import apply
from .launching import launch, launch_rows
from .making import BOOL, INT, empty, item, layout_of, zeros
from .rearranging import around, copy_from, flat, strides
from .reducing import refuse


def take(x: Array, ids: Array) -> Array:
    """x (outer, n, inner) -> (outer, ids, inner), ids 1-d and valid."""
    out = empty((x.shape[0], ids.size, x.shape[2]), x.dtype)
    launch(gather.take, out.size, x, ids, out)
    return out


def add_at(x: Array, ids: Array, n: int) -> Array:
    """The gradient of take: x (outer, ids, inner) -> (outer, n, inner), equal ids added up."""
    out = empty((x.shape[0], n, x.shape[2]), x.dtype)
    if out.size:
        blocks = x.shape[0] * n * -(-x.shape[2] // BLOCK)
        gather.add_at(x.dtype.type)[blocks, BLOCK](x, ids, out)
    return out


def put_along(values: Array, indices: Array, shape: Shape, along: int) -> Array:
    """Zeros of shape, with values at indices along a dim; no index may appear twice in a line."""
    out = zeros(shape, values.dtype)
    args = around(values, along), around(indices, along), around(out, along)
    launch(gather.put_along, values.size, *args)
    return out


def gather_along(x: Array, index: Array, along: int) -> Array:
    """x at index along a dim, and at index's own places in the others, which may be shorter."""
    out = empty(index.shape, x.dtype)
    if out.size:  # an index without elements may have any number of dims
        steps = list(strides(x.shape or (1,)))
        step, steps[along] = steps[along], 0
        layout = layout_of(0, index.shape or (1,), tuple(steps))
        launch(gather.gather, out.size, flat(x), flat(index), layout, step, flat(out))
    return out


def scatter_into(
    combine: Callable[..., Any], x: Array, index: Array, out: Array, along: int
) -> None:
    """Combine elements of out with those of x, where gather_along would take them; x like index."""
    if index.size:
        steps, lengths = list(strides(out.shape or (1,))), list(index.shape or (1,))
        step = steps.pop(along)
        del lengths[along]
        layout = layout_of(0, tuple(lengths), tuple(steps))
        args = around(x, along), around(index, along), layout, step, flat(out)
        launch(gather.scatter(combine), math.prod(lengths), *args)


def positions(mask: Array) -> Array:
    """The flat indices, ascending, where a mask holds."""
    found, count = empty((mask.size,), INT), zeros((1,), INT)
    launch_rows(gather.positions, 1, mask.size, flat(mask), found, count)
    return copy_from(found, 0, (item(count),), (1,))


def sort(x: Array, along: int, descending: bool) -> tuple[Array, Array]:
    """The elements along a dim in order, equal ones as they come, and their indices."""
    values, indices = empty(x.shape, x.dtype), empty(x.shape, INT)
    rows = [around(array, along) for array in (x, values, indices)]
    outer, n, inner = rows[0].shape
    before = reduction.above if descending else sorting.lower
    order, exchange = sorting.order_chunks(x.dtype.type, before), sorting.exchange(before)
    lines, chunks, pairs = outer * inner, -(-n // sorting.CHUNK), -(-n // 2)
    launch_rows(order, lines * chunks, pairs, *rows, chunks, True)
    rows[0], size = rows[1], sorting.CHUNK
    while size < n:  # runs of this size are in order: merge them by two
        count, step = -(-n // (2 * size)) * size, size
        while step >= sorting.CHUNK:
            launch(exchange, lines * count, *rows[1:], count, step, step == size)
            step //= 2
        launch_rows(order, lines * chunks, pairs, *rows, chunks, False)
        size *= 2
    return values, indices


def refuse_outside(ids: Array, size: int, message: str) -> None:
    """Raise an IndexError if any of the integer ids is outside [0, size)."""
    refuse(apply(f.outside, ids, size, dtype=BOOL), lambda: IndexError(message))
