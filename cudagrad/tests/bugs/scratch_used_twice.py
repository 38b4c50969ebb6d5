"""Two results go through the same shared memory, without a barrier between reading and reuse.

This breaks a softmax, for example, which needs first a maximum and then a sum.
"""

from __future__ import annotations

import numpy as np

from cudagrad.device import cuda

GRID, BLOCK = 1, 32
CAUGHT = {
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "RaceError",
    "numba's simulator": "wrong number, at times",
}


def arguments():
    x = np.arange(32, dtype=np.float32)
    return x, np.zeros_like(x)


def expected(x, out):
    return x - x.max() + x.min()


def bug(x, out):
    scratch = cuda.shared.array(32, np.float32)
    t = cuda.threadIdx.x
    scratch[t] = x[t]
    cuda.syncthreads()
    top = scratch[31]
    scratch[t] = -x[t]
    cuda.syncthreads()
    out[t] = x[t] - top - scratch[0]


def fixed(x, out):
    scratch = cuda.shared.array(32, np.float32)
    t = cuda.threadIdx.x
    scratch[t] = x[t]
    cuda.syncthreads()
    top = scratch[31]
    cuda.syncthreads()
    scratch[t] = -x[t]
    cuda.syncthreads()
    out[t] = x[t] - top - scratch[0]
