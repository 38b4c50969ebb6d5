"""Elements picked by index, put or added back by index, and the positions where a mask is true.

Kernels that only pick or put have a thread per element. Each reads and writes 4 bytes in float32,
besides the 8 of an index, and does a few divisions to find its place: memory limits them. An index
out of range reads and writes nothing, and picks 0.

Kernels that add up do so in a fixed order, and are therefore less parallel than their elements:
- add_at has a block per line of its result, which reads all ids, from a cache: its work is lines
  times ids, whatever the ids are.
- scatter has a thread per line. For an array of one dim, as in the gradient of a vector's gather,
  that is a single thread, which waits for memory at each index.
- positions is a single block, however long the mask is, and reads the mask twice.
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
    """The gradient of take: elements of equal ids are added up. stored: the dtype of x and out."""
    real, load, store = access(stored)

    @jit
    def add_at_kernel(x, ids, out):
        """out[o, id, i] = Σ x[o, r, i] over the rows r whose ids[r] is id.

        A block owns a line (o, id) of out, or BLOCK columns of it, and looks for its id among all
        ids, BLOCK at a time. It meets the rows in order, so that they always add up in the same
        order; the order of atomic additions would differ from run to run.
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
    """out[i] = x[index[i] · step + place(i, layout)]; x, index and out are flat."""
    i = cuda.grid(1)
    if i < out.size:
        where = place(i, layout) + index[i] * step
        if inside(where, x.size):
            out[i] = x[where]
        else:
            out[i] = 0


@factory
def scatter(combine: Callable[..., Any]) -> Any:
    """out[at an index] = combine(out[at that index], x), for the elements of x in order."""

    @jit
    def scatter_kernel(x, index, layout, step, out):
        """x and index (outer, n, inner); out is flat, and layout places its lines (outer, inner).

        A thread owns a line and goes through its indices in order: where combine overwrites, the
        last one wins.
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
    """Write the indices where mask is true, ascending, to found, and their number to count[0].

    One block: each thread counts in its own stretch of mask, and a scan over the block tells it
    where in found its indices begin. found must be as long as mask.
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
