"""Copies between a contiguous array and a strided view of another: transposes, slices, expansion.

The view is described by a layout (see index.place), so one kernel serves any number of dims.

Decomposition: a thread owns one element, or four where they lie side by side in both arrays.
Bytes moved: every element is read once and written once.
Operations: a division per dim, to find out where an element, or four, lies in the view.
Limit: memory; where elements are copied one by one, those divisions.
"""

from __future__ import annotations

from ..device import cuda, intrinsics, jit
from .index import divide, place


@jit
def copy_from(x, layout, out):
    """Copy the view of x that layout describes to out, contiguous; strides may be 0."""
    i = cuda.grid(1)
    if i < out.size:
        out[i] = x[place(i, layout)]


@jit
def copy_into(x, layout, out):
    """Copy x, contiguous, to the view of out that layout describes, whose places must differ."""
    i = cuda.grid(1)
    if i < x.size:
        out[place(i, layout)] = x[i]


@jit
def copy_fours_from(x, layout, out):
    """As copy_from, four neighbours per load of 128 bits; layout counts in fours."""
    i = cuda.grid(1)
    if i < out.size // 4:
        first, second, third, fourth = intrinsics.load4(x, place(i, layout) * 4)
        intrinsics.store4(out, i * 4, first, second, third, fourth)


@jit
def copy_fours_into(x, layout, out):
    """As copy_into, four neighbours per load of 128 bits; layout counts in fours."""
    i = cuda.grid(1)
    if i < x.size // 4:
        first, second, third, fourth = intrinsics.load4(x, i * 4)
        intrinsics.store4(out, place(i, layout) * 4, first, second, third, fourth)


@jit
def roll(x, shift, out):
    """out[o, j, i] = x[o, j - shift, i], wrapping around at the end; shift must lie in [0, n)."""
    k = cuda.grid(1)
    if k < out.size:
        line, i = divide(k, out.shape[2])
        o, j = divide(line, out.shape[1])
        out[o, j, i] = x[o, j - shift if j >= shift else j - shift + out.shape[1], i]
