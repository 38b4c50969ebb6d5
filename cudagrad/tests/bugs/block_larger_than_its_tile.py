"""A kernel written for blocks of 32 threads is launched with 64."""

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
    return x


def bug(x, out):
    tile = cuda.shared.array(32, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[cuda.grid(1)]
    cuda.syncthreads()
    out[cuda.grid(1)] = tile[t]


def fixed(x, out):
    tile = cuda.shared.array(64, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[cuda.grid(1)]
    cuda.syncthreads()
    out[cuda.grid(1)] = tile[t]
