"""A grid-stride loop has a barrier in it, and some threads go round less often than others."""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 64
CAUGHT = {
    "emulator": "BarrierError",
    "emulator, reversed": "BarrierError",
    "emulator, random": "BarrierError",
    "checker": "BarrierError",
}


def arguments():
    x = np.arange(100, dtype=np.float32)
    return x, np.zeros_like(x)


def expected(x, out):
    return 2 * x


def bug(x, out):
    i = cuda.threadIdx.x
    while i < x.size:
        out[i] = 2 * x[i]
        cuda.syncthreads()
        i += cuda.blockDim.x


def fixed(x, out):
    i = cuda.threadIdx.x
    for _ in range(0, x.size, cuda.blockDim.x):
        if i < x.size:
            out[i] = 2 * x[i]
        cuda.syncthreads()
        i += cuda.blockDim.x
