"""Rows brought to one scale: a block owns a row. RMS norm is layer norm that keeps the mean."""

from __future__ import annotations

import functools
import math
from typing import Any

from ..device import BLOCK, cuda, jit
from .reduction import block_sum


@functools.cache
def normalize(real: Any) -> Any:
    """normal = (x - mean) · scale, scale = 1 / sqrt(mean square + eps), of rows x (rows, n).

    centre: whether the mean is taken off; without, it counts as 0.
    """

    @jit
    def normalize_kernel(x, centre, eps, normal, scale):
        shared = cuda.shared.array(BLOCK, real)
        row = cuda.blockIdx.x
        n = x.shape[1]
        mean = real(0)
        if centre:
            total = real(0)
            j = cuda.threadIdx.x
            while j < n:
                total += x[row, j]
                j += cuda.blockDim.x
            mean = block_sum(total, shared) / real(n)
        squares = real(0)
        j = cuda.threadIdx.x
        while j < n:
            squares += (x[row, j] - mean) * (x[row, j] - mean)
            j += cuda.blockDim.x
        stretch = real(1) / math.sqrt(block_sum(squares, shared) / real(n) + eps)
        j = cuda.threadIdx.x
        while j < n:
            normal[row, j] = (x[row, j] - mean) * stretch
            j += cuda.blockDim.x
        if cuda.threadIdx.x == 0:
            scale[row] = stretch

    return normalize_kernel


@functools.cache
def normalize_dx(real: Any) -> Any:
    """dx = scale · (dnormal - mean dnormal - normal · mean of dnormal · normal), by rows.

    The first mean is 0 without centre.
    """

    @jit
    def normalize_dx_kernel(dnormal, normal, scale, centre, dx):
        shared = cuda.shared.array(BLOCK, real)
        row = cuda.blockIdx.x
        n = normal.shape[1]
        shift = real(0)
        if centre:
            total = real(0)
            j = cuda.threadIdx.x
            while j < n:
                total += dnormal[row, j]
                j += cuda.blockDim.x
            shift = block_sum(total, shared) / real(n)
        along = real(0)
        j = cuda.threadIdx.x
        while j < n:
            along += dnormal[row, j] * normal[row, j]
            j += cuda.blockDim.x
        along = block_sum(along, shared) / real(n)
        j = cuda.threadIdx.x
        while j < n:
            dx[row, j] = scale[row] * (dnormal[row, j] - shift - normal[row, j] * along)
            j += cuda.blockDim.x

    return normalize_dx_kernel
