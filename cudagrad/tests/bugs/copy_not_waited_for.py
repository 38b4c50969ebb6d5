"""Elements are copied to shared memory asynchronously, and nobody waits for the copies.

The barrier makes threads wait for each other. It does not wait for copies that are on their way.
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
    cuda.syncthreads()
    for k in range(4):
        out[first + k] = tile[31 - first - k]


def fixed(x, out):
    tile = cuda.shared.array(32, np.float32, alignment=16)
    first = 4 * cuda.threadIdx.x
    intrinsics.copy_async4(tile, first, x, first, True)
    intrinsics.commit_copies()
    intrinsics.commit_copies()  # an empty group, so that the wait includes the one before
    intrinsics.wait_but_latest()
    cuda.syncthreads()
    for k in range(4):
        out[first + k] = tile[31 - first - k]
