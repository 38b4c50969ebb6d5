"""Lines sorted by a bitonic network over pairs of a value and its index.

The network merges sorted runs, two at a time, until one is left. To merge two neighbouring runs of
`size` elements, element j of the first is compared with element size - 1 - j of the second; then
elements size / 2, size / 4, … apart are compared. The smaller one always moves to the front. So a
line of any length n is sorted as if filled up to a power of two: the missing elements would be the
largest, and would never move.

Decomposition: a block sorts a chunk in shared memory, two elements per thread, with a barrier after
each step. Then k merges double the length of the runs, from a chunk to the whole line. Their steps
inside a chunk are again done by a block in shared memory; for each of the others, a launch has a
thread per pair.
Bytes moved: after the first pass over the line, the k merges take k (k + 3) / 2 more. A pass reads
12 bytes per element, a float32 and its index, the first one only 4. A pass over chunks writes all
elements; one between chunks, those that move.
Operations: a comparison per pair and step.
Limit: memory, for long lines: 2**20 elements in chunks of 512 take 78 passes.

Batcher 1968, https://doi.org/10.1145/1468075.1468121
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..device import BLOCK, cuda, factory, jit
from .index import divide
from .reduction import above

CHUNK = 2 * BLOCK  # elements that a block sorts in shared memory: two per thread


@jit(device=True)
def lower(a, b):
    """Whether a is smaller than b; any number is smaller than NaN."""
    return above(b, a)


@jit(device=True)
def partners(pair, size, mirrored):
    """The two elements that a pair compares, in a step between elements that are size apart.

    mirrored: the first step of a merge of runs of size elements, which compares j with its mirror
    image. Pairs are numbered along the line.
    """
    within = pair & (size - 1)
    left = 2 * pair - within
    return left, left + 2 * (size - within) - 1 if mirrored else left + size


@functools.cache
def misplaced(before: Callable[..., Any]) -> Any:
    """Whether b, of index j, belongs before a, of index i; equal values stay in order of index."""

    @jit(device=True)
    def is_misplaced(a, i, b, j):
        return before(b, a) or (not before(a, b) and j < i)

    return is_misplaced


@factory
def order_chunks(real: Any, before: Callable[..., Any]) -> Any:
    """Sort each chunk of a line, or do the last steps of a merge, which stay inside chunks."""
    is_misplaced = misplaced(before)

    @jit
    def order_chunks_kernel(x, values, indices, chunks, fresh):
        """x, values, indices (outer, n, inner); a block owns a chunk, two elements per thread.

        fresh: whether to sort the chunks of x from the start and number its elements; otherwise a
        merge is finished, and indices are read.
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
    """One step of a merge that compares elements of different chunks."""
    is_misplaced = misplaced(before)

    @jit
    def exchange_kernel(values, indices, pairs, size, mirrored):
        """values, indices (outer, n, inner), in place; a thread owns one of a line's pairs."""
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
