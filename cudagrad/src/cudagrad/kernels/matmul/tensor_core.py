"""Rung 6, tensor cores: a whole warp computes fragments of 16 x 8 elements, by one instruction.

Decomposition: a block of 4 warps for a tile of SIDE x SIDE elements. A warp has a quarter of it,
64 x 64, in 4 x 8 fragments, spread over its threads' registers as the PTX ISA says for mma.m16n8k8
and m16n8k16. Along the depth in steps of STEP, with three buffers that take turns, filled by copies
that go on while another buffer is multiplied: see product.by_turns.
Work per element: k multiply-adds, of which an instruction does 1024 (TF32) or 2048 (bfloat16);
2 k / SIDE numbers from global memory, and k / 32 from shared memory, four by each load. Operands
are rounded to 10 (TF32) or 7 (bfloat16) bits after the binary point; their products are exact, and
summed in float32.
Limit: at 2048 an H100 reaches 106 TFLOP/s in TF32 and 148 in bfloat16, 0.23 and 0.20 of what it can
do by the newer wgmma: benchmarks/2026-11-27-h100.md. Besides mma there is the rounding, which takes
two instructions for one number in TF32 and one for two numbers in bfloat16.

The instruction fixes which thread holds which row, column and term of a fragment, but not which
rows, columns and terms of the operands those stand for. So each thread is given what lies side by
side in memory, to load it by fours. A line is a row of an operand in memory: where lines are along
the depth, a thread has four terms of one line; where they are across it, four rows or columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...device import cuda, factory, intrinsics, jit
from ..index import at, first_own, next_own, put
from .product import bias_within, by_turns, tile_of_block

THREADS = 128
SIDE = 128  # rows, and columns, of a block's tile of out
STEP = 16  # terms of the sums between two barriers
BUFFERS = (3, SIDE * STEP)
OWN = 8  # rows, and columns, in which a thread has elements
DOWN = OWN // 2  # fragments of a warp, below each other


@jit(device=True)
def shift(line):
    """The permutation of a line across the depth: index j is stored at j ^ shift(line).

    It moves whole fours. The threads of a warp read fours from lines that are 4 apart, and would
    otherwise meet in the same banks.
    """
    group = np.uint32(line) // np.uint32(4)
    return np.uint32((group % np.uint32(2) + group // np.uint32(2) * np.uint32(4)) * np.uint32(4))


@jit(device=True)
def place_across(line, inside):
    """Where a number is stored in a tile whose lines are across the depth."""
    return np.uint32(np.uint32(line) * np.uint32(SIDE) + (np.uint32(inside) ^ shift(line)))


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
    place = np.uint32(thread * np.uint32(4))
    for part in range(SIDE * STEP // 4 // THREADS):
        there = np.uint32(row + np.uint32(part) * lines)
        moved = np.uint32(place ^ (np.uint32(0) if deep else shift(4 * part)))
        moved = np.uint32(moved + np.uint32(part * THREADS * 4))
        known = there < rows and column < columns
        at_row, at_column = (there, column) if known else (np.uint32(0), np.uint32(0))
        intrinsics.copy_async4(tiles, (buffer, moved), x, (z, at_row, at_column), known)


@jit(device=True)
def copy_singly(tiles, buffer, x, z, first, start, deep):
    """As copy_fours, one by one, for rows that do not all begin at a multiple of 16 bytes."""
    rows, columns = x.shape[1], x.shape[2]
    spot = first_own()
    while spot < SIDE * STEP:
        line = spot // STEP if deep else spot // SIDE
        inside = spot % STEP if deep else spot % SIDE
        place = spot if deep else place_across(line, inside)
        row = line + (first if deep else start)
        column = inside + (start if deep else first)
        known = row < rows and column < columns
        tiles[buffer, place] = x[z, row, column] if known else np.float32(0)
        spot = next_own(spot)


@jit(device=True)
def copy_tile(tiles, buffer, x, z, first, start, deep):
    if x.shape[2] % 4 == 0:
        copy_fours(tiles, buffer, x, z, first, start, deep)
    else:
        copy_singly(tiles, buffer, x, z, first, start, deep)


@jit(device=True)
def take_four(four, tiles, buffer, first, half, deep):
    """Load four rows (or columns) of a thread: four[i, k] is the k-th term of its i-th row.

    Its terms are the four from 4 · (lane % 4) on. Its rows, from first on, are 8 apart where lines
    are along the depth, and otherwise neighbours; half: which four of its OWN rows.
    """
    lane = np.uint32(cuda.threadIdx.x % 32)
    group, term = lane // np.uint32(4), np.uint32(lane % np.uint32(4) * np.uint32(4))
    for i in range(4):
        if deep:
            line = np.uint32(np.uint32(first) + group + np.uint32(8 * (4 * half + i)))
            place = np.uint32(line * np.uint32(STEP) + term)
            first_term, second, third, fourth = intrinsics.load4(tiles, (buffer, place))
            four[i, 0], four[i, 1], four[i, 2], four[i, 3] = first_term, second, third, fourth
        else:
            inside = np.uint32(np.uint32(first) + group * np.uint32(8) + np.uint32(4 * half))
            place = place_across(np.uint32(term + np.uint32(i)), inside)
            upper, second, third, lower = intrinsics.load4(tiles, (buffer, place))
            four[0, i], four[1, i], four[2, i], four[3, i] = upper, second, third, lower


@jit(device=True)
def keep(totals, i, j, fragment):
    """Write the thread's part of a fragment back to totals."""
    totals[i, j, 0] = fragment[0]
    totals[i, j, 1] = fragment[1]
    totals[i, j, 2] = fragment[2]
    totals[i, j, 3] = fragment[3]


