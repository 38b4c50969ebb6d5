"""A matrix is transposed in place: both threads of a pair write both elements."""

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
    return (np.arange(64, dtype=np.float32).reshape(8, 8),)


def expected(x):
    return x.T


def bug(x):
    i = cuda.threadIdx.y
    j = cuda.threadIdx.x
    value = x[i, j]
    x[j, i] = value


def fixed(x):
    i = cuda.threadIdx.y
    j = cuda.threadIdx.x
    value = x[i, j]
    cuda.syncthreads()
    x[j, i] = value
