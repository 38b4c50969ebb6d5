"""A sum begins with Python's 0.0, which is a float64: and so is every addition after it.

The result is the same, or nearer to the truth, so no test complains. On most GPUs it takes up to 64
times as long, and each element has to be converted on top.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 8
CAUGHT = {"compiler": "float64"}


def arguments():
    return np.arange(32, dtype=np.float32).reshape(4, 8), np.zeros(8, np.float32)


def expected(x, out):
    return x.sum(0)


def bug(x, out):
    t = cuda.threadIdx.x
    total = 0.0
    for k in range(x.shape[0]):
        total += x[k, t]
    out[t] = total


def fixed(x, out):
    t = cuda.threadIdx.x
    total = np.float32(0)
    for k in range(x.shape[0]):
        total += x[k, t]
    out[t] = total
