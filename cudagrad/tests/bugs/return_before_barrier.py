"""Threads beyond the end of the array return at once, and the others wait for them at a barrier."""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 2, 64
CAUGHT = {
    "emulator": "BarrierError",
    "emulator, reversed": "BarrierError",
    "emulator, random": "BarrierError",
    "checker": "BarrierError",
}


def arguments():
    x = np.arange(100, dtype=np.float32)
    return x, np.zeros_like(x)


def expected(x, out):
    return np.concatenate([np.full(64, x[0]), np.full(36, x[64])])


def bug(x, out):
    first = cuda.shared.array(1, np.float32)
    i = cuda.grid(1)
    if i >= x.size:
        return
    if cuda.threadIdx.x == 0:
        first[0] = x[i]
    cuda.syncthreads()
    out[i] = first[0]


def fixed(x, out):
    first = cuda.shared.array(1, np.float32)
    i = cuda.grid(1)
    if cuda.threadIdx.x == 0:
        first[0] = x[i]
    cuda.syncthreads()
    if i < x.size:
        out[i] = first[0]
