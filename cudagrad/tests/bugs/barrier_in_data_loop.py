"""The data decide how often a thread goes round a loop that has a barrier in it."""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 4
CAUGHT = {
    "emulator": "BarrierError",
    "emulator, reversed": "BarrierError",
    "emulator, random": "BarrierError",
    "checker": "BarrierError",
}


def arguments():
    x = np.array([1, 2, 3, 2], np.int64)
    return x, np.zeros_like(x)


def expected(x, out):
    return x


def bug(x, out):
    t = cuda.threadIdx.x
    done = 0
    while done < x[t]:
        done += 1
        cuda.syncthreads()
    out[t] = done


def fixed(x, out):
    t = cuda.threadIdx.x
    done = 0
    for _ in range(3):
        if done < x[t]:
            done += 1
        cuda.syncthreads()
    out[t] = done
