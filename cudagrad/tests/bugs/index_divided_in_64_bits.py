"""Row and column come from dividing an index by the number of columns, in 64 bits.

A GPU has no instruction for integer division. In 32 bits it takes some twenty instructions, in 64
bits a routine of more than a hundred: many more than the rest of the kernel.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 2, 32
CAUGHT = {"compiler": "divisions"}


def arguments():
    return np.arange(60, dtype=np.float32).reshape(6, 10), np.zeros((10, 6), np.float32)


def expected(x, out):
    return x.T


def bug(x, out):
    i = cuda.grid(1)
    if i < x.size:
        row = i // x.shape[1]
        column = i - row * x.shape[1]
        out[column, row] = x[row, column]


def fixed(x, out):
    i = cuda.grid(1)
    if i < x.size:
        row = np.uint32(np.uint32(i) // np.uint32(x.shape[1]))
        column = i - row * x.shape[1]
        out[column, row] = x[row, column]
