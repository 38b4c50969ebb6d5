"""A block reverses its 64 elements by way of shared memory, and nobody waits.

A thread reads what its counterpart may not have written yet.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 2, 64
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "UninitializedError",
    "numba's simulator": "wrong number",
}


def arguments():
    x = np.arange(128, dtype=np.float32)
    return x, np.zeros_like(x)


def expected(x, out):
    return x.reshape(2, 64)[:, ::-1].ravel()


def bug(x, out):
    tile = cuda.shared.array(64, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[cuda.grid(1)]
    out[cuda.grid(1)] = tile[63 - t]


def fixed(x, out):
    tile = cuda.shared.array(64, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[cuda.grid(1)]
    cuda.syncthreads()
    out[cuda.grid(1)] = tile[63 - t]
