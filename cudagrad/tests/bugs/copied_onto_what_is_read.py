"""The next tile is copied over the one that other threads are still summing.

It is the missing second barrier again, but worse: an asynchronous copy may arrive at any time.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda, intrinsics

GRID, BLOCK = 1, 4
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "RaceError",
}
UNABLE = {"numba's simulator": "no alignment"}


def arguments():
    return np.arange(64, dtype=np.float32), np.zeros(4, np.float32)


def expected(x, out):
    return np.full(4, x.sum())


def bug(x, out):
    tile = cuda.shared.array(16, np.float32, alignment=16)
    t = cuda.threadIdx.x
    total = np.float32(0)
    for start in range(0, 64, 16):
        intrinsics.copy_async4(tile, 4 * t, x, start + 4 * t, True)
        intrinsics.commit_copies()
        intrinsics.commit_copies()
        intrinsics.wait_but_latest()
        cuda.syncthreads()
        for k in range(16):
            total += tile[k]
    out[t] = total


def fixed(x, out):
    tile = cuda.shared.array(16, np.float32, alignment=16)
    t = cuda.threadIdx.x
    total = np.float32(0)
    for start in range(0, 64, 16):
        intrinsics.copy_async4(tile, 4 * t, x, start + 4 * t, True)
        intrinsics.commit_copies()
        intrinsics.commit_copies()
        intrinsics.wait_but_latest()
        cuda.syncthreads()
        for k in range(16):
            total += tile[k]
        cuda.syncthreads()
    out[t] = total
