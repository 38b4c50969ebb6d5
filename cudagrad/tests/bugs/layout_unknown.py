"""An array is sliced before it is read, and the compiler loses track of what memory it is in.

Of an array that need not be contiguous, numba only knows the address. Whether that is in global,
shared or local memory, each load has to find out when it runs.
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
