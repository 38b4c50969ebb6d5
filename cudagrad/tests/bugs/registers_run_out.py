"""A thread keeps more sums than it has registers, and the rest of them go to memory.

The more elements of a product a thread computes, the fewer loads it needs for each: until there are
more sums than the 255 registers that a thread can have. The numbers stay right.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 4
SIDE, HALF = 16, 8
CAUGHT = {"compiler": "spills"}


def arguments():
    x = np.arange(64 * 3, dtype=np.float32).reshape(3, 64)
    return x, np.zeros((64, SIDE), np.float32)


def expected(x, out):
    return x.T @ x[:, :SIDE]


def bug(x, out):
    sums = cuda.local.array((SIDE, SIDE), np.float32)
    first = SIDE * cuda.threadIdx.x
    for i in range(SIDE):
        for j in range(SIDE):
            sums[i, j] = np.float32(0)
    for k in range(x.shape[0]):
        for i in range(SIDE):
            for j in range(SIDE):
                sums[i, j] += x[k, first + i] * x[k, j]
    for i in range(SIDE):
        for j in range(SIDE):
            out[first + i, j] = sums[i, j]


def fixed(x, out):
    sums = cuda.local.array((HALF, HALF), np.float32)
    first = SIDE * cuda.threadIdx.x
    for part in range(4):
        down, across = first + part // 2 * HALF, part % 2 * HALF
        for i in range(HALF):
            for j in range(HALF):
                sums[i, j] = np.float32(0)
        for k in range(x.shape[0]):
            for i in range(HALF):
                for j in range(HALF):
                    sums[i, j] += x[k, down + i] * x[k, across + j]
        for i in range(HALF):
            for j in range(HALF):
                out[down + i, across + j] = sums[i, j]
