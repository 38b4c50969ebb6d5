"""Elements picked by index, put or added back by index, and the positions where a mask holds.

What only picks or puts has a thread for each element: of float32 it reads and writes 4 bytes each
besides the 8 of an index, and memory limits it. Where an index lies outside, nothing is read or
written, and 0 is picked.

What adds up is in a fixed order, and so not as parallel as its elements. add_at reads all ids for
each line of its result, from a cache: lines times ids of work, whatever they are. scatter has no
more threads than lines: of one dim, as in the gradient of a vector's gather, it is one thread, that
waits for memory at each index. positions is one block, however long the mask, and reads it twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..device import BLOCK, cuda, factory, jit
from . import functions as f
from .index import divide, inside, place
from .scan import block_scan, stretch
from .storage import access

sum_before = block_scan(f.add)


@jit
def take(x, ids, out):
    """out[o, r, i] = x[o, ids[r], i]"""
    k = cuda.grid(1)
    if k < out.size:
        line, i = divide(k, out.shape[2])
        o, r = divide(line, out.shape[1])
        if inside(ids[r], x.shape[1]):
            out[o, r, i] = x[o, ids[r], i]
        else:
            out[o, r, i] = 0


@factory
def add_at(stored: Any) -> Any:
    """The gradient of take: what has equal ids is added up. stored: as what x and out are."""
    real, load, store = access(stored)

    @jit
    def add_at_kernel(x, ids, out):
        """out[o, id, i] = Σ x[o, r, i] over the rows r whose ids[r] is id.

        A block owns a line (o, id) of out, or BLOCK columns of it, and looks for its id among all,
        BLOCK at a time. It meets its rows in order, so that equal ids add up in the same order
        every time; atomic additions would differ from run to run.
        """
        near = cuda.shared.array(BLOCK, np.int64)
        t = cuda.threadIdx.x
        _, rows, inner = x.shape
        line, tile = divide(cuda.blockIdx.x, divide(inner + BLOCK - 1, BLOCK)[0])
        o, own = divide(line, out.shape[1])
        i = tile * BLOCK + t
        total = real(0)
        for start in range(0, rows, BLOCK):
            mine = np.int64(ids[start + t]) if start + t < rows else np.int64(-1)
            near[t] = mine
            if cuda.syncthreads_or(1 if mine == own else 0):
                for k in range(min(BLOCK, rows - start)):
                    if near[k] == own and i < inner:
                        total += load(x[o, start + k, i])
            cuda.syncthreads()
        if i < inner:
            out[o, own, i] = store(total)

    return add_at_kernel


@jit
def gather(x, index, layout, step, out):
    """out[i] = x[index[i] · step + the place of i that layout describes]; all of them flat."""
    i = cuda.grid(1)
    if i < out.size:
        where = place(i, layout) + index[i] * step
        if inside(where, x.size):
            out[i] = x[where]
        else:
            out[i] = 0


@factory
def scatter(combine: Callable[..., Any]) -> Any:
    """An element of out, at an index, becomes its combination with one of x."""

    @jit
    def scatter_kernel(x, index, layout, step, out):
        """x and index (outer, n, inner); out is flat, and layout places its lines (outer, inner).

        A thread owns a line and walks the indices in order: the last one stays.
        """
        line = cuda.grid(1)
        outer, n, inner = index.shape
        if line < outer * inner:
            o, i = divide(line, inner)
            start = place(line, layout)
            for r in range(n):
                where = start + index[o, r, i] * step
                if inside(where, out.size):
                    out[where] = combine(out[where], x[o, r, i])

    return scatter_kernel


@jit
def put_along(values, indices, out):
    """out[o, indices[o, r, i], i] = values[o, r, i]; no index may appear twice in a line (o, i)."""
    k = cuda.grid(1)
    if k < values.size:
        line, i = divide(k, values.shape[2])
        o, r = divide(line, values.shape[1])
        where = indices[o, r, i]
        if inside(where, out.shape[1]):
            out[o, where, i] = values[o, r, i]


@jit
def one_hot(ids, out):
    """out[row, column] = 1 where column is ids[row], else 0."""
    k = cuda.grid(1)
    if k < out.size:
        row, column = divide(k, out.shape[1])
        out[row, column] = 1 if ids[row] == column else 0


@jit
def positions(mask, found, count):
    """The indices where mask holds, ascending, into found, and how many into count[0].

    One block: each thread counts a stretch of mask, a scan over the block tells where its indices
    begin. found must have room for all of mask.
    """
    shared = cuda.shared.array(BLOCK, np.int64)
    start, stop = stretch(mask.size)
    mine = np.int64(0)
    for j in range(start, stop):
        if mask[j]:
            mine += np.int64(1)
    where = sum_before(mine, np.int64(0), cuda.threadIdx.x, shared)
    for j in range(start, stop):
        if mask[j]:
            found[where] = np.int64(j)
            where += np.int64(1)
    if cuda.threadIdx.x == cuda.blockDim.x - 1:
        count[0] = where
