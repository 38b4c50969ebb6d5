"""Many elements to one: trees over a block, folds of rows and columns, extremes with their index.

Decomposition: a block owns a row, or a part of a long one, or TILE columns; a second launch
combines the parts of a row. Each thread folds its share of the elements, which alternate between
the threads, and a tree in shared memory combines what the threads have.
Bytes moved: each element is read once; a row, or a part of it, writes one.
Operations: one per element.
Limit: memory. Where rows are short, the time of the launch and of the tree's barriers: a row of 3
has a block of 4 threads. An extreme has a block for each row even where a row's elements lie apart
in memory, and then what neighbouring threads read lies apart, too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..device import BLOCK, TILE, cuda, factory, jit
from . import functions as f
from .index import divide, first_own, next_own
from .storage import access

SQUARE = (TILE, TILE)


@functools.cache
def block_fold(combine: Callable[..., Any]) -> Any:
    """A device function that combines the values of all threads of a block."""

    @jit(device=True)
    def fold(value, shared):
        """All threads' values combined; every thread gets the result.

        All threads of a one-dimensional block must call it, and their number must be a power of
        two. The tree combines in the same order whenever it runs, and the round-off of a sum grows
        with the logarithm of the number of threads only.
        """
        t = cuda.threadIdx.x
        shared[t] = value
        cuda.syncthreads()
        half = cuda.blockDim.x // 2
        while half > 0:
            if t < half:
                shared[t] = combine(shared[t], shared[t + half])
            cuda.syncthreads()
            half //= 2
        total = shared[0]
        cuda.syncthreads()  # nobody may write shared again before everybody has read it
        return total

    return fold


block_sum, block_max = block_fold(f.add), block_fold(f.larger)


@jit(device=True)
def block_sums(first, second, firsts, seconds):
    """Sum two values per thread in one tree; the sums end up at index 0 of two shared arrays.

    As for block_sum, all threads must call it. Unlike that it does not wait until everybody has
    read the sums: before the arrays are written again, the caller needs a barrier.
    """
    t = cuda.threadIdx.x
    firsts[t] = first
    seconds[t] = second
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if t < half:
            firsts[t] += firsts[t + half]
            seconds[t] += seconds[t + half]
        cuda.syncthreads()
        half //= 2


@factory
def fold_rows(stored: Any, combine: Callable[..., Any], store: Callable[..., Any] = f.same) -> Any:
    """Each row, or each part of it, combined to one element; neighbouring threads read neighbours.

    stored: the dtype of x. For bfloat16, out is float32, unless `store` rounds it.
    """
    real, load, _ = access(stored)
    fold = block_fold(combine)

    @jit
    def fold_rows_kernel(x, start, length, out):
        """x (rows, n) -> out (rows, parts); a block combines `length` elements with start.

        The result must depend neither on the order of combining nor on how often start is combined.
        """
        shared = cuda.shared.array(BLOCK, real)
        t = cuda.threadIdx.x
        row, part = divide(cuda.blockIdx.x, out.shape[1])
        stop = min(x.shape[1], (part + 1) * length)
        value = start
        j = np.uint32(part * length + t)
        while j < stop:
            value = combine(value, load(x[row, j]))
            j = next_own(j)
        total = fold(value, shared)
        if t == 0:
            out[row, part] = store(total)

    return fold_rows_kernel


@factory
def fold_columns(
    stored: Any, combine: Callable[..., Any], store: Callable[..., Any] = f.same
) -> Any:
    """As fold_rows, along a dim that others follow: neighbouring threads own neighbours."""
    real, load, _ = access(stored)

    @jit
    def fold_columns_kernel(x, start, out):
        """x (outer, n, inner) -> out (outer, inner); TILE x TILE threads own TILE columns."""
        shared = cuda.shared.array(SQUARE, real)
        tx = cuda.threadIdx.x
        ty = cuda.threadIdx.y
        n = x.shape[1]
        inner = x.shape[2]
        o, tile = divide(cuda.blockIdx.x, divide(inner + TILE - 1, TILE)[0])
        column = tile * TILE + tx
        value = start
        if column < inner:
            for j in range(ty, n, TILE):
                value = combine(value, load(x[o, j, column]))
        shared[ty, tx] = value
        cuda.syncthreads()
        half = TILE // 2
        while half > 0:
            if ty < half:
                shared[ty, tx] = combine(shared[ty, tx], shared[ty + half, tx])
            cuda.syncthreads()
            half //= 2
        if ty == 0 and column < inner:
            out[o, column] = store(shared[0, tx])

    return fold_columns_kernel


@jit(device=True)
def above(a, b):
    """Whether a is larger than b; NaN is larger than any number."""
    return a > b or (a != a and b == b)


@jit(device=True)
def below(a, b):
    """Whether a is smaller than b; NaN is smaller than any number."""
    return a < b or (a != a and b == b)


@factory
def extreme(real: Any, wins: Callable[..., Any]) -> Any:
    """The element that wins against all others along a dim, and the index of the first such one."""

    @jit
    def extreme_kernel(x, values, indices):
        """x (outer, n, inner) -> values and indices (outer, inner); a block owns one of each."""
        best = cuda.shared.array(BLOCK, real)
        first = cuda.shared.array(BLOCK, np.int64)
        t = cuda.threadIdx.x
        o, i = divide(cuda.blockIdx.x, x.shape[2])
        value = x[o, 0, i]
        index = np.int64(0)
        j = first_own()
        while j < x.shape[1]:
            if wins(x[o, j, i], value):
                value = x[o, j, i]
                index = np.int64(j)
            j = next_own(j)
        best[t] = value
        first[t] = index
        cuda.syncthreads()
        half = cuda.blockDim.x // 2
        while half > 0:
            if t < half:
                a, b = best[t], best[t + half]
                if wins(b, a) or (not wins(a, b) and first[t + half] < first[t]):
                    best[t] = b
                    first[t] = first[t + half]
            cuda.syncthreads()
            half //= 2
        if t == 0:
            values[o, i] = best[0]
            indices[o, i] = first[0]

    return extreme_kernel
