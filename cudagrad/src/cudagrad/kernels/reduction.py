"""Many elements to one: trees over a block, folds of rows and columns, extremes with index.

A block owns a row, or a part of a long one, which a second launch puts together, or TILE columns;
each thread folds every so many-th element of it, and a tree in shared memory what the threads have.
Each element is read once, for one operation: memory limits it, and where rows are short the time
that a launch and the barriers of a tree take: a row of 3 has a block of 4 threads. An extreme has a
block for each row even where its elements lie apart, which neighbouring threads then read apart.
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
    """A device function: what the values of all threads of a block combine to."""

    @jit(device=True)
    def fold(value, shared):
        """Every thread's value combined, to every thread.

        All threads of a one-dimensional block, a power of two of them, must call it. A tree
        combines in the same order whenever it runs; the round-off of a sum grows with the logarithm
        of the threads.
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
    """Put the sums of every thread's two values at place 0 of two shared arrays, in one tree.

    Called as block_sum is; nobody may write the arrays again without a barrier.
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
    """Rows combined to one element, in parts: neighbouring threads read neighbouring elements.

    stored: as what x is. Of bfloat16 out is float32, unless store is what rounds it.
    """
    real, load, _ = access(stored)
    fold = block_fold(combine)

    @jit
    def fold_rows_kernel(x, start, length, out):
        """x (rows, n) -> out (rows, parts); a block combines `length` elements with start.

        combine must not care for order, nor for how often it meets start.
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
    """The same along a dim that others follow: neighbouring threads own neighbouring columns."""
    real, load, _ = access(stored)

    @jit
    def fold_columns_kernel(x, start, out):
        """x (outer, n, inner) -> out (outer, inner); a block of TILE x TILE owns TILE columns."""
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
    """Whether a is the larger; NaN is larger than any number."""
    return a > b or (a != a and b == b)


@jit(device=True)
def below(a, b):
    """Whether a is the smaller; NaN is smaller than any number."""
    return a < b or (a != a and b == b)


@factory
def extreme(real: Any, wins: Callable[..., Any]) -> Any:
    """The element that wins over all others along a dim, and the index of the first such one."""

    @jit
    def extreme_kernel(x, values, indices):
        """x (outer, n, inner) -> values and indices (outer, inner), one block for each."""
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
