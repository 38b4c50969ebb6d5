"""A Python float is a float64, and turns everything that it is combined with into float64.

The result is nearer to the truth than float32 can be, so it differs in its bits from the result in
float32; and on most GPUs it takes up to 64 times as long.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 8
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "wrong number",
    "compiler": "float64",
}


def arguments():
    return np.arange(1, 9, dtype=np.float32) / 7, np.zeros(8, np.float32)


def expected(x, out):
    return np.float32(0.1) * x * x * x


def bug(x, out):
    t = cuda.threadIdx.x
    out[t] = 0.1 * x[t] * x[t] * x[t]


def fixed(x, out):
    t = cuda.threadIdx.x
    out[t] = np.float32(0.1) * x[t] * x[t] * x[t]
