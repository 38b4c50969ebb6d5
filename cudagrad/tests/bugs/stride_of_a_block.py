"""A grid-stride loop advances by the size of a block instead of the grid.

Every element is computed by every block. Where that gives the same number, only the time tells.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 2, 64
CAUGHT = {"checker": "RaceError"}


def arguments():
    x = np.arange(128, dtype=np.float32)
    return x, np.zeros_like(x)


def expected(x, out):
    return 2 * x


def bug(x, out):
    i = cuda.grid(1)
    while i < x.size:
        out[i] = np.float32(2) * x[i]
        i += cuda.blockDim.x


def fixed(x, out):
    i = cuda.grid(1)
    while i < x.size:
        out[i] = np.float32(2) * x[i]
        i += cuda.blockDim.x * cuda.gridDim.x
