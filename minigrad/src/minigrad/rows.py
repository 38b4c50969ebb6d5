"""Rows of numbers, many at a time, and their sums by BLAS: what NumPy alone is slow at.

Products by dot, where it does what @ does: it is called in half the time. A large array is read
again from far away at each pass over it, unless it is gone through in blocks.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

BLOCK = 1 << 16  # numbers at a time: few enough for the cache, so many that calls cost nothing
SMALL = 10**6  # multiplications up to which OpenBLAS reads what it multiplies where it is
LONG = 512  # numbers in a row from which on a loop of its own costs less than a copy


@functools.lru_cache(maxsize=64)
def blocks(count: int, width: int = 1) -> tuple[slice, ...]:
    """Slices of count rows, of about BLOCK numbers each where a row has width of them; or of none.

    There is always one, so that sums over them need not begin with zeros.
    """
    step = max(1, BLOCK // max(1, width))
    return tuple(slice(start, start + step) for start in range(0, max(1, count), step))


@functools.lru_cache(maxsize=64)
def small_products(n: int, k: int, columns: int) -> tuple[slice, ...]:
    """Slices of many columns, so that products (n, k) @ (k, those) are SMALL; or of all of them.

    In larger ones OpenBLAS, for AVX-512, first copies what it multiplies: with few rows that takes
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
    products = (a[..., part] @ b[..., part].swapaxes(-1, -2) for part in parts)
    return functools.reduce(np.add, products)  # sum() would begin by adding 0 to the first


def rows_apart(width: int) -> contextlib.AbstractContextManager[object]:
    """Inside, NumPy takes rows of width numbers one at a time where they meet what is broadcast.

    It would copy that into a buffer, many times over, to go through several rows in one loop: this
    takes longer than as many loops, unless they are short. Not for arrays of different dtypes.
    """
    return _small_buffer() if width >= LONG else contextlib.nullcontext()


@contextlib.contextmanager
def _small_buffer() -> Iterator[None]:
    with np.errstate():  # which also restores the buffer
        np.setbufsize(LONG // 2)
        yield


def sum_of_rows(x: Array) -> Array:
    """(rows, n) -> (n), or of each matrix (..., rows, n) -> (..., n)."""
    ones = _ones(x.shape[-2], x.dtype)
    return ones.dot(x) if x.ndim == 2 else ones @ x


def sum_in_rows(x: Array, out: Array | None = None) -> Array:
    """(rows, n) -> (rows), in out if it is given."""
    return x.dot(_ones(x.shape[1], x.dtype), out)


def mean_in_rows(x: Array, out: Array | None = None) -> Array:
    """(rows, n) -> (rows), in out if it is given."""
    mean = sum_in_rows(x, out)
    mean /= x.shape[1]  # not times its inverse: equal numbers have exactly their mean
    return mean


@functools.lru_cache(maxsize=64)
def _ones(count: int, dtype: np.dtype[Any]) -> Array:
    ones = np.ones(count, dtype)
    ones.flags.writeable = False
    return ones
