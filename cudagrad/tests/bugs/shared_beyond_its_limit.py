"""A tile exceeds the 48 KiB of shared memory that arrays of a fixed size may take.

A GPU has more, but only for arrays whose size is given at the launch.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 16
CAUGHT = {
    "emulator": "KernelError",
    "emulator, reversed": "KernelError",
    "emulator, random": "KernelError",
    "checker": "KernelError",
    "compiler": "shared",
}


def arguments():
    x = np.arange(16, dtype=np.float32)
    return x, np.zeros_like(x)


def expected(x, out):
    return x[::-1]


def bug(x, out):
    tile = cuda.shared.array((16, 800), np.float32)
    t = cuda.threadIdx.x
    tile[t, 0] = x[t]
    cuda.syncthreads()
    out[t] = tile[15 - t, 0]


def fixed(x, out):
    tile = cuda.shared.array((16, 700), np.float32)
    t = cuda.threadIdx.x
    tile[t, 0] = x[t]
    cuda.syncthreads()
    out[t] = tile[15 - t, 0]
