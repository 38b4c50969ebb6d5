"""A tile is copied while the one before it is summed; all copies but the latest are waited for.

In the last round there is no next tile, so the latest copy is the very one that is summed. A round
that copies nothing must still commit an empty group.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda, intrinsics

GRID, BLOCK = 1, 4
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "UninitializedError",
}
UNABLE = {"numba's simulator": "no alignment"}


def arguments():
    return np.arange(64, dtype=np.float32), np.zeros(4, np.float32)


def expected(x, out):
    return np.full(4, x.sum())


def bug(x, out):
    tiles = cuda.shared.array((2, 16), np.float32, alignment=16)
    t = cuda.threadIdx.x
    intrinsics.copy_async4(tiles, (0, 4 * t), x, 4 * t, True)
    intrinsics.commit_copies()
    total = np.float32(0)
    for step in range(4):
        if step + 1 < 4:
            start = 16 * (step + 1) + 4 * t
            intrinsics.copy_async4(tiles, ((step + 1) % 2, 4 * t), x, start, True)
            intrinsics.commit_copies()
        intrinsics.wait_but_latest()
        cuda.syncthreads()
        for k in range(16):
            total += tiles[step % 2, k]
        cuda.syncthreads()
    out[t] = total


def fixed(x, out):
    tiles = cuda.shared.array((2, 16), np.float32, alignment=16)
    t = cuda.threadIdx.x
    intrinsics.copy_async4(tiles, (0, 4 * t), x, 4 * t, True)
    intrinsics.commit_copies()
    total = np.float32(0)
    for step in range(4):
        if step + 1 < 4:
            start = 16 * (step + 1) + 4 * t
            intrinsics.copy_async4(tiles, ((step + 1) % 2, 4 * t), x, start, True)
        intrinsics.commit_copies()
        intrinsics.wait_but_latest()
        cuda.syncthreads()
        for k in range(16):
            total += tiles[step % 2, k]
        cuda.syncthreads()
    out[t] = total
