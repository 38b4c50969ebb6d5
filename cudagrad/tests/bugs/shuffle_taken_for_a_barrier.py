"""Lanes exchange one number by a shuffle, and read another from shared memory, with no barrier.

A shuffle makes its lanes wait for one another, but does not promise that they see what the others
have written: that is what the warp's barrier is for.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 32
CAUGHT = {"checker": "RaceError"}
UNABLE = {"numba's simulator": "no shuffles"}


def arguments():
    x = np.arange(32, dtype=np.float32)
    return x, np.zeros(32, np.float32)


def expected(x, out):
    return 3 * x[np.arange(32) ^ 1]


def bug(x, out):
    tile = cuda.shared.array(32, np.float32)
    t = cuda.threadIdx.x
    tile[t] = np.float32(2) * x[t]
    other = cuda.shfl_xor_sync(0xFFFFFFFF, x[t], 1)
    out[t] = other + tile[t ^ 1]


def fixed(x, out):
    tile = cuda.shared.array(32, np.float32)
    t = cuda.threadIdx.x
    tile[t] = np.float32(2) * x[t]
    other = cuda.shfl_xor_sync(0xFFFFFFFF, x[t], 1)
    cuda.syncwarp()
    out[t] = other + tile[t ^ 1]
