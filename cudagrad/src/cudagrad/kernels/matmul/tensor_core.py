"""Rung 6, tensor cores: a whole warp computes fragments of 16 x 8 elements, by one instruction.

Decomposition: a block of 4 warps for a tile of SIDE x SIDE elements. A warp has a quarter of it,
64 x 64, in 4 x 8 fragments, spread over its threads' registers as the PTX ISA says for mma.m16n8k8
and m16n8k16. Along the depth in steps of STEP, with three buffers that take turns, filled by copies
that go on while another buffer is multiplied: see product.by_turns.
Work per element: k multiply-adds, of which an instruction does 1024 (TF32) or 2048 (bfloat16);
2 k / SIDE numbers from global memory, four by each copy, and k / 32 from shared memory. Operands
are rounded to 10 (TF32) or 7 (bfloat16) bits after the binary point; their products are exact, and
summed in float32.
Limit: instructions. Besides mma there is a load for each number, and its rounding: two of them for
one number in TF32, one for two numbers in bfloat16. With twice as many in all, an H100 reached 106
TFLOP/s in TF32 at 2048 and 148 in bfloat16, 0.23 and 0.20 of what it can do by the newer wgmma:
benchmarks/2026-11-27-h100.md. It has not been measured since.

mma takes its operands from registers that follow each other. So each number is loaded by itself, to
the very register, and rounded there. To load four at once saves less than it costs to move them:
neighbours in memory are of one row, but neighbours among the registers of two.

A line is a row of an operand in memory. A kernel is made for lines along the depth, and another for
lines across it, because the places of a thread's numbers are then constants apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...device import cuda, factory, intrinsics, jit
from ..index import at, first_own, next_own, put
from .product import BESIDE, DOWN, bias_within, by_fragments, by_turns, tile_of_block

THREADS = 128
SIDE = 128  # rows, and columns, of a block's tile of out
STEP = 16  # terms of the sums between two barriers
BUFFERS = (3, SIDE * STEP)
OWN = (4, 4)  # a thread's numbers of an operand: four for a fragment of a, or for two of b


@jit(device=True)
def place_of(line, inside, deep):
    """Where a number is stored in a tile; deep: whether lines are along the depth.

    Lines are permuted, lest the threads of a warp, which read 8 rows at 4 terms, meet in a bank:
    by fours if they are along the depth, else by eights. Fours stay together, as they are copied.
    """
    line, inside = np.uint32(line), np.uint32(inside)
    if deep:
        moved = inside ^ np.uint32(line // np.uint32(2) % np.uint32(4) * np.uint32(4))
        return np.uint32(line * np.uint32(STEP) + moved)
    return np.uint32(
        line * np.uint32(SIDE) + (inside ^ np.uint32(line % np.uint32(4) * np.uint32(8)))
    )


@jit(device=True)
def copy_fours(tiles, buffer, x, z, first, start, deep):
    """Begin to copy, of the rows (or columns) from first on, the terms from start on; 0 outside."""
    rows, columns = np.uint32(x.shape[1]), np.uint32(x.shape[2])
    thread = np.uint32(cuda.threadIdx.x)
    fours = np.uint32(STEP // 4) if deep else np.uint32(SIDE // 4)  # per line
    lines = np.uint32(THREADS // (STEP // 4)) if deep else np.uint32(THREADS // (SIDE // 4))
    line, inside = thread // fours, np.uint32(thread % fours * np.uint32(4))
    row = np.uint32(np.uint32(first if deep else start) + line)
    column = np.uint32(np.uint32(start if deep else first) + inside)
    place = place_of(line, inside, deep)
    for part in range(SIDE * STEP // 4 // THREADS):  # after `lines` lines the permutation repeats
        there = np.uint32(row + np.uint32(part) * lines)
        moved = np.uint64(place) + np.uint64(part * THREADS * 4)
        known = there < rows and column < columns
        intrinsics.copy_async4(tiles, (buffer, moved), x, (z, there, column), known)


@jit(device=True)
def copy_singly(tiles, buffer, x, z, first, start, deep):
    """As copy_fours, one by one, for rows that do not all begin at a multiple of 16 bytes."""
    rows, columns = x.shape[1], x.shape[2]
    spot = first_own()
    while spot < SIDE * STEP:
        line = spot // STEP if deep else spot // SIDE
        inside = spot % STEP if deep else spot % SIDE
        row = line + (first if deep else start)
        column = inside + (start if deep else first)
        known = row < rows and column < columns
        tiles[buffer, place_of(line, inside, deep)] = x[z, row, column] if known else np.float32(0)
        spot = next_own(spot)


@jit(device=True)
def copy_tile(tiles, buffer, x, z, first, start, deep):
    if x.shape[2] % 4 == 0:
        copy_fours(tiles, buffer, x, z, first, start, deep)
    else:
        copy_singly(tiles, buffer, x, z, first, start, deep)


@jit(device=True)
def place_of_thread(first, deep):
    """Where a thread's first number is stored, in a tile whose warp begins at row first."""
    lane = np.uint32(cuda.threadIdx.x % 32)
    row, term = np.uint32(np.uint32(first) + lane // np.uint32(4)), lane % np.uint32(4)
    return place_of(row, term, deep) if deep else place_of(term, row, deep)


@jit(device=True)
def number(tiles, buffer, place, down, along, deep):
    """A thread's number 8 · down rows (or columns) and 4 · along terms after its first one.

    In 64 bits, in which the address of each is that of another plus a constant.
    """
    if deep:
        spot = np.uint64(place ^ np.uint32(4 * along)) + np.uint64(8 * down * STEP)
    else:
        spot = np.uint64(place ^ np.uint32(down % 4 * 8))
        spot += np.uint64(down // 4 * 32 + 4 * along * SIDE)
    return tiles[buffer, spot]


multiply_tf32 = by_fragments(intrinsics.mma_tf32)
multiply_bfloat16 = by_fragments(intrinsics.mma_bfloat16)


@jit(device=True)
def tf32_half(a_tiles, b_tiles, buffer, a_place, a_deep, b_place, b_deep, totals, half):
    """Add the products of half of a step's terms."""
    a = cuda.local.array(OWN, np.float32)
    b = cuda.local.array(OWN, np.float32)
    for i in range(4):
        for k in range(4):
            down, along = 2 * i + k % 2, 2 * half + k // 2
            a[i, k] = intrinsics.to_tf32(number(a_tiles, buffer, a_place, down, along, a_deep))
            down, along = 2 * i + k // 2, 2 * half + k % 2
            b[i, k] = intrinsics.to_tf32(number(b_tiles, buffer, b_place, down, along, b_deep))
    multiply_tf32(a, b, totals)


@jit(device=True)
def tf32(a_tiles, b_tiles, buffer, a_place, a_deep, b_place, b_deep, totals):
    """Add the products of a step to a warp's fragments; places: see place_of_thread."""
    tf32_half(a_tiles, b_tiles, buffer, a_place, a_deep, b_place, b_deep, totals, 0)
    tf32_half(a_tiles, b_tiles, buffer, a_place, a_deep, b_place, b_deep, totals, 1)


@jit(device=True)
def pair(tiles, buffer, place, down, along, deep):
    """Two numbers of a thread, 4 terms apart, rounded to bfloat16 and in one register."""
    low = number(tiles, buffer, place, down, along, deep)
    high = number(tiles, buffer, place, down, along + 1, deep)
    return intrinsics.pack_bfloat16(low, high)


@jit(device=True)
def bfloat16(a_tiles, b_tiles, buffer, a_place, a_deep, b_place, b_deep, totals):
    """As tf32, with numbers rounded to bfloat16, of which one instruction takes all 16 terms.

    A register has two terms that the instruction takes for neighbours, and which are 4 apart. So
    they are in both operands, and a sum is the same in any order.
    """
    a = cuda.local.array(OWN, np.uint32)
    b = cuda.local.array(OWN, np.uint32)
    for i in range(4):
        for k in range(4):
            a[i, k] = pair(a_tiles, buffer, a_place, 2 * i + k % 2, k // 2 * 2, a_deep)
            b[i, k] = pair(b_tiles, buffer, b_place, 2 * i + k // 2, k % 2 * 2, b_deep)
    multiply_bfloat16(a, b, totals)


@jit(device=True)
def place_in_row(row, column):
    """Where a number is stored in rows of SIDE; rows are permuted, lest threads meet in a bank."""
    return row * SIDE + (column ^ (row % 8 * 4))


@jit(device=True)
def gather(tiles, totals, i, b_first):
    """Put a warp's i-th fragments, of 16 rows, into shared memory, where `write` reads them."""
    warp = cuda.threadIdx.x // 32
    group = cuda.threadIdx.x % 32 // 4
    for j in range(BESIDE):
        for part in range(4):
            column = b_first + 8 * j + cuda.threadIdx.x % 4 * 2 + part % 2
            tiles[warp // 2, place_in_row(part // 2 * 8 + group, column)] = totals[i, j, part]


@factory
def matmul(multiply: Any, a_deep: int, b_deep: int, finish: Any) -> Any:
    """4 x 8 fragments per warp, for one layout of a and b; multiply: tf32 or bfloat16.

    a_deep, b_deep: 1 if an operand's lines are along the depth, 0 if across it.
    """
    sum_up = by_turns(STEP, copy_tile, multiply)

    @jit(device=True)
    def write(out, bias, z, first_row, first_column, tiles, i):
        """Finish the rows of all warps' i-th fragments and write them to out, by whole lines."""
        lane = cuda.threadIdx.x % 32
        column = first_column + lane * 4
        zero = np.float32(0)
        extra = (
            bias_within(bias, column, zero),
            bias_within(bias, column + 1, zero),
            bias_within(bias, column + 2, zero),
            bias_within(bias, column + 3, zero),
        )
        line = np.uint32(cuda.threadIdx.x // 32)
        while line < 32:
            inside = line % 16
            row = first_row + line // 16 * 64 + 16 * i + inside
            total = intrinsics.load4(tiles, (line // 16, place_in_row(inside, lane * 4)))
            put(
                out, z, row, column,
                finish(total[0] + extra[0]), finish(total[1] + extra[1]),
                finish(total[2] + extra[2]), finish(total[3] + extra[3]),
            )  # fmt: skip
            line = np.uint32(line + np.uint32(cuda.blockDim.x // 32))

    @jit
    def fragment_kernel(a, a_inner, a_swapped, b, b_inner, b_swapped, bias, out):
        a_tiles = cuda.shared.array(BUFFERS, np.float32, alignment=16)
        b_tiles = cuda.shared.array(BUFFERS, np.float32, alignment=16)
        totals = cuda.local.array((DOWN, BESIDE, 4), np.float32)
        warp = cuda.threadIdx.x // 32
        a_first = warp // 2 * 64
        b_first = warp % 2 * 64
        a_place = place_of_thread(a_first, a_deep)
        b_place = place_of_thread(b_first, b_deep)
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
        cuda.syncthreads()
        gather(a_tiles, totals, 0, b_first)
        cuda.syncthreads()
        write(out, bias, z, first_row, first_column, a_tiles, 0)
        cuda.syncthreads()
        gather(a_tiles, totals, 1, b_first)
        cuda.syncthreads()
        write(out, bias, z, first_row, first_column, a_tiles, 1)
        cuda.syncthreads()
        gather(a_tiles, totals, 2, b_first)
        cuda.syncthreads()
        write(out, bias, z, first_row, first_column, a_tiles, 2)
        cuda.syncthreads()
        gather(a_tiles, totals, 3, b_first)
        cuda.syncthreads()
        write(out, bias, z, first_row, first_column, a_tiles, 3)

    return fragment_kernel
