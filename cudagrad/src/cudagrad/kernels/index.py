"""Where a thread's element lies: index arithmetic that kernels share, in 32 bits.

A division of 64 bits takes about four times the instructions; arrays.empty sees to it that no
array is too long for 32.
"""

from __future__ import annotations

import numpy as np

from ..device import cuda, intrinsics, jit


@jit(device=True)
def divide(i, n):
    """Quotient and remainder of two numbers that are not negative."""
    quotient = np.uint32(np.uint32(i) // np.uint32(n))
    return np.int64(quotient), np.int64(np.uint32(i) - np.uint32(quotient * np.uint32(n)))


@jit(device=True)
def at(i, count, n, inner):
    """Which of an operand's n elements meets element i of count.

    The operand is repeated over the dims before its own, and each of its elements stands still for
    the `inner` elements of the dims behind.
    """
    if n == count:
        return np.uint32(i)
    return np.uint32(np.uint32(np.uint32(i) // np.uint32(inner)) % np.uint32(n))


@jit(device=True)
def inside(i, n):
    """Whether i is an index of n elements: in a graph, others are refused after the replay."""
    return 0 <= i and i < n


@jit(device=True)
def place(i, layout):
    """Where element i of a contiguous array lies in the strided place that layout describes.

    layout: the offset of the place, then length and stride of each dim, the last dim first.
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

    That number, and next_own's, wrap around in 32 bits. Of numbers that don't the compiler reckons
    how many there will be, by a division of 64 bits, before it unrolls a loop over them.
    """
    return np.uint32(cuda.threadIdx.x)


@jit(device=True)
def next_own(j):
    """The one after element j: the threads' elements alternate."""
    return np.uint32(j + np.uint32(cuda.blockDim.x))


@jit(device=True)
def further(place, count):
    """place + count, which must be less than 2**32, in 32 bits for the same reason."""
    return np.uint32(np.uint32(place) + np.uint32(count))


@jit(device=True)
def fetch(x, z, row, column, zero):
    """Four neighbours in a row of x[z], zeros where they are outside.

    By one load, unless the rows are of a length that lets some begin elsewhere than at 16 bytes.
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
