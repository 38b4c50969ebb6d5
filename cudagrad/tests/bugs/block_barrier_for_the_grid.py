"""Each block writes its sum, waits, and reads all sums: but its barrier waits for itself only."""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 4, 8
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "RaceError",
}
UNABLE = {"numba's simulator": "no barrier of the grid"}


def arguments():
    x = np.arange(32, dtype=np.float32)
    return x, np.zeros(4, np.float32), np.zeros(4, np.float32)


def expected(x, sums, out):
    return np.full(4, x.sum())


def bug(x, sums, out):
    if cuda.threadIdx.x == 0:
        total = np.float32(0)
        for k in range(8):
            total += x[8 * cuda.blockIdx.x + k]
        sums[cuda.blockIdx.x] = total
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        out[cuda.blockIdx.x] = sums[0] + sums[1] + sums[2] + sums[3]


def fixed(x, sums, out):
    grid = cuda.cg.this_grid()
    if cuda.threadIdx.x == 0:
        total = np.float32(0)
        for k in range(8):
            total += x[8 * cuda.blockIdx.x + k]
        sums[cuda.blockIdx.x] = total
    grid.sync()
    if cuda.threadIdx.x == 0:
        out[cuda.blockIdx.x] = sums[0] + sums[1] + sums[2] + sums[3]
