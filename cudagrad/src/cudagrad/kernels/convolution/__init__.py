"""Convolution and its gradients: by the formula, and as a matrix product whose operand is implicit.

    naive      a thread per element; for few channels and small images
    implicit   a tiled matrix product whose tiles are filled straight from the image: forward and dx
    summed     the same for dweight, with its long sums cut into parts

`fills` chooses between both forms by shape, and `part` the length of the parts. Both forms are
tested side by side.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import device
from ...storage import BFLOAT16
from . import implicit
from .implicit import STEP

FLOATING = np.float32, np.float64, BFLOAT16
ENOUGH = 16  # with fewer channels on a side of a product, too much of a tile is empty to pay off
PART = 1024  # terms of a sum, at least, that a block adds up
MOST = 1024  # blocks, roughly, from which on sums are not cut any further


def tiles(m: int, n: int) -> int:
    """The number of tiles for a matrix (m, n)."""
    return -(-m // implicit.SIDE) * -(-n // implicit.SIDE)


def fills(dtype: Any, products: int, m: int, k: int, n: int) -> bool:
    """Whether products (m, k) (k, n) of floating dtypes have a tile for every second processor.

    Tiles should be quicker even if they leave half of an H100's processors idle: matmul's
    vectorized, with 64 blocks for 132 processors, takes a twelfth of the time of coalesced, which
    like the formula has a thread per element: benchmarks/2026-11-27-h100.md, at 1024. No
    convolution as small as that was measured. For the emulator see device.processors.
    """
    floating, enough = dtype in FLOATING, min(m, k, n) >= ENOUGH
    return floating and enough and 2 * products * tiles(m, n) >= device.processors()


def part(count: int, products: int, m: int, n: int) -> int:
    """How many of a sum's count terms a block adds up, for so many products (m, n).

    The number depends on the shape alone, so that the same sum always has the same round-off. It is
    a multiple of STEP, the terms between two barriers.
    """
    most = max(1, MOST // max(1, products * tiles(m, n)))
    parts = max(1, min(most, -(-count // PART)))
    return -(-max(1, count) // (parts * STEP)) * STEP
