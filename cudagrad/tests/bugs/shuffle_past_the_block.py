"""A block of 24 threads sums by shuffles as a full warp would, reading lanes that do not exist."""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 24
CAUGHT = {
    "emulator": "KernelError",
    "emulator, reversed": "KernelError",
    "emulator, random": "KernelError",
    "checker": "WarpError",
}
UNABLE = {"numba's simulator": "no shuffles"}


def arguments():
    x = np.arange(24, dtype=np.float32)
    return x, np.zeros(1, np.float32)


def expected(x, out):
    return np.array([x.sum()])


def bug(x, out):
    t = cuda.threadIdx.x
    total = x[t]
    step = 16
    while step > 0:
        total += cuda.shfl_down_sync(0xFFFFFFFF, total, step)
        step //= 2
    if t == 0:
        out[0] = total


def fixed(x, out):
    t = cuda.threadIdx.x
    total = x[t]
    step = 16
    while step > 0:
        other = cuda.shfl_sync(0xFFFFFFFF, total, min(t + step, 23))
        if t + step < 24:
            total += other
        step //= 2
    if t == 0:
        out[0] = total
