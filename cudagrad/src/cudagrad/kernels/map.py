"""Element by element: maps of one to four operands, counting, filling, and keeping a band.

Decomposition: a thread owns one element of the result, and neighbouring threads own neighbours, so
that a warp reads and writes whole pieces of memory. Indices have 32 bits, which is enough because
of arrays.require_countable, and no sign: a signed one may count from the end, as in Python, and
numba's code for that takes more instructions than a sum.
Bytes moved: every operand of the result's size is read once, the result is written once: 4 bytes
per element and array in float32.
Operations: the function, once per element.
Limit: memory, unless the function takes tens of operations, as erf and pow do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..device import cuda, factory, jit
from .index import at, divide


@factory
def map1(function: Callable[..., Any]) -> Any:
    """out[i] = function(x[i])"""

    @jit
    def map1_kernel(x, x_inner, out):
        i, n = np.uint32(cuda.grid(1)), np.uint32(out.size)
        if i < n:
            out[i] = function(x[at(i, n, x.size, x_inner)])

    return map1_kernel


@factory
def map2(function: Callable[..., Any]) -> Any:
    """out[i] = function(x[…], y[…]), each operand repeated as `at` says."""

    @jit
    def map2_kernel(x, x_inner, y, y_inner, out):
        i, n = np.uint32(cuda.grid(1)), np.uint32(out.size)
        if i < n:
            out[i] = function(x[at(i, n, x.size, x_inner)], y[at(i, n, y.size, y_inner)])

    return map2_kernel


@factory
def map3(function: Callable[..., Any]) -> Any:
    """out[i] = function(x[…], y[…], z[…]), each operand repeated as `at` says."""

    @jit
    def map3_kernel(x, x_inner, y, y_inner, z, z_inner, out):
        i, n = np.uint32(cuda.grid(1)), np.uint32(out.size)
        if i < n:
            out[i] = function(
                x[at(i, n, x.size, x_inner)],
                y[at(i, n, y.size, y_inner)],
                z[at(i, n, z.size, z_inner)],
            )

    return map3_kernel


@factory
def map4(function: Callable[..., Any]) -> Any:
    """out[i] = function(w[…], x[…], y[…], z[…]), each operand repeated as `at` says."""

    @jit
    def map4_kernel(w, w_inner, x, x_inner, y, y_inner, z, z_inner, out):
        i, n = np.uint32(cuda.grid(1)), np.uint32(out.size)
        if i < n:
            out[i] = function(
                w[at(i, n, w.size, w_inner)],
                x[at(i, n, x.size, x_inner)],
                y[at(i, n, y.size, y_inner)],
                z[at(i, n, z.size, z_inner)],
            )

    return map4_kernel


@jit
def fill(out, value):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = value


@jit
def arange(start, step, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = start + step * type(step)(i)


@jit
def band(x, out, rows, columns, low, high):
    """x (matrices, rows, columns) where low <= column - row <= high, else 0; x and out are flat."""
    i = cuda.grid(1)
    if i < out.size:
        line, column = divide(i, columns)
        _, row = divide(line, rows)
        value = x[i]
        out[i] = value if low <= column - row and column - row <= high else type(value)(0)
