"""The second block reads what the first one computes in the same launch.

Nothing makes a block wait for another one. Only the next launch is sure to come after all blocks.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 2, 64
CAUGHT = {
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "RaceError",
}


def arguments():
    x = np.arange(1, 129, dtype=np.float32)
    return x, np.zeros(2, np.float32), np.zeros(128, np.float32)


def expected(x, starts, out):
    return np.concatenate([x[:64] - x[0], x[64:] - x[0]])


def bug(x, starts, out):
    i = cuda.grid(1)
    if cuda.threadIdx.x == 0:
        starts[cuda.blockIdx.x] = x[i]
    cuda.syncthreads()
    out[i] = x[i] - starts[0]


def fixed(x, starts, out):
    i = cuda.grid(1)
    if cuda.threadIdx.x == 0:
        starts[cuda.blockIdx.x] = x[i]
    cuda.syncthreads()
    out[i] = x[i] - x[0]
