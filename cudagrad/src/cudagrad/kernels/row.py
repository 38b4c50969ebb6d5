"""A row that a block keeps in its registers: read once, looked at as often as need be.

Each thread holds HELD elements of it. Rows of a multiple of four elements are read and written by
128 bits, else by neighbouring threads one by one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..device import BLOCK, cuda, intrinsics, jit

HELD = 16  # elements of a thread
LONGEST = HELD * BLOCK  # elements of a row that a block can hold


@jit(device=True)
def column_of(k, columns):
    """Which of a row's columns is a thread's element k; it may lie behind the last one."""
    if columns % 4 == 0:
        return (k // 4 * cuda.blockDim.x + cuda.threadIdx.x) * 4 + k % 4
    return k * cuda.blockDim.x + cuda.threadIdx.x


@functools.cache
def holding(load: Callable[..., Any]) -> Any:
    """What reads a row; load: makes numbers of what is stored."""

    @jit(device=True)
    def hold(own, x, row, rest):
        """own = the thread's elements of a row of x (rows, columns), and rest where it has none."""
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
    """What writes a row; store: makes what is stored of numbers."""

    @jit(device=True)
    def release(own, out, row):
        """Write a thread's elements to a row of out."""
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
