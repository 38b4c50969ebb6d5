"""Rung 4, register-tiled: a thread computes 4 x 4 elements, and uses each number it reads 4 times.

Decomposition: a block of 16 x 16 threads for a tile of SIDE x SIDE elements; along the depth in
steps of STEP. A thread's rows lie 16 apart, and so do its columns, so that neighbouring threads
read neighbouring columns.
Work per element: k multiply-adds, 2 k / SIDE numbers from global memory, and k / 2 from shared
memory, because 4 numbers of a and 4 of b make 16 products.
Limit: instructions. Each load fetches a single number, so a third of what a warp issues are loads;
and all threads wait at the barrier while the next tiles are on their way.
"""

from __future__ import annotations

from typing import Any

from ...device import cuda, factory, jit
from ..index import at
from .product import bias_of, tile_of_block

THREADS = (16, 16)
SIDE = 64  # rows, and columns, of a block's tile of out
OWN = 4  # rows, and columns, of a thread
STEP = 8  # terms of the sums between two barriers
PADDED = (STEP, SIDE + 4)  # see fill


@jit(device=True)
def fill(tile, x, z, first, start, deep, zero):
    """tile[k, i] = the operand's factor in term start + k of row (or column) first + i of out.

    deep: whether the terms of one sum are neighbours in memory: they are in a as it is, and in b if
    swapped. Numbers outside the matrix are zero. If deep, a warp writes 8 terms of 4 rows at a
    time: with 4 unused numbers after each term they lie in 32 different banks.
    """
    rows, columns = x.shape[1], x.shape[2]
    thread = cuda.threadIdx.y * 16 + cuda.threadIdx.x
    for part in range(SIDE * STEP // 256):
        spot = part * 256 + thread
        # Neighbouring threads read neighbours in memory.
        i = spot // STEP if deep else spot % SIDE
        k = spot % STEP if deep else spot // SIDE
        row = first + i if deep else start + k
        column = start + k if deep else first + i
        value = zero
        if row < rows and column < columns:
            value = x[z, row, column]
        tile[k, i] = value


@factory
def matmul(real: Any, finish: Any) -> Any:
    """OWN x OWN elements per thread, kept in registers while the tiles pass by."""

    @jit
    def register_kernel(a, a_inner, a_swapped, b, b_inner, b_swapped, bias, out):
        a_tile = cuda.shared.array(PADDED, real)
        b_tile = cuda.shared.array(PADDED, real)
        totals = cuda.local.array((OWN, OWN), real)
        a_own = cuda.local.array(OWN, real)
        tx = cuda.threadIdx.x
        ty = cuda.threadIdx.y
        batch, m, n = out.shape
        depth = a.shape[1] if a_swapped else a.shape[2]
        z, first_row, first_column = tile_of_block(out, SIDE)
        a_z = at(z, batch, a.shape[0], a_inner)
        b_z = at(z, batch, b.shape[0], b_inner)
        for i in range(OWN):
            for j in range(OWN):
                totals[i, j] = real(0)
        for start in range(0, depth, STEP):
            fill(a_tile, a, a_z, first_row, start, not a_swapped, real(0))
            fill(b_tile, b, b_z, first_column, start, b_swapped, real(0))
            cuda.syncthreads()
            for k in range(STEP):
                for i in range(OWN):
                    a_own[i] = a_tile[k, ty + 16 * i]
                for j in range(OWN):
                    b_value = b_tile[k, tx + 16 * j]
                    for i in range(OWN):
                        totals[i, j] += a_own[i] * b_value
            cuda.syncthreads()
        for j in range(OWN):
            column = first_column + tx + 16 * j
            if column < n:
                extra = bias_of(bias, column, real(0))
                for i in range(OWN):
                    row = first_row + ty + 16 * i
                    if row < m:
                        out[z, row, column] = finish(totals[i, j] + extra)

    return register_kernel
