"""Every element becomes the sum of its neighbours, in the same array that the neighbours read."""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 64
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "RaceError",
    "numba's simulator": "wrong number",
}


def arguments():
    return (np.arange(64, dtype=np.float32),)


def expected(x):
    return np.concatenate([[0], x[:-2] + x[2:], [0]])


def bug(x):
    i = cuda.grid(1)
    left = x[i - 1] if i > 0 else np.float32(0)
    right = x[i + 1] if i + 1 < x.size else np.float32(0)
    x[i] = left + right if 0 < i < x.size - 1 else np.float32(0)


def fixed(x):
    i = cuda.grid(1)
    left = x[i - 1] if i > 0 else np.float32(0)
    right = x[i + 1] if i + 1 < x.size else np.float32(0)
    cuda.syncthreads()
    x[i] = left + right if 0 < i < x.size - 1 else np.float32(0)
