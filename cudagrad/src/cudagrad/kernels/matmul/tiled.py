"""Rung 3, tiled: a block fetches a tile of a and one of b into shared memory, for all its threads.

Decomposition: TILE x TILE threads for TILE x TILE elements of out. They go along the depth in steps
of TILE; in each a thread fetches one number of a and one of b, waits for the others, and adds TILE
products to its sum.
Work per element: k multiply-adds, 2 k / TILE numbers from global memory, 2 k from shared memory.
bfloat16 is widened to float32 on its way into the tiles.
Limit: loads from shared memory. Every multiply-add still needs two of them, so two thirds of the
instructions that a warp issues in its inner loop are not arithmetic.
"""

from __future__ import annotations

from typing import Any

from ...device import TILE, cuda, factory, jit
from ..index import at
from ..storage import access
from .product import bias_of, tile_of_block

PADDED = (TILE, TILE + 1)  # so that the numbers of a column lie in different banks


@factory
def matmul(stored: Any, finish: Any) -> Any:
    """One element per thread, from tiles that the block shares; stored: the operands' dtype."""
    real, load, _ = access(stored)

    @jit
    def tiled_kernel(a, a_inner, a_swapped, b, b_inner, b_swapped, bias, out):
        a_tile = cuda.shared.array(PADDED, real)
        b_tile = cuda.shared.array(PADDED, real)
        tx = cuda.threadIdx.x
        ty = cuda.threadIdx.y
        batch, m, n = out.shape
        depth = a.shape[1] if a_swapped else a.shape[2]
        z, first_row, first_column = tile_of_block(out, TILE)
        a_z = at(z, batch, a.shape[0], a_inner)
        b_z = at(z, batch, b.shape[0], b_inner)
        total = real(0)
        for start in range(0, depth, TILE):
            # tx always runs along the last dim in memory, so that a warp reads neighbours.
            a_value = real(0)
            if a_swapped:
                if start + ty < depth and first_row + tx < m:
                    a_value = load(a[a_z, start + ty, first_row + tx])
                a_tile[tx, ty] = a_value
            else:
                if first_row + ty < m and start + tx < depth:
                    a_value = load(a[a_z, first_row + ty, start + tx])
                a_tile[ty, tx] = a_value
            b_value = real(0)
            if b_swapped:
                if first_column + ty < n and start + tx < depth:
                    b_value = load(b[b_z, first_column + ty, start + tx])
                b_tile[tx, ty] = b_value
            else:
                if start + ty < depth and first_column + tx < n:
                    b_value = load(b[b_z, start + ty, first_column + tx])
                b_tile[ty, tx] = b_value
            cuda.syncthreads()
            for k in range(TILE):
                total += a_tile[ty, k] * b_tile[k, tx]
            cuda.syncthreads()
        row = first_row + ty
        column = first_column + tx
        if row < m and column < n:
            extra = load(bias_of(bias, column, stored(0)))
            out[z, row, column] = finish(total + extra)

    return tiled_kernel
