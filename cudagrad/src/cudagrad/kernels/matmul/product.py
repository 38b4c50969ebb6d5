"""What the rungs share: their arguments, which tile a block computes, and a three-buffer pipeline.

Every kernel of the ladder computes out[z] = finish(a[z] b[z] + bias) and takes the same arguments:

    a, a_inner, a_swapped, b, b_inner, b_swapped, bias, out

a (·, m, k), b (·, k, n), bias (n) or empty -> out (batch, m, n). A swapped operand is stored with
its last two dims exchanged, and the kernels read it that way: it is never copied. a and b are
repeated over the batch as `index.at` says, with a_inner and b_inner. A block computes one tile of
out; tiles are numbered row by row, and one matrix of the batch after the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...device import cuda, intrinsics, jit
from ..index import divide

DOWN = 4  # fragments of a warp on tensor cores, below each other
BESIDE = 8  # and beside each other


@jit(device=True)
def tile_of_block(out, side):
    """The matrix of the block's tile, of side x side, and the tile's first row and column."""
    across = divide(out.shape[2] + side - 1, side)[0]
    down = divide(out.shape[1] + side - 1, side)[0]
    z, tile = divide(cuda.blockIdx.x, across * down)
    row, column = divide(tile, across)
    return z, row * side, column * side


@jit(device=True)
def element(x, z, row, column, swapped):
    """An element of a matrix of x."""
    return x[z, column, row] if swapped else x[z, row, column]


@jit(device=True)
def bias_of(bias, column, zero):
    """What is added to a column of the product: zero if bias is empty."""
    return bias[column] if bias.size > 0 else zero


@jit(device=True)
def bias_within(bias, column, zero):
    """The same of a column that may lie beyond the last one, where it is zero, too."""
    return bias[column] if column < bias.size else zero


def by_turns(step: int, copy_tile: Any, multiply: Any) -> Any:
    """A device function that sums up a tile's products step by step along the depth.

    Three buffers take turns: while one is multiplied, the next two are being filled by asynchronous
    copies, which pass through no register. One barrier per step is enough, because a copy goes to
    the buffer of the step before, which all threads have left when they meet at the barrier.

    copy_tile(tiles, buffer, x, z, first, start, deep) begins to copy, of the rows (or columns) from
    first on, the terms from start on; deep: whether the rows of x in memory are along the depth.
    multiply(a_tiles, b_tiles, buffer, a_own, a_deep, b_own, b_deep, totals) adds the products of a
    step to a thread's totals; a_own, b_own: where in a tile the part that it multiplies begins.
    """

    @jit(device=True)
    def sum_up(
        a_tiles, a, a_z, first_row, a_own, a_deep,
        b_tiles, b, b_z, first_column, b_own, b_deep, depth, totals,
    ):  # fmt: skip
        """totals = the thread's sums over the whole depth."""
        for i in range(totals.shape[0]):
            for j in range(totals.shape[1]):
                for part in range(totals.shape[2]):
                    totals[i, j, part] = np.float32(0)
        for ahead in range(2):
            if ahead * step < depth:
                copy_tile(a_tiles, ahead, a, a_z, first_row, ahead * step, a_deep)
                copy_tile(b_tiles, ahead, b, b_z, first_column, ahead * step, b_deep)
            intrinsics.commit_copies()
        buffer = 0
        for start in range(0, depth, step):
            intrinsics.wait_but_latest()  # this step's tiles have arrived, the next ones need not
            cuda.syncthreads()
            free = buffer - 1 if buffer > 0 else 2  # the step before's, which all have read
            if start + 2 * step < depth:
                copy_tile(a_tiles, free, a, a_z, first_row, start + 2 * step, a_deep)
                copy_tile(b_tiles, free, b, b_z, first_column, start + 2 * step, b_deep)
            intrinsics.commit_copies()
            multiply(a_tiles, b_tiles, buffer, a_own, a_deep, b_own, b_deep, totals)
            buffer = buffer + 1 if buffer < 2 else 0

    return sum_up


def by_fragments(mma: Any) -> Any:
    """A device function that adds the products of a warp's fragments to its totals.

    mma: an instruction, which takes four registers of a, two of b, and four sums. Two of b's
    fragments, next to each other, are a row of four registers.
    """

    @jit(device=True)
    def multiply(a, b, totals):
        for j in range(BESIDE):
            for i in range(DOWN):
                done = mma(
                    a[i, 0], a[i, 1], a[i, 2], a[i, 3],
                    b[j // 2, j % 2 * 2], b[j // 2, j % 2 * 2 + 1],
                    totals[i, j, 0], totals[i, j, 1], totals[i, j, 2], totals[i, j, 3],
                )  # fmt: skip
                totals[i, j, 0], totals[i, j, 1] = done[0], done[1]
                totals[i, j, 2], totals[i, j, 3] = done[2], done[3]

    return multiply
