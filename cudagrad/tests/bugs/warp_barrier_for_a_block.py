"""A block of two warps waits at a warp's barrier, and reads what the other warp writes."""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 64
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "RaceError",
}
UNABLE = {"numba's simulator": "no syncwarp"}


def arguments():
    x = np.arange(64, dtype=np.float32)
    return x, np.zeros(64, np.float32)


def expected(x, out):
    return x[::-1]


def bug(x, out):
    tile = cuda.shared.array(64, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    cuda.syncwarp()
    out[t] = tile[63 - t]


def fixed(x, out):
    tile = cuda.shared.array(64, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    cuda.syncthreads()
    out[t] = tile[63 - t]
