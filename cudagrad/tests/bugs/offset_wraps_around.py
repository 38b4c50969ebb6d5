"""The offset into a large table is computed in 32 bits, into which it does not fit.

Row 5 of 2**30 columns begins at 5 · 2**30. In 32 bits that is 2**30, where row 1 begins.
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
    "numba's simulator": "wrong number",
}


def arguments():
    return 2**30, np.zeros(8, np.int64)


def expected(columns, out):
    return np.arange(8) * 2**30


def bug(columns, out):
    row = cuda.threadIdx.x
    out[row] = np.uint32(np.uint32(row) * np.uint32(columns))


def fixed(columns, out):
    row = cuda.threadIdx.x
    out[row] = row * columns
