"""The lanes of a warp reverse 32 elements in shared memory, and trust that they run in lockstep.

Since Volta they need not: what one lane has written is sure to be seen by another only after a
barrier of the warp.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 2, 32
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "UninitializedError",
}
UNABLE = {"numba's simulator": "no syncwarp"}


def arguments():
    x = np.arange(64, dtype=np.float32)
    return x, np.zeros_like(x)


def expected(x, out):
    return x.reshape(2, 32)[:, ::-1].ravel()


def bug(x, out):
    tile = cuda.shared.array(32, np.float32)
    lane = cuda.threadIdx.x
    tile[lane] = x[cuda.grid(1)]
    out[cuda.grid(1)] = tile[31 - lane]


def fixed(x, out):
    tile = cuda.shared.array(32, np.float32)
    lane = cuda.threadIdx.x
    tile[lane] = x[cuda.grid(1)]
    cuda.syncwarp()
    out[cuda.grid(1)] = tile[31 - lane]
