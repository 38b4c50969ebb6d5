"""A thread's local array is indexed by the data, so it cannot be kept in registers.

Registers have no addresses: the compiler must know which one is meant. Where it cannot, the array
goes to memory, and so does every access to it.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 8
CAUGHT = {"compiler": "local"}
DEMANDS = {"local": (0, 0)}  # the local array is in registers


def arguments():
    return np.arange(64).reshape(8, 8) % 4, np.zeros((8, 4), np.int64)


def expected(x, out):
    return (x[:, :, None] == np.arange(4)).sum(1)


def bug(x, out):
    counts = cuda.local.array(4, np.int64)
    t = cuda.threadIdx.x
    for kind in range(4):
        counts[kind] = 0
    for k in range(x.shape[1]):
        counts[x[t, k]] += 1
    for kind in range(4):
        out[t, kind] = counts[kind]


def fixed(x, out):
    counts = cuda.local.array(4, np.int64)
    t = cuda.threadIdx.x
    for kind in range(4):
        counts[kind] = 0
    for k in range(x.shape[1]):
        for kind in range(4):
            counts[kind] += 1 if x[t, k] == kind else 0
    for kind in range(4):
        out[t, kind] = counts[kind]
