"""Rung 6, tensor cores: a warp multiplies 16 x 8 fragments by one instruction.

Decomposition: a block of 8 warps for a tile of SIDE x SIDE; a warp has 64 x 32 of it, in 4 x 4
fragments, spread over its threads' registers as the PTX ISA says for mma.m16n8k8 and m16n8k16.
Along the depth in steps of STEP, by turns in one of two buffers: the copies into one are on their
way, through no register, while the other is multiplied.
Work for an element: k multiply-adds, of which an instruction does 1024 (TF32) or 2048 (bfloat16);
2 k / SIDE numbers from global memory. Products are of numbers rounded to 10 (TF32) or 7 (bfloat16)
bits behind the point; they are exact, and summed in float32.
Limit: shared memory, from which every number is read 2 or 4 times, one by one, and rounded on the
way; and mma itself, which on Hopper does not reach what the newer wgmma does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...device import cuda, factory, intrinsics, jit
from ..index import at
from .product import bias_of, tile_of_block
from .vectorized import fetch

THREADS = 256
SIDE = 128  # rows, and columns, of a block's tile of out
STEP = 16  # terms of the sums between two barriers
# How far apart neighbours in a line are, and lines: they lie as in the operand, lines of terms or
# lines across. Either way a warp that reads a fragment meets 32 banks.
DEEP_LINE, WIDE_LINE = STEP + 4, SIDE + 8
BUFFERS = (2, SIDE * DEEP_LINE)
DOWN, ALONG = 4, 4  # fragments of a warp


@jit(device=True)
def copy_tile(tiles, buffer, x, z, first, start, deep):
    """Begin to copy what rows, or columns, from first on have from term start on; 0 outside."""
    rows, columns = x.shape[1], x.shape[2]
    for part in range(SIDE * STEP // 4 // THREADS):
        spot = part * THREADS + cuda.threadIdx.x
        if deep:
            line = spot // (STEP // 4)
            inside = spot % (STEP // 4) * 4
            place = line * DEEP_LINE + inside
            row = first + line
            column = start + inside
        else:
            line = spot // (SIDE // 4)
            inside = spot % (SIDE // 4) * 4
            place = line * WIDE_LINE + inside
            row = start + line
            column = first + inside
        if row < rows and column < columns and columns % 4 == 0:
            intrinsics.copy_async4(tiles, (buffer, place), x, (z, row, column))
        else:
            four = fetch(x, z, row, column, np.float32(0))
            intrinsics.store4(tiles, (buffer, place), four[0], four[1], four[2], four[3])


@jit(device=True)
def spot(first, i, across, k, along):
    """Where in a tile a number stands, i lines and k terms from a thread's first one.

    In 32 bits, because the compiler keeps many of these in registers.
    """
    return np.uint32(np.uint32(first) + np.uint32(i) * across + np.uint32(k) * along)


@jit(device=True)
def tf32(a, b, buffer, a_row, a_across, a_along, b_column, b_across, b_along, totals):
    """Add the products of a step to a warp's fragments.

    a, b: tiles, in which a number of the next row of a, or column of b, is `across` further, and
    that of the next term `along`. a_row, b_column: the thread's first of them.
    """
    member = cuda.threadIdx.x % 4
    a_first = a_row * a_across + member * a_along
    b_first = b_column * b_across + member * b_along
    fragments = cuda.local.array((DOWN, 4), np.float32)
    for k in range(0, STEP, 8):
        for i in range(DOWN):
            for part in range(4):  # the second row is 8 below, the second term 4 further
                place = spot(a_first, 16 * i + part % 2 * 8, a_across, k + part // 2 * 4, a_along)
                fragments[i, part] = intrinsics.to_tf32(a[buffer, place])
        for j in range(ALONG):
            b0 = intrinsics.to_tf32(b[buffer, spot(b_first, 8 * j, b_across, k, b_along)])
            b1 = intrinsics.to_tf32(b[buffer, spot(b_first, 8 * j, b_across, k + 4, b_along)])
            for i in range(DOWN):
                done = intrinsics.mma_tf32(
                    fragments[i, 0],
                    fragments[i, 1],
                    fragments[i, 2],
                    fragments[i, 3],
                    b0,
                    b1,
                    totals[i, j, 0],
                    totals[i, j, 1],
                    totals[i, j, 2],
                    totals[i, j, 3],
                )
                keep(totals, i, j, done)


@jit(device=True)
def bfloat16(a, b, buffer, a_row, a_across, a_along, b_column, b_across, b_along, totals):
    """As tf32, with numbers rounded to bfloat16, of which a register holds two."""
    member = cuda.threadIdx.x % 4
    a_first = a_row * a_across + 2 * member * a_along
    b_first = b_column * b_across + 2 * member * b_along
    fragments = cuda.local.array((DOWN, 4), np.uint32)
    for i in range(DOWN):
        for part in range(4):  # the second row is 8 below, the second pair of terms 8 further
            place = spot(a_first, 16 * i + part % 2 * 8, a_across, part // 2 * 8, a_along)
            fragments[i, part] = pair(a, buffer, place, a_along)
    for j in range(ALONG):
        b0 = pair(b, buffer, spot(b_first, 8 * j, b_across, 0, b_along), b_along)
        b1 = pair(b, buffer, spot(b_first, 8 * j, b_across, 8, b_along), b_along)
        for i in range(DOWN):
            done = intrinsics.mma_bfloat16(
                fragments[i, 0],
                fragments[i, 1],
                fragments[i, 2],
                fragments[i, 3],
                b0,
                b1,
                totals[i, j, 0],
                totals[i, j, 1],
                totals[i, j, 2],
                totals[i, j, 3],
            )
            keep(totals, i, j, done)


@jit(device=True)
def pair(tiles, buffer, place, along):
    """Two neighbours along the depth as bfloat16."""
    other = np.uint32(place + along)
    return intrinsics.pack_bfloat16(tiles[buffer, place], tiles[buffer, other])


@jit(device=True)
def keep(totals, i, j, fragment):
    """Write what a thread has of a fragment."""
    totals[i, j, 0] = fragment[0]
    totals[i, j, 1] = fragment[1]
    totals[i, j, 2] = fragment[2]
    totals[i, j, 3] = fragment[3]


@factory
def matmul(multiply: Any, finish: Any) -> Any:
    """Fragments for each warp; multiply: tf32 or bfloat16."""

    @jit(device=True)
    def write(out, bias, z, row, first, totals, j):
        """Finish and write what a thread has of the fragments below each other."""
        for right in range(2):
            column = first + 8 * j + right
            if column < out.shape[2]:
                extra = bias_of(bias, column, np.float32(0))
                for i in range(DOWN):
                    for down in range(2):
                        place = row + 16 * i + 8 * down
                        if place < out.shape[1]:
                            total = totals[i, j, 2 * down + right] + extra
                            out[z, place, column] = finish(total)

    @jit
    def fragment_kernel(a, a_inner, a_swapped, b, b_inner, b_swapped, bias, out):
        a_tiles = cuda.shared.array(BUFFERS, np.float32, alignment=16)
        b_tiles = cuda.shared.array(BUFFERS, np.float32, alignment=16)
        totals = cuda.local.array((DOWN, ALONG, 4), np.float32)
        warp = cuda.threadIdx.x // 32
        group = cuda.threadIdx.x % 32 // 4
        a_row = warp // 4 * (16 * DOWN) + group
        b_column = warp % 4 * (8 * ALONG) + group
        batch = out.shape[0]
        depth = a.shape[1] if a_swapped else a.shape[2]
        a_deep = not a_swapped
        a_across = np.uint32(DEEP_LINE if a_deep else 1)
        a_along = np.uint32(1 if a_deep else WIDE_LINE)
        b_across = np.uint32(DEEP_LINE if b_swapped else 1)
        b_along = np.uint32(1 if b_swapped else WIDE_LINE)
        z, first_row, first_column = tile_of_block(out, SIDE)
        a_z = at(z, batch, a.shape[0], a_inner)
        b_z = at(z, batch, b.shape[0], b_inner)
        for i in range(DOWN):
            for j in range(ALONG):
                for part in range(4):
                    totals[i, j, part] = np.float32(0)
        copy_tile(a_tiles, 0, a, a_z, first_row, 0, a_deep)
        copy_tile(b_tiles, 0, b, b_z, first_column, 0, b_swapped)
        intrinsics.commit_copies()
        buffer = 0
        for start in range(STEP, depth + STEP, STEP):
            if start < depth:
                copy_tile(a_tiles, 1 - buffer, a, a_z, first_row, start, a_deep)
                copy_tile(b_tiles, 1 - buffer, b, b_z, first_column, start, b_swapped)
            intrinsics.commit_copies()
            intrinsics.wait_but_latest()  # the tiles of this step are there, not the next ones
            cuda.syncthreads()
            multiply(
                a_tiles,
                b_tiles,
                buffer,
                a_row,
                a_across,
                a_along,
                b_column,
                b_across,
                b_along,
                totals,
            )
            cuda.syncthreads()
            buffer = 1 - buffer
        row = first_row + a_row
        column = first_column + b_column - group + cuda.threadIdx.x % 4 * 2
        # No loop: one so long is not unrolled, and registers cannot be counted through.
        write(out, bias, z, row, column, totals, 0)
        write(out, bias, z, row, column, totals, 1)
        write(out, bias, z, row, column, totals, 2)
        write(out, bias, z, row, column, totals, 3)

    return fragment_kernel
