"""A thread takes its local array for zeros: it sums four elements, three of them never written."""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 2, 64
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "UninitializedError",
    "numba's simulator": "wrong number, at times",
}


def arguments():
    return np.arange(128, dtype=np.float32), np.zeros(128, np.float32)


def expected(x, out):
    return x


def bug(x, out):
    parts = cuda.local.array(4, np.float32)
    parts[0] = x[cuda.grid(1)]
    out[cuda.grid(1)] = parts[0] + parts[1] + parts[2] + parts[3]


def fixed(x, out):
    parts = cuda.local.array(4, np.float32)
    for k in range(4):
        parts[k] = np.float32(0)
    parts[0] = x[cuda.grid(1)]
    out[cuda.grid(1)] = parts[0] + parts[1] + parts[2] + parts[3]
