"""Products of batches of matrices, tile by tile through shared memory."""

from __future__ import annotations

from typing import Any

from ..device import TILE, cuda, factory, jit
from .index import at, divide

PADDED = (TILE, TILE + 1)  # a column of a tile then lies in different banks of shared memory


@factory
def matmul(real: Any) -> Any:
    """out[z] = a[z] b[z] + bias, each thread one element of out."""

    @jit
    def matmul_kernel(a, a_inner, a_swapped, b, b_inner, b_swapped, bias, out):
        """a (·, m, k), b (·, k, n), bias (n) or empty -> out (batch, m, n).

        A swapped operand is stored with its last two dims exchanged. a and b are repeated over the
        batch as `at` says. Blocks of TILE x TILE threads; blockIdx: a tile of out, and batch.
        """
        a_tile = cuda.shared.array(PADDED, real)
        b_tile = cuda.shared.array(PADDED, real)
        tx = cuda.threadIdx.x
        ty = cuda.threadIdx.y
        batch, m, n = out.shape
        depth = a.shape[1] if a_swapped else a.shape[2]
        tile_row, tile_column = divide(cuda.blockIdx.x, divide(n + TILE - 1, TILE)[0])
        first_row = tile_row * TILE
        first_column = tile_column * TILE
        z = cuda.blockIdx.y
        while z < batch:  # a grid has at most 65535 blocks in this direction
            a_z = at(z, batch, a.shape[0], a_inner)
            b_z = at(z, batch, b.shape[0], b_inner)
            total = real(0)
            for start in range(0, depth, TILE):
                # tx always runs along the stored last dim, so that a warp reads neighbours.
                a_value = real(0)
                if a_swapped:
                    if start + ty < depth and first_row + tx < m:
                        a_value = a[a_z, start + ty, first_row + tx]
                    a_tile[tx, ty] = a_value
                else:
                    if first_row + ty < m and start + tx < depth:
                        a_value = a[a_z, first_row + ty, start + tx]
                    a_tile[ty, tx] = a_value
                b_value = real(0)
                if b_swapped:
                    if first_column + ty < n and start + tx < depth:
                        b_value = b[b_z, first_column + ty, start + tx]
                    b_tile[tx, ty] = b_value
                else:
                    if start + ty < depth and first_column + tx < n:
                        b_value = b[b_z, start + ty, first_column + tx]
                    b_tile[ty, tx] = b_value
                cuda.syncthreads()
                for k in range(TILE):
                    total += a_tile[ty, k] * b_tile[k, tx]
                cuda.syncthreads()
            row = first_row + ty
            column = first_column + tx
            if row < m and column < n:
                if bias.size > 0:
                    total += bias[column]
                out[z, row, column] = total
            z += cuda.gridDim.y

    return matmul_kernel
