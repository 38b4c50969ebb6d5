"""A running sum in steps of 1, 2, 4 …: all add what others may have changed in the same step."""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 32
CAUGHT = {
    "emulator": "wrong number",
    "emulator, random": "wrong number",
    "checker": "RaceError",
    "numba's simulator": "wrong number",
}


def arguments():
    return (np.ones(32, np.float32),)


def expected(x):
    return np.cumsum(x)


def bug(x):
    tile = cuda.shared.array(32, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    cuda.syncthreads()
    step = 1
    while step < 32:
        if t >= step:
            tile[t] += tile[t - step]
        cuda.syncthreads()
        step *= 2
    x[t] = tile[t]


def fixed(x):
    tile = cuda.shared.array(32, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    cuda.syncthreads()
    step = 1
    while step < 32:
        more = tile[t - step] if t >= step else np.float32(0)
        cuda.syncthreads()
        tile[t] += more
        cuda.syncthreads()
        step *= 2
    x[t] = tile[t]
