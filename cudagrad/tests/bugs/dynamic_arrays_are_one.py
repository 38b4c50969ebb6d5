"""Two arrays of dynamic shared memory are filled, as if each had bytes of its own.

All of them begin where this memory does: whoever needs two takes slices of one.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK, DYNAMIC_BYTES = 1, 32, 256
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "RaceError",
    "numba's simulator": "wrong number",
}
KIND = np.dtype(np.float32)  # numba's simulator knows no other way to say it


def arguments():
    x = np.arange(32, dtype=np.float32)
    return x, np.zeros(32, np.float32)


def expected(x, out):
    return x - 2 * x[::-1]


def bug(x, out):
    first = cuda.shared.array(0, KIND)
    second = cuda.shared.array(0, KIND)
    t = cuda.threadIdx.x
    first[t] = x[t]
    second[31 - t] = np.float32(2) * x[t]
    cuda.syncthreads()
    out[t] = first[t] - second[t]


def fixed(x, out):
    both = cuda.shared.array(0, KIND)
    first, second = both[:32], both[32:]
    t = cuda.threadIdx.x
    first[t] = x[t]
    second[31 - t] = np.float32(2) * x[t]
    cuda.syncthreads()
    out[t] = first[t] - second[t]
