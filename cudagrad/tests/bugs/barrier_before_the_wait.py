"""Every thread waits for its own copies, but only after the barrier that should share them.

Waiting tells a thread that its own copies have arrived, not those of others. That takes a barrier
after the wait.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda, intrinsics

GRID, BLOCK = 1, 8
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "UninitializedError",
}
UNABLE = {"numba's simulator": "no alignment"}


def arguments():
    x = np.arange(32, dtype=np.float32)
    return x, np.zeros_like(x)


def expected(x, out):
    return x[::-1]


def bug(x, out):
    tile = cuda.shared.array(32, np.float32, alignment=16)
    first = 4 * cuda.threadIdx.x
    intrinsics.copy_async4(tile, first, x, first, True)
    intrinsics.commit_copies()
    intrinsics.commit_copies()
    cuda.syncthreads()
    intrinsics.wait_but_latest()
    for k in range(4):
        out[first + k] = tile[31 - first - k]


def fixed(x, out):
    tile = cuda.shared.array(32, np.float32, alignment=16)
    first = 4 * cuda.threadIdx.x
    intrinsics.copy_async4(tile, first, x, first, True)
    intrinsics.commit_copies()
    intrinsics.commit_copies()
    intrinsics.wait_but_latest()
    cuda.syncthreads()
    for k in range(4):
        out[first + k] = tile[31 - first - k]
