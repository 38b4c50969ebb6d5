"""A sum over tiles waits until a tile is there, but not until everybody has read it.

A fast thread overwrites the tile with the next one while a slow one still reads: the second
barrier in a tile loop is not there for show.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 16
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "RaceError",
    "numba's simulator": "wrong number",
}


def arguments():
    x = np.arange(64, dtype=np.float32)
    return x, np.zeros(16, np.float32)


def expected(x, out):
    return np.full(16, x.sum())


def bug(x, out):
    tile = cuda.shared.array(16, np.float32)
    t = cuda.threadIdx.x
    total = np.float32(0)
    for start in range(0, 64, 16):
        tile[t] = x[start + t]
        cuda.syncthreads()
        for k in range(16):
            total += tile[k]
    out[t] = total


def fixed(x, out):
    tile = cuda.shared.array(16, np.float32)
    t = cuda.threadIdx.x
    total = np.float32(0)
    for start in range(0, 64, 16):
        tile[t] = x[start + t]
        cuda.syncthreads()
        for k in range(16):
            total += tile[k]
        cuda.syncthreads()
    out[t] = total
