"""Rows picked by index, their gradients added back, and the positions where a mask holds."""

from __future__ import annotations

import numpy as np

from ..device import BLOCK, cuda, jit
from .index import divide


@jit
def take(x, ids, out):
    """out[o, r, i] = x[o, ids[r], i]; every id must be an index of x's middle dim."""
    k = cuda.grid(1)
    if k < out.size:
        line, i = divide(k, out.shape[2])
        o, r = divide(line, out.shape[1])
        out[o, r, i] = x[o, ids[r], i]


@jit
def add_at(x, ids, out):
    """out[o, ids[r], i] += x[o, r, i]; out must come in zeroed.

    A thread owns a column (o, i) and walks its rows in order, so that equal ids add up in the same
    order every time; atomic additions would be faster for few columns, and differ from run to run.
    """
    k = cuda.grid(1)
    outer, rows, inner = x.shape
    if k < outer * inner:
        o, i = divide(k, inner)
        for r in range(rows):
            out[o, ids[r], i] += x[o, r, i]


@jit
def positions(mask, found, count):
    """The indices where mask holds, ascending, into found, and how many into count[0].

    One block: each thread counts a stretch of mask, a scan over the block tells where its indices
    begin. found must have room for all of mask.
    """
    shared = cuda.shared.array(BLOCK, np.int64)
    t = cuda.threadIdx.x
    stretch = (mask.size + cuda.blockDim.x - 1) // cuda.blockDim.x
    start = min(mask.size, t * stretch)
    stop = min(mask.size, start + stretch)
    mine = np.int64(0)
    for j in range(start, stop):
        if mask[j]:
            mine += np.int64(1)
    shared[t] = mine
    cuda.syncthreads()
    step = 1
    while step < cuda.blockDim.x:
        before = np.int64(0)
        if t >= step:
            before = shared[t - step]
        cuda.syncthreads()
        shared[t] += before
        cuda.syncthreads()
        step *= 2
    where = shared[t] - mine
    for j in range(start, stop):
        if mask[j]:
            found[where] = np.int64(j)
            where += np.int64(1)
    if t == cuda.blockDim.x - 1:
        count[0] = shared[t]
