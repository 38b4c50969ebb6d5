"""Rung 5, vectorized: loads of 128 bits, and the next tiles fetched while these are multiplied.

Decomposition: a block of 256 threads for a tile of SIDE x SIDE elements, 8 x 8 for each thread:
four neighbours and four more half a tile further, in either direction. Along the depth in steps of
STEP, with two buffers that take turns, so that one barrier per step is enough.
Work per element: k multiply-adds, 2 k / SIDE numbers from global memory and k / 4 from shared
memory, four by each load: 4 loads for 64 multiply-adds.
Limit: the arithmetic, if there are enough blocks for all processors. A small product has too few;
and registers leave room for at most two blocks on a processor, so that few other warps are there to
work while some wait.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...device import cuda, factory, intrinsics, jit
from ..index import at
from .product import bias_of, tile_of_block

THREADS = 256
SIDE = 128  # rows, and columns, of a block's tile of out
HALF = SIDE // 2
STEP = 8  # terms of the sums between two barriers
BUFFERS = (2, STEP, SIDE + 4)
OWN = 8  # rows, and columns, of a thread


@jit(device=True)
def fetch_own(x, z, first, start, deep, zero):
    """The thread's four numbers of the tile at rows (or columns) first and terms start; 0 outside.

    deep: whether the four are terms of one sum; otherwise they are the same term of four sums.
    """
    thread = cuda.threadIdx.x
    row = first + thread // 2 if deep else start + thread // 32
    column = start + thread % 2 * 4 if deep else first + thread % 32 * 4
    if row < x.shape[1] and column < x.shape[2]:
        return intrinsics.load4(x, (z, row, column))
    return zero, zero, zero, zero


@jit(device=True)
def put_own(tiles, buffer, four, deep):
    """Put what fetch_own fetched into a tile, whose first dim is the terms."""
    thread = cuda.threadIdx.x
    if deep:
        i = thread // 2
        k = thread % 2 * 4
        tiles[buffer, k, i] = four[0]
        tiles[buffer, k + 1, i] = four[1]
        tiles[buffer, k + 2, i] = four[2]
        tiles[buffer, k + 3, i] = four[3]
    else:
        place = (buffer, thread // 32, thread % 32 * 4)
        intrinsics.store4(tiles, place, four[0], four[1], four[2], four[3])


@jit(device=True)
def take_own(own, tiles, buffer, k, first, half):
    """own = eight numbers of term k of a tile: four from first on, four half a tile further."""
    own[0], own[1], own[2], own[3] = intrinsics.load4(tiles, (buffer, k, first))
    own[4], own[5], own[6], own[7] = intrinsics.load4(tiles, (buffer, k, first + half))


@jit(device=True)
def add_products(totals, a_own, b_own, a_tiles, b_tiles, buffer, k, row, column, half):
    """Add the k-th terms of a step to a thread's sums."""
    take_own(a_own, a_tiles, buffer, k, row, half)
    take_own(b_own, b_tiles, buffer, k, column, half)
    for i in range(OWN):
        for j in range(OWN):
            totals[i, j] += a_own[i] * b_own[j]


@jit(device=True)
def clear(totals):
    for i in range(OWN):
        for j in range(OWN):
            totals[i, j] = type(totals[i, j])(0)


@factory
def matmul(real: Any, finish: Any) -> Any:
    """OWN x OWN elements per thread, from two buffers that are filled in turn."""

    @jit(launch_bounds=(THREADS, 2 if real == np.float32 else 1))
    def vectorized_kernel(a, a_inner, a_swapped, b, b_inner, b_swapped, bias, out):
        a_tiles = cuda.shared.array(BUFFERS, real, alignment=16)
        b_tiles = cuda.shared.array(BUFFERS, real, alignment=16)
        totals = cuda.local.array((OWN, OWN), real)
        a_own = cuda.local.array(OWN, real)
        b_own = cuda.local.array(OWN, real)
        tx = cuda.threadIdx.x % 16 * 4
        ty = cuda.threadIdx.x // 16 * 4
        batch, m, n = out.shape
        depth = a.shape[1] if a_swapped else a.shape[2]
        a_deep = not a_swapped
        z, first_row, first_column = tile_of_block(out, SIDE)
        a_z = at(z, batch, a.shape[0], a_inner)
        b_z = at(z, batch, b.shape[0], b_inner)
        clear(totals)
        a_four = fetch_own(a, a_z, first_row, 0, a_deep, real(0))
        b_four = fetch_own(b, b_z, first_column, 0, b_swapped, real(0))
        put_own(a_tiles, 0, a_four, a_deep)
        put_own(b_tiles, 0, b_four, b_swapped)
        cuda.syncthreads()
        buffer = 0
        for start in range(STEP, depth + STEP, STEP):
            if start < depth:  # these arrive while the others are multiplied
                a_four = fetch_own(a, a_z, first_row, start, a_deep, real(0))
                b_four = fetch_own(b, b_z, first_column, start, b_swapped, real(0))
            for k in range(0, STEP, 2):
                add_products(totals, a_own, b_own, a_tiles, b_tiles, buffer, k, ty, tx, HALF)
                add_products(totals, a_own, b_own, a_tiles, b_tiles, buffer, k + 1, ty, tx, HALF)
            buffer = 1 - buffer
            if start < depth:
                put_own(a_tiles, buffer, a_four, a_deep)
                put_own(b_tiles, buffer, b_four, b_swapped)
            cuda.syncthreads()
        for j in range(OWN):
            column = first_column + j // 4 * HALF + tx + j % 4
            if column < n:
                extra = bias_of(bias, column, real(0))
                for i in range(OWN):
                    row = first_row + i // 4 * HALF + ty + i % 4
                    if row < m:
                        out[z, row, column] = finish(totals[i, j] + extra)

    return vectorized_kernel
