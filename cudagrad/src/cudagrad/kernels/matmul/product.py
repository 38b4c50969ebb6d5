"""What the rungs share: a matrix of a batch, where in the result a block stands, three buffers.

Every kernel of the ladder computes out[z] = finish(a[z] b[z] + bias) and takes the same arguments:

    a, a_inner, a_swapped, b, b_inner, b_swapped, bias, out

a (·, m, k), b (·, k, n), bias (n) or empty -> out (batch, m, n). A swapped operand is stored with
its last two dims exchanged, and is read so: nobody copies it. a and b are repeated over the batch
as `index.at` says, with a_inner and b_inner. A block computes one tile of out; they are counted row
by row, and one matrix of the batch after the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...device import cuda, intrinsics, jit
from ..index import divide


@jit(device=True)
def tile_of_block(out, side):
    """The matrix of the block's tile, and the tile's first row and column; it is side x side."""
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
    """What is added to a column of the product."""
    return bias[column] if bias.size > 0 else zero


def by_turns(step: int, copy_tile: Any, multiply: Any) -> Any:
    """What sums up a tile's products in steps along the depth, by turns in three buffers.

    While one is multiplied, the copies into the next two are on their way, through no register; and
    one barrier a step is enough, because nobody copies to where the step before may still be read.

    copy_tile(tiles, buffer, x, z, first, start, deep) begins to copy the terms from start on of the
    rows, or columns, from first on; deep: lines of x are along the depth. multiply(a_tiles,
    b_tiles, buffer, a_own, a_deep, b_own, b_deep, totals) adds their products to a thread's totals;
    a_own, b_own: where in a tile begins what it multiplies.
    """

    @jit(device=True)
    def sum_up(
        a_tiles, a, a_z, first_row, a_own, a_deep,
        b_tiles, b, b_z, first_column, b_own, b_deep, depth, totals,
    ):  # fmt: skip
        """totals = the thread's sums over all of the depth."""
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
            intrinsics.wait_but_latest()  # the tiles of this step are there, not the next ones
            cuda.syncthreads()
            free = buffer - 1 if buffer > 0 else 2  # which all have multiplied the step before
            if start + 2 * step < depth:
                copy_tile(a_tiles, free, a, a_z, first_row, start + 2 * step, a_deep)
                copy_tile(b_tiles, free, b, b_z, first_column, start + 2 * step, b_deep)
            intrinsics.commit_copies()
            multiply(a_tiles, b_tiles, buffer, a_own, a_deep, b_own, b_deep, totals)
            buffer = buffer + 1 if buffer < 2 else 0

    return sum_up
