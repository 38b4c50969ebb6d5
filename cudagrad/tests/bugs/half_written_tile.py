"""Threads beyond the end write nothing to the tile, but the sum over it reads all of it."""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 64
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "UninitializedError",
    "numba's simulator": "wrong number",
}


def arguments():
    x = np.ones(40, np.float32)
    return x, np.zeros(1, np.float32)


def expected(x, out):
    return np.array([x.sum()])


def bug(x, out):
    tile = cuda.shared.array(64, np.float32)
    t = cuda.threadIdx.x
    if t < x.size:
        tile[t] = x[t]
    cuda.syncthreads()
    if t == 0:
        total = np.float32(0)
        for k in range(64):
            total += tile[k]
        out[0] = total


def fixed(x, out):
    tile = cuda.shared.array(64, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[t] if t < x.size else np.float32(0)
    cuda.syncthreads()
    if t == 0:
        total = np.float32(0)
        for k in range(64):
            total += tile[k]
        out[0] = total
