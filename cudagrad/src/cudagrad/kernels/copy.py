"""Copies between a contiguous array and a strided place in another.

A layout (see index.place) serves any number of dims with one kernel: transposes, slices, expansion.
A thread owns an element, or four where they lie side by side in both places, and every element is
read and written once. Memory limits it; where elements are copied one by one, the divisions that
find their places do.
"""

from __future__ import annotations

from ..device import cuda, intrinsics, jit
from .index import divide, place


@jit
def copy_from(x, layout, out):
    """out, contiguous, from the place that layout describes in x; strides may be 0."""
    i = cuda.grid(1)
    if i < out.size:
        out[i] = x[place(i, layout)]


@jit
def copy_into(x, layout, out):
    """x, contiguous, to the place that layout describes in out; no two elements may meet there."""
    i = cuda.grid(1)
    if i < x.size:
        out[place(i, layout)] = x[i]


@jit
def copy_fours_from(x, layout, out):
    """As copy_from, four neighbours with a load of 128 bits; layout counts in fours."""
    i = cuda.grid(1)
    if i < out.size // 4:
        first, second, third, fourth = intrinsics.load4(x, place(i, layout) * 4)
        intrinsics.store4(out, i * 4, first, second, third, fourth)


@jit
def copy_fours_into(x, layout, out):
    """As copy_into, four neighbours with a load of 128 bits; layout counts in fours."""
    i = cuda.grid(1)
    if i < x.size // 4:
        first, second, third, fourth = intrinsics.load4(x, i * 4)
        intrinsics.store4(out, place(i, layout) * 4, first, second, third, fourth)


@jit
def roll(x, shift, out):
    """out[o, j, i] = x[o, j - shift, i], around the end; shift must lie in [0, n)."""
    k = cuda.grid(1)
    if k < out.size:
        line, i = divide(k, out.shape[2])
        o, j = divide(line, out.shape[1])
        out[o, j, i] = x[o, j - shift if j >= shift else j - shift + out.shape[1], i]
