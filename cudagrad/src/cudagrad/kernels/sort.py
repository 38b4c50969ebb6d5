"""Lines put in order: a bitonic network over pairs of a value and its index.

A merge joins two neighbouring runs of `size` elements: element j of the first is first compared
with element size - 1 - j of the second, then elements size / 2, size / 4 … apart. The smaller
always goes to the front, so a line of any length n counts as one of a power of two: what is
missing would stay behind the end.

A block orders a chunk in shared memory, at a barrier for each step. Then each of the k merges that
double a line of one chunk to its length is some steps over all of it: k (k + 3) / 2 in all, and
each reads 12 bytes, an element of float32 and its index, and writes what has moved. Memory limits
long lines: of 2**20 elements, in chunks of 512, the steps are 77. Batcher 1968, https://doi.org/10.1145/1468075.1468121
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..device import BLOCK, cuda, factory, jit
from .index import divide
from .reduction import above

CHUNK = 2 * BLOCK  # elements that a block orders in shared memory: two for each thread


@jit(device=True)
def lower(a, b):
    """Whether a is the smaller; any number is smaller than NaN."""
    return above(b, a)


@jit(device=True)
def partners(pair, size, mirrored):
    """The two elements of a pair, numbered along the line, in a step of runs of size elements."""
    within = pair & (size - 1)
    left = 2 * pair - within
    return left, left + 2 * (size - within) - 1 if mirrored else left + size


@functools.cache
def misplaced(before: Callable[..., Any]) -> Any:
    """Whether b, of index j, comes before a, of index i: equals keep the order of their indices."""

    @jit(device=True)
    def is_misplaced(a, i, b, j):
        return before(b, a) or (not before(a, b) and j < i)

    return is_misplaced


@factory
def order_chunks(real: Any, before: Callable[..., Any]) -> Any:
    """Each chunk of a line in order, or the last steps of a merge, which stay inside chunks."""
    is_misplaced = misplaced(before)

    @jit
    def order_chunks_kernel(x, values, indices, chunks, fresh):
        """All (outer, n, inner); a block owns a chunk, two elements for each thread.

        fresh: whether the chunks of x are in no order yet, and its indices yet to be numbered.
        """
        held = cuda.shared.array(CHUNK, real)
        places = cuda.shared.array(CHUNK, np.int64)
        t = cuda.threadIdx.x
        width = 2 * cuda.blockDim.x
        line, chunk = divide(cuda.blockIdx.x, chunks)
        o, i = divide(line, x.shape[2])
        start = chunk * width
        count = min(width, x.shape[1] - start)
        for second in range(2):
            j = t + second * cuda.blockDim.x
            if j < count:
                held[j] = x[o, start + j, i]
                places[j] = start + j if fresh else indices[o, start + j, i]
        cuda.syncthreads()
        size = 1 if fresh else width // 2
        while size < width:
            step = size
            while step > 0:
                left, right = partners(t, step, fresh and step == size)
                if right < count:
                    a, b, at_a, at_b = held[left], held[right], places[left], places[right]
                    if is_misplaced(a, at_a, b, at_b):
                        held[left], held[right] = b, a
                        places[left], places[right] = at_b, at_a
                cuda.syncthreads()
                step //= 2
            size *= 2
        for second in range(2):
            j = t + second * cuda.blockDim.x
            if j < count:
                values[o, start + j, i] = held[j]
                indices[o, start + j, i] = places[j]

    return order_chunks_kernel


@factory
def exchange(before: Callable[..., Any]) -> Any:
    """One step of a merge whose partners lie in different chunks."""
    is_misplaced = misplaced(before)

    @jit
    def exchange_kernel(values, indices, pairs, size, mirrored):
        """Both (outer, n, inner); a thread owns one of the pairs of a line."""
        k = cuda.grid(1)
        outer, n, inner = values.shape
        line, pair = divide(k, pairs)
        o, i = divide(line, inner)
        left, right = partners(pair, size, mirrored)
        if o < outer and right < n:
            a, b, at_a, at_b = (
                values[o, left, i],
                values[o, right, i],
                indices[o, left, i],
                indices[o, right, i],
            )
            if is_misplaced(a, at_a, b, at_b):
                values[o, left, i], values[o, right, i] = b, a
                indices[o, left, i], indices[o, right, i] = at_b, at_a

    return exchange_kernel
