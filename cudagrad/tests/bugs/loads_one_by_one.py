"""Four neighbours are read by four loads, where one load of 128 bits could read them all.

Each of the four is an instruction and a memory access of its own.
"""

from __future__ import annotations

import math

import numpy as np

from cudagrad.device import cuda, intrinsics

GRID, BLOCK = 1, 8
CAUGHT = {"compiler": "wide"}
DEMANDS = {"wide": (1, math.inf)}  # memory is read in 128 bits


def arguments():
    return np.arange(32, dtype=np.float32), np.zeros(8, np.float32)


def expected(x, out):
    return x.reshape(8, 4).sum(1)


def bug(x, out):
    t = cuda.threadIdx.x
    out[t] = x[4 * t] + x[4 * t + 1] + x[4 * t + 2] + x[4 * t + 3]


def fixed(x, out):
    t = cuda.threadIdx.x
    first, second, third, fourth = intrinsics.load4(x, 4 * t)
    out[t] = first + second + third + fourth
