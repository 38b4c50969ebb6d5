"""A thread checks whether its element exceeds the maximum so far, and then writes it.

Another thread may have written a larger one in between.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 2, 64
CAUGHT = {"checker": "RaceError"}


def arguments():
    x = (np.arange(128, dtype=np.int64) * 37) % 128
    return x, np.zeros(1, np.int64)


def expected(x, top):
    return np.array([x.max()])


def bug(x, top):
    value = x[cuda.grid(1)]
    if value > top[0]:
        top[0] = value


def fixed(x, top):
    cuda.atomic.max(top, 0, x[cuda.grid(1)])
