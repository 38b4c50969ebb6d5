"""Rows of numbers, a few at a time, and their sums by BLAS: what NumPy alone is slow at.

An array is read again from far away at each pass over it, unless it is gone through in blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

BLOCK = 1 << 14  # numbers at a time: what is made of them on the way stays in the cache


def blocks(count: int, width: int = 1) -> Iterator[slice]:
    """Slices of count rows, of about BLOCK numbers each where a row has width of them."""
    step = max(1, BLOCK // max(1, width))
    for start in range(0, count, step):
        yield slice(start, start + step)


def sum_of_rows(x: Array) -> Array:
    """(rows, n) -> (n), or of each matrix (..., rows, n) -> (..., n)."""
    return np.ones(x.shape[-2], x.dtype) @ x


def mean_in_rows(x: Array) -> Array:
    """(rows, n) -> (rows, 1)"""
    total = x @ np.ones(x.shape[1], x.dtype)
    total /= x.shape[1]  # not times its inverse: equal numbers have exactly their mean
    return total[:, None]


def mean_product_in_rows(x: Array, y: Array) -> Array:
    """(rows, n), (rows, n) -> (rows, 1)"""
    total = np.vecdot(x, y)
    total /= x.shape[1]
    return total[:, None]
