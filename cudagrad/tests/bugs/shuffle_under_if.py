"""Half a warp shuffles with a mask that also names the other half, which never takes part.

All lanes of a mask must reach the shuffle: it waits for those that never come.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 32
CAUGHT = {
    "emulator": "UnsupportedError",
    "emulator, reversed": "UnsupportedError",
    "emulator, random": "UnsupportedError",
    "checker": "WarpError",
}
UNABLE = {"numba's simulator": "no shuffles"}


def arguments():
    x = np.arange(32, dtype=np.float32)
    return x, np.zeros(16, np.float32)


def expected(x, out):
    return x[:16] + x[16:]


def bug(x, out):
    t = cuda.threadIdx.x
    if t < 16:
        out[t] = x[t] + cuda.shfl_down_sync(0xFFFFFFFF, x[t], 16)


def fixed(x, out):
    t = cuda.threadIdx.x
    other = cuda.shfl_down_sync(0xFFFFFFFF, x[t], 16)
    if t < 16:
        out[t] = x[t] + other
