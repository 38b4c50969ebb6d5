"""A warp sums by shuffles, in a block of 24 threads: eight lanes that it reads are not there."""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 24
CAUGHT = {
    "emulator": "KernelError",
    "emulator, reversed": "KernelError",
    "checker": "WarpError",
}


def arguments():
    return np.ones(24, np.float32), np.zeros(1, np.float32)


def expected(x, out):
    return np.array([x.sum()])


def bug(x, out):
    value = x[cuda.threadIdx.x]
    value += cuda.shfl_down_sync(0xFFFFFFFF, value, 16)
    value += cuda.shfl_down_sync(0xFFFFFFFF, value, 8)
    value += cuda.shfl_down_sync(0xFFFFFFFF, value, 4)
    value += cuda.shfl_down_sync(0xFFFFFFFF, value, 2)
    value += cuda.shfl_down_sync(0xFFFFFFFF, value, 1)
    if cuda.threadIdx.x == 0:
        out[0] = value


def fixed(x, out):
    tile = cuda.shared.array(24, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    cuda.syncthreads()
    if t == 0:
        total = np.float32(0)
        for k in range(24):
            total += tile[k]
        out[0] = total
