"""The first element has no left neighbour, and index -1 is the last element.

On a GPU, as in Python, it wraps around without an error.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 2, 64
CAUGHT = {
    "emulator": "IndexError",
    "emulator, reversed": "IndexError",
    "emulator, random": "IndexError",
    "checker": "IndexError",
    "numba's simulator": "wrong number",
}


def arguments():
    x = np.arange(128, dtype=np.float32)
    return x, np.zeros_like(x)


def expected(x, out):
    return x - np.concatenate([[0], x[:-1]])


def bug(x, out):
    i = cuda.grid(1)
    out[i] = x[i] - x[i - 1]


def fixed(x, out):
    i = cuda.grid(1)
    out[i] = x[i] - x[i - 1] if i > 0 else x[i]
