"""Rung 7, bfloat16 in memory: tensor cores take the numbers as they are stored, without rounding.

Decomposition: as rung 6, a block of 4 warps for a tile of SIDE x SIDE elements, a warp for a
quarter of it in 4 x 8 fragments. Along the depth in steps of STEP, three buffers taking turns.
Work per element: k multiply-adds, of which an instruction does 2048; 2 k / SIDE numbers from global
memory, eight by each copy, and k / 32 from shared memory, in half of rung 6's bytes. ldmatrix gives
a warp four matrices of 8 x 8 numbers, in the very registers where mma.m16n8k16 expects them, and
transposes them on the way where lines are across the depth.
Limit: not measured yet on any GPU. Rung 6, which rounds in addition, reaches 148 TFLOP/s in
bfloat16 at 2048, a fifth of what an H100 can do: benchmarks/2026-11-27-h100.md.

A line is a row of an operand in memory. In a tile it consists of pieces of eight numbers, 16 bytes:
a piece is what one instruction copies, and what a lane points ldmatrix to. Eight pieces that are
read together lie in eight lines. So that they do not meet in the same banks, a piece's place within
its line is permuted by the number of the line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...device import cuda, factory, intrinsics, jit
from ..index import at, first_own, next_own
from ..storage import widen
from .product import BESIDE, DOWN, bias_within, by_fragments, by_turns, tile_of_block

THREADS = 128
SIDE = 128  # rows, and columns, of a block's tile of out
STEP = 32  # terms of the sums between two barriers
BUFFERS = (3, SIDE * STEP)
PIECE = 8
PARTS = SIDE * STEP // PIECE // THREADS  # pieces of a tile that a thread copies


@jit(device=True)
def place_of(line, piece, deep):
    """Where a piece is stored in a tile; deep: whether lines are along the depth."""
    line, piece = np.uint32(line), np.uint32(piece)
    if deep:
        moved = piece ^ (line // np.uint32(2) % np.uint32(4))
        return np.uint32(line * np.uint32(STEP) + moved * np.uint32(PIECE))
    moved = piece ^ (line % np.uint32(8))
    return np.uint32(line * np.uint32(SIDE) + moved * np.uint32(PIECE))


@jit(device=True)
def copy_pieces(tiles, buffer, x, z, first, start, deep):
    """Begin to copy, of the rows (or columns) from first on, the terms from start on; 0 outside."""
    rows, columns = np.uint32(x.shape[1]), np.uint32(x.shape[2])
    thread = np.uint32(cuda.threadIdx.x)
    pieces = np.uint32(STEP // PIECE) if deep else np.uint32(SIDE // PIECE)  # per line
    lines = np.uint32(THREADS) // pieces
    line, piece = thread // pieces, np.uint32(thread % pieces)
    row = np.uint32(np.uint32(first if deep else start) + line)
    column = np.uint32(np.uint32(start if deep else first) + piece * np.uint32(PIECE))
    place = place_of(line, piece, deep)
    for part in range(PARTS):  # after `lines` lines the permutation repeats
        there = np.uint32(row + np.uint32(part) * lines)
        moved = np.uint64(place) + np.uint64(part * THREADS * PIECE)
        known = there < rows and column < columns
        intrinsics.copy_async8(tiles, (buffer, moved), x, (z, there, column), known)


@jit(device=True)
def copy_singly(tiles, buffer, x, z, first, start, deep):
    """As copy_pieces, one by one, for rows that do not all begin at a multiple of 16 bytes."""
    rows, columns = x.shape[1], x.shape[2]
    spot = first_own()
    while spot < SIDE * STEP:
        line = spot // STEP if deep else spot // SIDE
        inside = spot % STEP if deep else spot % SIDE
        place = place_of(line, inside // PIECE, deep) + inside % PIECE
        row = line + (first if deep else start)
        column = inside + (start if deep else first)
        known = row < rows and column < columns
        tiles[buffer, place] = x[z, row, column] if known else np.uint16(0)
        spot = next_own(spot)


@jit(device=True)
def copy_tile(tiles, buffer, x, z, first, start, deep):
    if x.shape[2] % PIECE == 0:
        copy_pieces(tiles, buffer, x, z, first, start, deep)
    else:
        copy_singly(tiles, buffer, x, z, first, start, deep)


@jit(device=True)
def place_of_lane(first, deep, columns_next):
    """Where the piece is stored that a lane points ldmatrix to, for a warp's first four matrices.

    The four are the first one, its neighbour along the lines, its neighbour across them, and the
    one beyond both; each goes to one register of mma. columns_next: whether the neighbour along
    the lines comes second, before the one across, as mma's order of registers for a and b demands.
    """
    lane = np.uint32(cuda.threadIdx.x % 32)
    inner, lower, upper = (
        lane % np.uint32(8),
        lane // np.uint32(8) % np.uint32(2),
        lane // np.uint32(16),
    )
    line = np.uint32(inner + np.uint32(8) * (upper if columns_next else lower))
    piece = lower if columns_next else upper
    if deep:
        return place_of(np.uint32(first) + line, piece, deep)
    return place_of(line, np.uint32(np.uint32(first // PIECE) + piece), deep)


@jit(device=True)
def take(own, tiles, buffer, place, half, deep):
    """own[i] = the four registers of the i-th 16 rows (or columns), for half of a step's terms."""
    for i in range(4):
        if deep:
            spot = np.uint64(place ^ np.uint32(16 * half)) + np.uint64(16 * STEP * i)
            first, second, third, fourth = intrinsics.load_matrices(tiles, (buffer, spot))
        else:
            spot = np.uint64(place ^ np.uint32(16 * i)) + np.uint64(16 * SIDE * half)
            first, second, third, fourth = intrinsics.load_transposed(tiles, (buffer, spot))
        own[i, 0], own[i, 1], own[i, 2], own[i, 3] = first, second, third, fourth


