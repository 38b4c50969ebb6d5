"""The last element has no right neighbour."""

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
    x = np.arange(128, dtype=np.float32)
    return x, np.zeros_like(x)


def expected(x, out):
    return np.concatenate([x[1:], [0]]) - x


def bug(x, out):
    i = cuda.grid(1)
    out[i] = x[i + 1] - x[i]


def fixed(x, out):
    i = cuda.grid(1)
    out[i] = (x[i + 1] if i + 1 < x.size else np.float32(0)) - x[i]
