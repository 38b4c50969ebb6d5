"""Row and column are mixed up in the index of the result: eight threads write each element."""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, (8, 8)
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "RaceError",
    "numba's simulator": "wrong number",
}


def arguments():
    x = np.arange(64, dtype=np.float32).reshape(8, 8)
    return x, np.zeros(8, np.float32)


def expected(x, out):
    return x[:, 0]


def bug(x, out):
    i = cuda.threadIdx.y
    j = cuda.threadIdx.x
    if i == 0:
        out[i] = x[j, 0]


def fixed(x, out):
    i = cuda.threadIdx.y
    j = cuda.threadIdx.x
    if i == 0:
        out[j] = x[j, 0]
