"""Atomic operations, compiled: threads run one after the other, so these are plain ones.

Each returns the old value, as on a GPU. Bits are changed in an int64, to which any number converts:
so numba finds types even where refusals then refuses the call.
"""
# ruff: noqa: ANN201 -- numba infers the types

from __future__ import annotations

import numpy as np

from .runtime import compiled


@compiled
def add(array, index, value):
    old = array[index]
    array[index] = old + array.dtype.type(value)
    return old


@compiled
def sub(array, index, value):
    old = array[index]
    array[index] = old - array.dtype.type(value)
    return old


@compiled
def max(array, index, value):
    old = array[index]
    new = array.dtype.type(value)
    if new > old:
        array[index] = new
    return old


@compiled
def min(array, index, value):
    old = array[index]
    new = array.dtype.type(value)
    if new < old:
        array[index] = new
    return old


@compiled
def nanmax(array, index, value):
    """The larger; a number is larger than NaN."""
    old = array[index]
    new = array.dtype.type(value)
    if new > old or old != old:
        array[index] = new
    return old


@compiled
def nanmin(array, index, value):
    """The smaller; a number is smaller than NaN."""
    old = array[index]
    new = array.dtype.type(value)
    if new < old or old != old:
        array[index] = new
    return old


@compiled
def and_(array, index, value):
    old = array[index]
    array[index] = array.dtype.type(np.int64(old) & np.int64(value))
    return old


@compiled
def or_(array, index, value):
    old = array[index]
    array[index] = array.dtype.type(np.int64(old) | np.int64(value))
    return old


@compiled
def xor(array, index, value):
    old = array[index]
    array[index] = array.dtype.type(np.int64(old) ^ np.int64(value))
    return old


@compiled
def inc(array, index, value):
    """One more, and 0 after value."""
    old = array[index]
    array[index] = 0 if old >= array.dtype.type(value) else old + array.dtype.type(1)
    return old


@compiled
def dec(array, index, value):
    """One less, and value after 0."""
    old = array[index]
    top = array.dtype.type(value)
    array[index] = top if old == 0 or old > top else old - array.dtype.type(1)
    return old


@compiled
def exch(array, index, value):
    old = array[index]
    array[index] = value
    return old


@compiled
def cas(array, index, expected, value):
    """value, where expected is found."""
    old = array[index]
    if old == array.dtype.type(expected):
        array[index] = value
    return old
