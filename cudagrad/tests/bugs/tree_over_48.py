"""A tree that halves the number of threads loses some where that is not a power of two."""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 48
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "wrong number",
    "numba's simulator": "wrong number",
}


def arguments():
    x = np.ones(48, np.float32)
    return x, np.zeros(1, np.float32)


def expected(x, out):
    return np.array([x.sum()])


def bug(x, out):
    tile = cuda.shared.array(48, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if t < half:
            tile[t] += tile[t + half]
        cuda.syncthreads()
        half //= 2
    if t == 0:
        out[0] = tile[0]


def fixed(x, out):
    tile = cuda.shared.array(48, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    cuda.syncthreads()
    half = 32
    while half > 0:
        if t < half and t + half < cuda.blockDim.x:
            tile[t] += tile[t + half]
        cuda.syncthreads()
        half //= 2
    if t == 0:
        out[0] = tile[0]
