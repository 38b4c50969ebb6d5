"""A histogram increments a count by reading it, adding one, and writing it back.

Two threads may read the same count, and then one increment is lost. Threads that run one after the
other never show it.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 2, 64
CAUGHT = {"checker": "RaceError"}


def arguments():
    x = np.arange(128, dtype=np.int64) % 7
    return x, np.zeros(7, np.int64)


def expected(x, counts):
    return np.bincount(x, minlength=7)


def bug(x, counts):
    counts[x[cuda.grid(1)]] += 1


def fixed(x, counts):
    cuda.atomic.add(counts, x[cuda.grid(1)], 1)
