"""The last block is not full, and its idle threads skip the barrier together with the work.

Guard the work, not the barrier.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 2, 64
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
    shifted = x.copy()
    shifted[:-1] = x[1:]
    shifted[63] = x[63]
    return shifted


def bug(x, out):
    tile = cuda.shared.array(64, np.float32)
    i = cuda.grid(1)
    t = cuda.threadIdx.x
    if i < x.size:
        tile[t] = x[i]
        cuda.syncthreads()
        out[i] = tile[t + 1] if t + 1 < 64 and i + 1 < x.size else x[i]


def fixed(x, out):
    tile = cuda.shared.array(64, np.float32)
    i = cuda.grid(1)
    t = cuda.threadIdx.x
    if i < x.size:
        tile[t] = x[i]
    cuda.syncthreads()
    if i < x.size:
        out[i] = tile[t + 1] if t + 1 < 64 and i + 1 < x.size else x[i]