multiply_half = by_fragments(intrinsics.mma_bfloat16)


@jit(device=True)
def multiply(a_tiles, b_tiles, buffer, a_place, a_deep, b_place, b_deep, totals):
    """Add the products of a step to a warp's fragments."""
    a = cuda.local.array((4, 4), np.uint32)
    b = cuda.local.array((4, 4), np.uint32)
    take(a, a_tiles, buffer, a_place, 0, a_deep)
    take(b, b_tiles, buffer, b_place, 0, b_deep)
    multiply_half(a, b, totals)
    take(a, a_tiles, buffer, a_place, 1, a_deep)
    take(b, b_tiles, buffer, b_place, 1, b_deep)
    multiply_half(a, b, totals)


@factory
def matmul(a_deep: int, b_deep: int, finish: Any) -> Any:
    """4 x 8 fragments per warp, for one layout of a and b.

    a_deep, b_deep: 1 if an operand's lines are along the depth, 0 if across it.
    """
    sum_up = by_turns(STEP, copy_tile, multiply)

    @jit(device=True)
    def write_pair(out, z, row, column, left, right):
        """Finish and write two neighbours, by one access if the row length is even."""
        if row < out.shape[1] and column < out.shape[2]:
            left_done, right_done = finish(left), finish(right)
            if out.shape[2] % 2 == 0:
                intrinsics.store2(out, (z, row, column), left_done, right_done)
            else:
                out[z, row, column] = left_done
                if column + 1 < out.shape[2]:
                    out[z, row, column + 1] = right_done

    @jit(device=True)
    def write(out, bias, z, first_row, first_column, totals, i):
        """Write a warp's i-th fragments, of 16 rows."""
        lane = cuda.threadIdx.x % 32
        row = first_row + 16 * i + lane // 4
        column = first_column + lane % 4 * 2
        zero = np.uint16(0)
        for j in range(BESIDE):
            own = column + 8 * j
            left = widen(bias_within(bias, own, zero))
            right = widen(bias_within(bias, own + 1, zero))
            write_pair(out, z, row, own, totals[i, j, 0] + left, totals[i, j, 1] + right)
            write_pair(out, z, row + 8, own, totals[i, j, 2] + left, totals[i, j, 3] + right)

    @jit
    def stored_kernel(a, a_inner, a_swapped, b, b_inner, b_swapped, bias, out):
        a_tiles = cuda.shared.array(BUFFERS, np.uint16, alignment=16)
        b_tiles = cuda.shared.array(BUFFERS, np.uint16, alignment=16)
        totals = cuda.local.array((DOWN, BESIDE, 4), np.float32)
        warp = cuda.threadIdx.x // 32
        a_first = warp // 2 * 64
        b_first = warp % 2 * 64
        a_place = place_of_lane(a_first, a_deep, not a_deep)
        b_place = place_of_lane(b_first, b_deep, b_deep)
        batch = out.shape[0]
        depth = a.shape[2] if a_deep else a.shape[1]
        z, first_row, first_column = tile_of_block(out, SIDE)
        a_z = at(z, batch, a.shape[0], a_inner)
        b_z = at(z, batch, b.shape[0], b_inner)
        sum_up(
            a_tiles, a, a_z, first_row, a_place, a_deep,
            b_tiles, b, b_z, first_column, b_place, b_deep, depth, totals,
        )  # fmt: skip
        # No loop: the sums are in registers, which cannot be indexed by a variable.
        write(out, bias, z, first_row + a_first, first_column + b_first, totals, 0)
        write(out, bias, z, first_row + a_first, first_column + b_first, totals, 1)
        write(out, bias, z, first_row + a_first, first_column + b_first, totals, 2)
        write(out, bias, z, first_row + a_first, first_column + b_first, totals, 3)

    return stored_kernel
