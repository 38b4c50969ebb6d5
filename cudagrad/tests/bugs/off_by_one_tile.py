"""The number of tiles is rounded down, and the last elements are in none of them.

Nothing is out of bounds and there is no race: the numbers are just wrong.
"""

from __future__ import annotations

import numpy as np

GRID, BLOCK = 1, 1
CAUGHT = {
    "emulator": "wrong number",
    "emulator, reversed": "wrong number",
    "emulator, random": "wrong number",
    "checker": "wrong number",
    "numba's simulator": "wrong number",
}


def arguments():
    x = np.ones(70, np.float32)
    return x, np.zeros(1, np.float32)


def expected(x, out):
    return np.array([x.sum()])


def bug(x, out):
    total = np.float32(0)
    for tile in range(x.size // 16):
        for k in range(16):
            total += x[16 * tile + k]
    out[0] = total


def fixed(x, out):
    total = np.float32(0)
    for tile in range((x.size + 15) // 16):
        for k in range(16):
            if 16 * tile + k < x.size:
                total += x[16 * tile + k]
    out[0] = total
