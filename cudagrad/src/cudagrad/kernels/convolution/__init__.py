"""Convolution forward and back: by the formula, and as a product that is never laid out.

    naive      a thread for an element; for few channels and small images
    implicit   tiles in shared memory, whose numbers are fetched from the image: forward and dx
    summed     the same for dweight, in parts

`fills` and `part` choose by shape; both forms are tested side by side.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import device
from ...storage import BFLOAT16
from . import implicit
from .implicit import STEP

FLOATING = np.float32, np.float64, BFLOAT16
ENOUGH = 16  # channels, on either side of a product, for which a tile is worth its empty places
PART = 1024  # terms of a sum, at least, that a block adds
MOST = 1024  # blocks, about, beyond which sums are cut no further


def tiles(m: int, n: int) -> int:
    """How many tiles a matrix (m, n) takes."""
    return -(-m // implicit.SIDE) * -(-n // implicit.SIDE)


def fills(dtype: Any, products: int, m: int, k: int, n: int) -> bool:
    """Whether products (m, k) (k, n) of floating numbers have a tile for every second processor.

    Tiles that leave half of an H100's processors idle should still be the quicker way: matmul's
    vectorized, with 64 blocks for 132 processors, takes a twelfth of the time of coalesced, which
    has a thread for an element as the formula does: benchmarks/2026-11-27-h100.md, at 1024. Of
    convolutions none so small was measured. See device.processors for what the emulator says.
    """
    floating, enough = dtype in FLOATING, min(m, k, n) >= ENOUGH
    return floating and enough and 2 * products * tiles(m, n) >= device.processors()


def part(count: int, products: int, m: int, n: int) -> int:
    """How many of count terms a block adds, for so many products (m, n).

    It depends on the shape alone, and is a multiple of what is added between two barriers.
    """
    most = max(1, MOST // max(1, products * tiles(m, n)))
    parts = max(1, min(most, -(-count // PART)))
    return -(-max(1, count) // (parts * STEP)) * STEP
