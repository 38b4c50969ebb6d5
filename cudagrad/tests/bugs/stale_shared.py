"""A block counts in shared memory that it has not set to zero.

It finds there what the block before it has left, or anything else.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 2, 64
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "UninitializedError",
    "numba's simulator": "wrong number",
}


def arguments():
    x = np.arange(128, dtype=np.int64) % 7
    return x, np.zeros(7, np.int64)


def expected(x, counts):
    return np.bincount(x, minlength=7)


def bug(x, counts):
    own = cuda.shared.array(7, np.int64)
    t = cuda.threadIdx.x
    cuda.atomic.add(own, x[cuda.grid(1)], 1)
    cuda.syncthreads()
    if t < 7:
        cuda.atomic.add(counts, t, own[t])


def fixed(x, counts):
    own = cuda.shared.array(7, np.int64)
    t = cuda.threadIdx.x
    if t < 7:
        own[t] = 0
    cuda.syncthreads()
    cuda.atomic.add(own, x[cuda.grid(1)], 1)
    cuda.syncthreads()
    if t < 7:
        cuda.atomic.add(counts, t, own[t])
