"""One thread puts a number into shared memory for all, and nobody waits until it is there."""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 2, 64
CAUGHT = {
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "RaceError",
    "numba's simulator": "wrong number, at times",
}


def arguments():
    x = np.arange(128, dtype=np.float32)
    return x, np.zeros_like(x)


def expected(x, out):
    return x - np.repeat(x[::64], 64)


def bug(x, out):
    first = cuda.shared.array(1, np.float32)
    i = cuda.grid(1)
    if cuda.threadIdx.x == 0:
        first[0] = x[i]
    out[i] = x[i] - first[0]


def fixed(x, out):
    first = cuda.shared.array(1, np.float32)
    i = cuda.grid(1)
    if cuda.threadIdx.x == 0:
        first[0] = x[i]
    cuda.syncthreads()
    out[i] = x[i] - first[0]