@jit(device=True)
def round_tf32(four, own, first):
    """Put four rows, rounded, into rows first to first + 3 of own."""
    for i in range(4):
        for k in range(4):
            own[first + i, k] = intrinsics.to_tf32(four[i, k])


@jit(device=True)
def multiply_tf32(a, b, totals, half):
    """Add the products of a's fragments with four of b's to the totals."""
    for j in range(4):
        for k in range(0, 4, 2):
            for i in range(DOWN):
                done = intrinsics.mma_tf32(
                    a[2 * i, k],
                    a[2 * i + 1, k],
                    a[2 * i, k + 1],
                    a[2 * i + 1, k + 1],
                    b[j, k],
                    b[j, k + 1],
                    totals[i, 4 * half + j, 0],
                    totals[i, 4 * half + j, 1],
                    totals[i, 4 * half + j, 2],
                    totals[i, 4 * half + j, 3],
                )
                keep(totals, i, 4 * half + j, done)


@jit(device=True)
def tf32(a_tiles, b_tiles, buffer, a_first, a_deep, b_first, b_deep, totals):
    """Add the products of a step to a warp's fragments, which begin at a_first and b_first."""
    four = cuda.local.array((4, 4), np.float32)
    a = cuda.local.array((OWN, 4), np.float32)
    b = cuda.local.array((4, 4), np.float32)
    take_four(four, a_tiles, buffer, a_first, 0, a_deep)
    round_tf32(four, a, 0)
    take_four(four, a_tiles, buffer, a_first, 1, a_deep)
    round_tf32(four, a, 4)
    take_four(four, b_tiles, buffer, b_first, 0, b_deep)
    round_tf32(four, b, 0)
    multiply_tf32(a, b, totals, 0)
    take_four(four, b_tiles, buffer, b_first, 1, b_deep)
    round_tf32(four, b, 0)
    multiply_tf32(a, b, totals, 1)


@jit(device=True)
def round_bfloat16(four, own, first):
    """As round_tf32, but two bfloat16 numbers share a register."""
    for i in range(4):
        own[first + i, 0] = intrinsics.pack_bfloat16(four[i, 0], four[i, 1])
        own[first + i, 1] = intrinsics.pack_bfloat16(four[i, 2], four[i, 3])


@jit(device=True)
def multiply_bfloat16(a, b, totals, half):
    """As multiply_tf32, for pairs of numbers."""
    for j in range(4):
        for i in range(DOWN):
            done = intrinsics.mma_bfloat16(
                a[2 * i, 0],
                a[2 * i + 1, 0],
                a[2 * i, 1],
                a[2 * i + 1, 1],
                b[j, 0],
                b[j, 1],
                totals[i, 4 * half + j, 0],
                totals[i, 4 * half + j, 1],
                totals[i, 4 * half + j, 2],
                totals[i, 4 * half + j, 3],
            )
            keep(totals, i, 4 * half + j, done)


