"""A thread searches for a number and notes its index, which has no value if there is none.

Python raises an error where a name has no value yet. A compiled thread goes on with whatever its
register holds.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 4
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "UninitializedError",
    "numba's simulator": "UnboundLocalError",
}


def arguments():
    return np.array([3, 1, 4, 1, 5, 9]), np.array([4, 2, 9, 3]), np.zeros(4, np.int64)


def expected(x, wanted, out):
    return np.array([2, -1, 5, 0])


def bug(x, wanted, out):
    i = cuda.threadIdx.x
    for k in range(x.size):
        if x[k] == wanted[i]:
            place = k
    out[i] = place


def fixed(x, wanted, out):
    i = cuda.threadIdx.x
    place = -1
    for k in range(x.size):
        if x[k] == wanted[i]:
            place = k
    out[i] = place
