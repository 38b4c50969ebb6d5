"""Rows in which an element depends on those before it: running sums, products of all others.

Decomposition: a block owns the n elements of a row x[o, :, i], and each of its threads a stretch of
consecutive ones. A thread combines its stretch, a scan over the block tells it what the stretches
before its own combine to, and with that it goes through its stretch again.
Bytes moved: in float32, a running sum reads 8 n and writes 4 n; the gradient of a product reads
16 n and writes 8 n.
Operations: one or two per element and reading.
Limit: memory, and more so because what neighbouring threads read at the same time lies a stretch
apart. A single row is the work of one block, however long it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..device import BLOCK, cuda, factory, jit
from . import functions as f
from .index import divide


@functools.cache
def block_scan(combine: Callable[..., Any]) -> Any:
    """A device function that combines the values of all threads before this one."""

    @jit(device=True)
    def scan(value, start, place, shared):
        """start combined with the values at all places before this thread's.

        All threads of a one-dimensional block must call it, each with a place of its own: its
        index, or that counted from the end for a scan backwards.
        """
        shared[place] = value
        cuda.syncthreads()
        step = 1
        while step < cuda.blockDim.x:
            total = shared[place]
            if place >= step:
                total = combine(shared[place - step], total)
            cuda.syncthreads()
            shared[place] = total
            cuda.syncthreads()
            step *= 2
        before = start
        if place > 0:
            before = combine(start, shared[place - 1])
        cuda.syncthreads()  # nobody may write shared again before everybody has read it
        return before

    return scan


@jit(device=True)
def stretch(n):
    """Where this thread's stretch of n elements starts and stops."""
    length = divide(n + cuda.blockDim.x - 1, cuda.blockDim.x)[0]
    start = min(n, cuda.threadIdx.x * length)
    return start, min(n, start + length)


@factory
def cumsum(real: Any) -> Any:
    """out[o, j, i] = Σ x[o, : j + 1, i], or Σ x[o, j:, i] if backwards; both (outer, n, inner)."""
    scan = block_scan(f.add)

    @jit
    def cumsum_kernel(x, backwards, out):
        shared = cuda.shared.array(BLOCK, real)
        o, i = divide(cuda.blockIdx.x, x.shape[2])
        n = x.shape[1]
        start, stop = stretch(n)
        mine = real(0)
        for j in range(start, stop):
            mine += x[o, n - 1 - j if backwards else j, i]
        total = scan(mine, real(0), cuda.threadIdx.x, shared)
        for j in range(start, stop):
            k = n - 1 - j if backwards else j
            total += x[o, k, i]
            out[o, k, i] = total

    return cumsum_kernel


@factory
def prod_dx(real: Any) -> Any:
    """dx[o, j, i] = dout[o, i] · Π of x[o, :, i] without x[o, j, i], so that zeros do no harm."""
    scan = block_scan(f.mul)

    @jit
    def prod_dx_kernel(x, dout, dx):
        shared = cuda.shared.array(BLOCK, real)
        t = cuda.threadIdx.x
        o, i = divide(cuda.blockIdx.x, x.shape[2])
        start, stop = stretch(x.shape[1])
        mine = real(1)
        for j in range(start, stop):
            mine *= x[o, j, i]
        before = scan(mine, real(1), t, shared)
        behind = scan(mine, real(1), cuda.blockDim.x - 1 - t, shared)
        for j in range(start, stop):
            dx[o, j, i] = before
            before *= x[o, j, i]
        for k in range(start, stop):
            j = stop - 1 - (k - start)
            dx[o, j, i] = dout[o, i] * (dx[o, j, i] * behind)
            behind *= x[o, j, i]

    return prod_dx_kernel
