"""Windows that slide over images: the largest element of each, the mean of each, and gradients.

Pairs, such as stride and padding, are of rows and columns.

Decomposition: forward, a thread owns an element of the result and goes through its window.
Backward, a thread owns an element of the image and goes through the windows that it lies in, in a
fixed order, so that no atomic additions are needed.
Bytes moved: in float32, each element is read once and written once, 4 bytes each, if a cache serves
what windows share; the index of a largest element takes 8 more.
Operations: about k per element of the result, for windows of k elements.
Limit: memory for small windows, operations for large ones. If a window is as large as the image,
its mean is the work of a single thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..device import cuda, factory, jit
from .index import divide
from .storage import access


@jit(device=True)
def position(window, step, stride, padding, dilation):
    """Where a window's element `step` lies along one dim; in the padding, negative or too large."""
    return window * stride + step * dilation - padding


@jit(device=True)
def element_of(window, step, stride, padding, dilation, count):
    """Which of count positions a window's element `step` lies at, or -1 in the padding."""
    reach = position(window, step, stride, padding, dilation)
    return reach if 0 <= reach and reach < count else np.int64(-1)


@jit(device=True)
def window_of(position, step, stride, padding, dilation, count):
    """Which of count windows has its element `step` at the position, or -1 if none has."""
    reach = position + padding - step * dilation
    if reach < 0:
        return np.int64(-1)
    window, rest = divide(reach, stride)
    return window if rest == 0 and window < count else np.int64(-1)


@jit(device=True)
def image_place(k, rows, columns):
    """The image, row and column of element k of images (·, rows, columns)."""
    line, column = divide(k, columns)
    image, row = divide(line, rows)
    return image, row, column


@factory
def largest(stored: Any) -> Any:
    """Each window's largest element, or NaN if it has one, and its index row · columns + column.

    Every window must have an element. stored: the dtype of x and values, as in the others.
    """
    _, load, store = access(stored)

    @jit
    def largest_kernel(x, kernel, stride, padding, dilation, values, indices):
        """x (images, H, W) -> values, indices (images, down, across)"""
        k = cuda.grid(1)
        if k < values.size:
            image, i, j = image_place(k, values.shape[1], values.shape[2])
            best = load(x[image, 0, 0])
            where = np.int64(-1)  # nothing seen yet
            for a in range(kernel[0]):
                row = position(i, a, stride[0], padding[0], dilation[0])
                if 0 <= row and row < x.shape[1]:
                    for b in range(kernel[1]):
                        column = position(j, b, stride[1], padding[1], dilation[1])
                        if 0 <= column and column < x.shape[2]:
                            value = load(x[image, row, column])
                            if value > best or value != value or where < 0:
                                best = value
                                where = row * x.shape[2] + column
            values[image, i, j] = store(best)
            indices[image, i, j] = where

    return largest_kernel


@factory
def largest_dx(stored: Any) -> Any:
    """The gradient of largest: for each element, the sum over the windows that chose it."""
    real, load, store = access(stored)

    @jit
    def largest_dx_kernel(dout, indices, kernel, stride, padding, dilation, dx):
        """dout, indices (images, down, across) -> dx (images, H, W)"""
        k = cuda.grid(1)
        if k < dx.size:
            image, row, column = image_place(k, dx.shape[1], dx.shape[2])
            own = row * dx.shape[2] + column
            total = real(0)
            for a in range(kernel[0]):
                i = window_of(row, a, stride[0], padding[0], dilation[0], dout.shape[1])
                if i >= 0:
                    for b in range(kernel[1]):
                        j = window_of(column, b, stride[1], padding[1], dilation[1], dout.shape[2])
                        if j >= 0 and indices[image, i, j] == own:
                            total += load(dout[image, i, j])
            dx[image, row, column] = store(total)

    return largest_dx_kernel


@factory
def average(stored: Any, quotient: Callable[..., Any]) -> Any:
    """The mean of each window of neighbours; windows may differ in size."""
    real, load, store = access(stored)

    @jit
    def average_kernel(x, rows, columns, out):
        """x (images, H, W) -> out (images, down, across).

        rows (down, 3): the first row of each window, the row after its last, and the height by
        which the mean divides; columns (across, 3) likewise.
        """
        k = cuda.grid(1)
        if k < out.size:
            image, i, j = image_place(k, out.shape[1], out.shape[2])
            total = real(0)
            for row in range(rows[i, 0], rows[i, 1]):
                for column in range(columns[j, 0], columns[j, 1]):
                    total += load(x[image, row, column])
            out[image, i, j] = store(quotient(total, real(rows[i, 2] * columns[j, 2])))

    return average_kernel


@factory
def average_dx(stored: Any) -> Any:
    """The gradient of average: for each element, its share of the windows that it lies in."""
    real, load, store = access(stored)

    @jit
    def average_dx_kernel(dout, rows, columns, down, across, dx):
        """dout (images, down, across) -> dx (images, H, W).

        rows, columns: as in average. down (H, 2): the first window that a row lies in, and the one
        after the last; across (W, 2) likewise.
        """
        k = cuda.grid(1)
        if k < dx.size:
            image, row, column = image_place(k, dx.shape[1], dx.shape[2])
            total = real(0)
            for i in range(down[row, 0], down[row, 1]):
                for j in range(across[column, 0], across[column, 1]):
                    total += load(dout[image, i, j]) / real(rows[i, 2] * columns[j, 2])
            dx[image, row, column] = store(total)

    return average_dx_kernel
