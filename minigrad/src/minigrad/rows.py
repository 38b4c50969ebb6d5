"""Sums and products of many rows at a time, by BLAS: what NumPy alone is slow at.

Where dot and @ do the same, it is dot: calling it takes half the time. Large arrays are handled in
blocks: each pass over a whole one would read it from main memory again.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from .capture import recorded

Array = np.ndarray[Any, Any]

BLOCK = 1 << 16  # numbers at a time: few enough for the cache, enough to make calls negligible
SMALL = 10**6  # multiplications up to which OpenBLAS reads its operands where they are
LONG = 512  # the length from which on a loop for each row costs less than a copy
_set_buffer = recorded(np.setbufsize)


@functools.lru_cache(maxsize=64)
def blocks(count: int, width: int = 1) -> tuple[slice, ...]:
    """Slices that split count rows of width numbers each into blocks of about BLOCK numbers.

    There is at least one, if only of no rows, so that sums over them need not begin with zeros.
    """
    step = max(1, BLOCK // max(1, width))
    return tuple(slice(start, start + step) for start in range(0, max(1, count), step))


@functools.lru_cache(maxsize=64)
def small_products(n: int, k: int, columns: int) -> tuple[slice, ...]:
    """Slices of the columns for which products (n, k) @ (k, slice) are SMALL; or one of them all.

    In larger products OpenBLAS, for AVX-512, first copies its operands, which with few rows takes
    longer than the rest.
    """
    step = SMALL // max(1, n * k)
    if step < LONG:  # there are many rows: the copies pay
        step = max(1, columns)
    return tuple(slice(start, start + step) for start in range(0, max(1, columns), step))


def wide_product(a: Array, b: Array) -> Array:
    """a @ b of few rows and many columns: (..., n, k), (..., k, many) -> (..., n, many)."""
    (n, k), columns = a.shape[-2:], b.shape[-1]
    if k == 1:
        return a * b  # there is nothing to add
    out = np.empty((*b.shape[:-2], n, columns), b.dtype)
    for block in small_products(n, k, columns):
        np.matmul(a, b[..., block], out=out[..., block])
    return out


def long_product(a: Array, b: Array) -> Any:
    """a @ bᵀ, sums of many products: (..., n, many), (..., m, many) -> (..., n, m)."""
    parts = small_products(a.shape[-2], b.shape[-2], b.shape[-1])
    products = (a[..., part] @ b[..., part].mT for part in parts)
    return functools.reduce(np.add, products)  # sum() would begin by adding 0 to the first


def rows_apart(width: int) -> contextlib.AbstractContextManager[object]:
    """Inside, NumPy combines rows of width numbers with broadcast operands one row at a time.

    It would copy the operand into a buffer, many times over, to go through several rows in one
    loop, which is slower than a loop for each row, unless rows are short. Not for mixed dtypes.
    """
    return _small_buffer() if width >= LONG else contextlib.nullcontext()


@contextlib.contextmanager
def _small_buffer() -> Iterator[None]:
    before = _set_buffer(LONG // 2)
    try:
        yield
    finally:
        _set_buffer(before)


def sum_of_rows(x: Array) -> Array:
    """The sum over rows: (rows, n) -> (n), or for each matrix (..., rows, n) -> (..., n)."""
    ones = _ones(x.shape[-2], x.dtype)
    return np.dot(ones, x) if x.ndim == 2 else ones @ x


def sum_in_rows(x: Array, out: Array | None = None) -> Array:
    """The sum of each row: (rows, n) -> (rows), in out if it is given."""
    return x.dot(_ones(x.shape[1], x.dtype), out)


def mean_in_rows(x: Array, out: Array | None = None) -> Array:
    """The mean of each row: (rows, n) -> (rows), in out if it is given."""
    mean = sum_in_rows(x, out)
    mean /= x.shape[1]  # not times its inverse: exact where the sum is, as of equal whole numbers
    return mean


@functools.lru_cache(maxsize=64)
def _ones(count: int, dtype: np.dtype[Any]) -> Array:
    ones = np.ones(count, dtype)
    ones.flags.writeable = False
    return ones
