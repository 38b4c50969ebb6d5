"""A part of an array is taken before it is read, and then nobody knows what memory it is of.

Of an array that need not be contiguous numba knows the address alone. Whether that is of global,
shared or a thread's own memory, each load finds out when it runs.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 8
CAUGHT = {"compiler": "generic"}


def arguments():
    return np.arange(32, dtype=np.float32).reshape(4, 8), np.zeros(8, np.float32)


def expected(x, out):
    return x.sum(0)


def bug(x, out):
    t = cuda.threadIdx.x
    column = x[:, t]
    total = np.float32(0)
    for k in range(column.size):
        total += column[k]
    out[t] = total


def fixed(x, out):
    t = cuda.threadIdx.x
    total = np.float32(0)
    for k in range(x.shape[0]):
        total += x[k, t]
    out[t] = total
