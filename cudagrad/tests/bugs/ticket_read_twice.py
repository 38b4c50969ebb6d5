"""A thread takes a ticket by an atomic addition, but ignores the number that it returns.

It reads the counter instead. Others have taken tickets since, and two threads write to one slot.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 2, 64
CAUGHT = {"checker": "RaceError"}


def arguments():
    x = np.arange(128, dtype=np.int64)
    return x, np.zeros(1, np.int64), np.full(128, -1, np.int64)


def expected(x, counter, out):
    return None


def bug(x, counter, out):
    i = cuda.grid(1)
    cuda.atomic.add(counter, 0, 1)
    out[counter[0] - 1] = x[i]


def fixed(x, counter, out):
    i = cuda.grid(1)
    out[cuda.atomic.add(counter, 0, 1)] = x[i]
