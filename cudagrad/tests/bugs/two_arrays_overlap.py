"""One piece of shared memory is divided into two arrays, and the second begins too early."""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 32
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "RaceError",
    "numba's simulator": "wrong number",
}


def arguments():
    x = np.arange(32, dtype=np.float32)
    return x, np.zeros(32, np.float32)


def expected(x, out):
    return 3 * x[::-1]


def bug(x, out):
    whole = cuda.shared.array(64, np.float32)
    t = cuda.threadIdx.x
    whole[t] = x[t]
    whole[16 + t] = np.float32(2) * x[t]
    cuda.syncthreads()
    out[t] = whole[31 - t] + whole[16 + 31 - t]


def fixed(x, out):
    whole = cuda.shared.array(64, np.float32)
    t = cuda.threadIdx.x
    whole[t] = x[t]
    whole[32 + t] = np.float32(2) * x[t]
    cuda.syncthreads()
    out[t] = whole[31 - t] + whole[32 + 31 - t]
