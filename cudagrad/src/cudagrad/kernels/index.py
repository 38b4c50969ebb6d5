"""Index arithmetic that kernels share, in 32 bits: where a thread's element lies.

A 64-bit division takes about four times as many instructions as a 32-bit one. That 32 bits are
enough is up to arrays.empty, which makes no array that is too long for them.
"""

from __future__ import annotations

import numpy as np

from ..device import cuda, intrinsics, jit


@jit(device=True)
def divide(i, n):
    """Quotient and remainder of two non-negative integers."""
    quotient = np.uint32(np.uint32(i) // np.uint32(n))
    return np.int64(quotient), np.int64(np.uint32(i) - np.uint32(quotient * np.uint32(n)))


@jit(device=True)
def at(i, count, n, inner):
    """Which of an operand's n elements belongs to element i of a result of `count` elements.

    This is broadcasting without a copy: the operand is repeated over the dims before its own, and
    each of its elements serves the `inner` elements of the dims after them.
    """
    if n == count:
        return np.uint32(i)
    return np.uint32(np.uint32(np.uint32(i) // np.uint32(inner)) % np.uint32(n))


@jit(device=True)
def inside(i, n):
    """Whether i is an index of n elements; a graph refuses any other after its replay."""
    return 0 <= i and i < n


@jit(device=True)
def place(i, layout):
    """Where element i, counted in row-major order, lies in the strided view that layout describes.

    layout: the view's offset, then the length and stride of each dim, the last dim first.
    """
    where = layout[0]
    rest = np.int64(i)
    for d in range(1, layout.size, 2):
        rest, along = divide(rest, layout[d])
        where += along * layout[d + 1]
    return where


@jit(device=True)
def first_own():
    """The first of the elements that a thread of a one-dimensional block looks after.

    This index, and next_own's, may wrap around in 32 bits. Were that impossible, the compiler would
    compute how often a loop over them runs, by a 64-bit division, in order to unroll it.
    """
    return np.uint32(cuda.threadIdx.x)


@jit(device=True)
def next_own(j):
    """The thread's next element after j, a block's width further: the threads take turns."""
    return np.uint32(j + np.uint32(cuda.blockDim.x))


@jit(device=True)
def further(place, count):
    """place + count in 32 bits, for the same reason; the sum must be less than 2**32."""
    return np.uint32(np.uint32(place) + np.uint32(count))


@jit(device=True)
def fetch(x, z, row, column, zero):
    """Four neighbours in a row of x[z]; zeros outside the matrix.

    One load reads all four if the row length is a multiple of four. Otherwise some rows do not
    begin at a multiple of 16 bytes, and the four are loaded one by one.
    """
    rows, columns = x.shape[1], x.shape[2]
    first, second, third, fourth = zero, zero, zero, zero
    if row < rows:
        if columns % 4 == 0:
            if column < columns:
                first, second, third, fourth = intrinsics.load4(x, (z, row, column))
        else:
            if column < columns:
                first = x[z, row, column]
            if column + 1 < columns:
                second = x[z, row, column + 1]
            if column + 2 < columns:
                third = x[z, row, column + 2]
            if column + 3 < columns:
                fourth = x[z, row, column + 3]
    return first, second, third, fourth


@jit(device=True)
def put(x, z, row, column, first, second, third, fourth):
    """Write four neighbours in a row of x[z], unless outside the matrix; by one store as in fetch.

    A warp that stores them one by one takes four times as many instructions, and each of them
    reaches every piece of memory that the four lie in.
    """
    rows, columns = x.shape[1], x.shape[2]
    if row < rows:
        if columns % 4 == 0:
            if column < columns:
                intrinsics.store4(x, (z, row, column), first, second, third, fourth)
        else:
            if column < columns:
                x[z, row, column] = first
            if column + 1 < columns:
                x[z, row, column + 1] = second
            if column + 2 < columns:
                x[z, row, column + 2] = third
            if column + 3 < columns:
                x[z, row, column + 3] = fourth
