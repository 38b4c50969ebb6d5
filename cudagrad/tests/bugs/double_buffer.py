"""Two tiles take turns so that one barrier per round is enough, but the wrong one is read.

The tile that is read is the one that is being written.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 16
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "RaceError",
    "numba's simulator": "wrong number",
}


def arguments():
    x = np.arange(64, dtype=np.float32)
    return x, np.zeros(16, np.float32)


def expected(x, out):
    return np.full(16, x.sum())


def bug(x, out):
    tiles = cuda.shared.array((2, 16), np.float32)
    t = cuda.threadIdx.x
    total = np.float32(0)
    tiles[0, t] = x[t]
    cuda.syncthreads()
    for turn in range(4):
        if turn + 1 < 4:
            tiles[turn % 2, t] = x[16 * (turn + 1) + t]
        for k in range(16):
            total += tiles[turn % 2, k]
        cuda.syncthreads()
    out[t] = total


def fixed(x, out):
    tiles = cuda.shared.array((2, 16), np.float32)
    t = cuda.threadIdx.x
    total = np.float32(0)
    tiles[0, t] = x[t]
    cuda.syncthreads()
    for turn in range(4):
        if turn + 1 < 4:
            tiles[(turn + 1) % 2, t] = x[16 * (turn + 1) + t]
        for k in range(16):
            total += tiles[turn % 2, k]
        cuda.syncthreads()
    out[t] = total
