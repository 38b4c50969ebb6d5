"""The grid is rounded up to whole blocks, and the surplus threads write, too."""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 2, 64
CAUGHT = {
    "emulator": "IndexError",
    "emulator, reversed": "IndexError",
    "emulator, random": "IndexError",
    "checker": "IndexError",
    "numba's simulator": "IndexError",
}


def arguments():
    x = np.arange(100, dtype=np.float32)
    return x, np.zeros_like(x)


def expected(x, out):
    return 2 * x


def bug(x, out):
    i = cuda.grid(1)
    out[i] = np.float32(2) * x[min(i, x.size - 1)]


def fixed(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = np.float32(2) * x[i]
