"""A row that a block keeps in its registers: read once, used as often as needed.

Each thread holds HELD elements of it. If the row length is a multiple of four, a thread reads and
writes four neighbours at a time, in 128 bits; otherwise one, next to those of its neighbours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..device import BLOCK, cuda, intrinsics, jit

HELD = 16  # elements per thread
LONGEST = HELD * BLOCK  # elements in a row that a block can hold


@jit(device=True)
def column_of(k, columns):
    """The column of a thread's element k; it may lie beyond the last one."""
    if columns % 4 == 0:
        return (k // 4 * cuda.blockDim.x + cuda.threadIdx.x) * 4 + k % 4
    return k * cuda.blockDim.x + cuda.threadIdx.x


@functools.cache
def holding(load: Callable[..., Any]) -> Any:
    """A device function that reads a row; load: from the stored dtype."""

    @jit(device=True)
    def hold(own, x, row, rest):
        """own = the thread's elements of a row of x (rows, columns), or rest beyond its end."""
        columns = x.shape[1]
        if columns % 4 == 0:
            for k in range(0, HELD, 4):
                column = column_of(k, columns)
                own[k], own[k + 1], own[k + 2], own[k + 3] = rest, rest, rest, rest
                if column < columns:
                    four = intrinsics.load4(x, (row, column))
                    own[k], own[k + 1] = load(four[0]), load(four[1])
                    own[k + 2], own[k + 3] = load(four[2]), load(four[3])
        else:
            for k in range(HELD):
                column = column_of(k, columns)
                own[k] = load(x[row, column]) if column < columns else rest

    return hold


@functools.cache
def releasing(store: Callable[..., Any]) -> Any:
    """A device function that writes a row; store: to the stored dtype."""

    @jit(device=True)
    def release(own, out, row):
        """Write the thread's elements to a row of out."""
        columns = out.shape[1]
        if columns % 4 == 0:
            for k in range(0, HELD, 4):
                column = column_of(k, columns)
                if column < columns:
                    intrinsics.store4(
                        out,
                        (row, column),
                        store(own[k]),
                        store(own[k + 1]),
                        store(own[k + 2]),
                        store(own[k + 3]),
                    )
        else:
            for k in range(HELD):
                column = column_of(k, columns)
                if column < columns:
                    out[row, column] = store(own[k])

    return release