@jit(device=True)
def bfloat16(a_tiles, b_tiles, buffer, a_first, a_deep, b_first, b_deep, totals):
    """As tf32, with numbers rounded to bfloat16, two in a register."""
    four = cuda.local.array((4, 4), np.float32)
    a = cuda.local.array((OWN, 2), np.uint32)
    b = cuda.local.array((4, 2), np.uint32)
    take_four(four, a_tiles, buffer, a_first, 0, a_deep)
    round_bfloat16(four, a, 0)
    take_four(four, a_tiles, buffer, a_first, 1, a_deep)
    round_bfloat16(four, a, 4)
    take_four(four, b_tiles, buffer, b_first, 0, b_deep)
    round_bfloat16(four, b, 0)
    multiply_bfloat16(a, b, totals, 0)
    take_four(four, b_tiles, buffer, b_first, 1, b_deep)
    round_bfloat16(four, b, 0)
    multiply_bfloat16(a, b, totals, 1)


@jit(device=True)
def place_in_row(row, column):
    """Where a number is stored in rows of SIDE; rows are permuted, lest threads meet in a bank."""
    return row * SIDE + (column ^ (row % 8 * 4))


@jit(device=True)
def gather(tiles, totals, i, b_first, b_deep):
    """Put a warp's i-th fragments, of 16 rows, into shared memory, where `write` reads them."""
    warp = cuda.threadIdx.x // 32
    group = cuda.threadIdx.x % 32 // 4
    for j in range(OWN):
        for part in range(4):
            pair = cuda.threadIdx.x % 4 * 2 + part % 2
            column = b_first + (8 * j + pair if b_deep else 8 * pair + j)
            tiles[warp // 2, place_in_row(part // 2 * 8 + group, column)] = totals[i, j, part]


@factory
def matmul(multiply: Any, finish: Any) -> Any:
    """4 x 8 fragments per warp; multiply: tf32 or bfloat16."""
    sum_up = by_turns(STEP, copy_tile, multiply)

    @jit(device=True)
    def write(out, bias, z, first_row, first_column, a_deep, tiles, i):
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
            own = inside % 8 + 8 * (2 * i + inside // 8)
            if not a_deep:
                own = inside % 8 * 8 + 2 * i + inside // 8
            row = first_row + line // 16 * 64 + own
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
        totals = cuda.local.array((DOWN, OWN, 4), np.float32)
        warp = cuda.threadIdx.x // 32
        a_first = warp // 2 * 64
        b_first = warp % 2 * 64
        batch = out.shape[0]
        depth = a.shape[1] if a_swapped else a.shape[2]
        a_deep = not a_swapped
        z, first_row, first_column = tile_of_block(out, SIDE)
        a_z = at(z, batch, a.shape[0], a_inner)
        b_z = at(z, batch, b.shape[0], b_inner)
        sum_up(
            a_tiles, a, a_z, first_row, a_first, a_deep,
            b_tiles, b, b_z, first_column, b_first, b_swapped, depth, totals,
        )  # fmt: skip
        # No loop: the sums are in registers, which cannot be indexed by a variable.
        cuda.syncthreads()
        gather(a_tiles, totals, 0, b_first, b_swapped)
        cuda.syncthreads()
        write(out, bias, z, first_row, first_column, a_deep, a_tiles, 0)
        cuda.syncthreads()
        gather(a_tiles, totals, 1, b_first, b_swapped)
        cuda.syncthreads()
        write(out, bias, z, first_row, first_column, a_deep, a_tiles, 1)
        cuda.syncthreads()
        gather(a_tiles, totals, 2, b_first, b_swapped)
        cuda.syncthreads()
        write(out, bias, z, first_row, first_column, a_deep, a_tiles, 2)
        cuda.syncthreads()
        gather(a_tiles, totals, 3, b_first, b_swapped)
        cuda.syncthreads()
        write(out, bias, z, first_row, first_column, a_deep, a_tiles, 3)

    return fragment_kernel
