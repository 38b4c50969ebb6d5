"""Every thread adds to its element of an output that nobody has set to zero."""

from __future__ import annotations

import numpy as np

from cudagrad import checker
from cudagrad.device import cuda

GRID, BLOCK = 2, 64
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "UninitializedError",
    "numba's simulator": "wrong number",
}


def arguments():
    return np.arange(128, dtype=np.float32), checker.empty((128,), np.float32)


def expected(x, out):
    return x


def bug(x, out):
    out[cuda.grid(1)] += x[cuda.grid(1)]


def fixed(x, out):
    out[cuda.grid(1)] = x[cuda.grid(1)]
