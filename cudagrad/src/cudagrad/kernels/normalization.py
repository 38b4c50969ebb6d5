"""Rows and channels brought to one scale: a block owns a row, or a channel.

RMS norm is layer norm that keeps the mean.
"""

from __future__ import annotations

import math
from typing import Any

from ..device import BLOCK, cuda, factory, jit
from .index import divide, first_own, next_own
from .reduction import block_sum


@factory
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
            j = first_own()
            while j < n:
                total += x[row, j]
                j = next_own(j)
            mean = block_sum(total, shared) / real(n)
        squares = real(0)
        j = first_own()
        while j < n:
            squares += (x[row, j] - mean) * (x[row, j] - mean)
            j = next_own(j)
        stretch = real(1) / math.sqrt(block_sum(squares, shared) / real(n) + eps)
        j = first_own()
        while j < n:
            normal[row, j] = (x[row, j] - mean) * stretch
            j = next_own(j)
        if cuda.threadIdx.x == 0:
            scale[row] = stretch

    return normalize_kernel


@factory
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
            j = first_own()
            while j < n:
                total += dnormal[row, j]
                j = next_own(j)
            shift = block_sum(total, shared) / real(n)
        along = real(0)
        j = first_own()
        while j < n:
            along += dnormal[row, j] * normal[row, j]
            j = next_own(j)
        along = block_sum(along, shared) / real(n)
        j = first_own()
        while j < n:
            dx[row, j] = scale[row] * (dnormal[row, j] - shift - normal[row, j] * along)
            j = next_own(j)

    return normalize_dx_kernel


@factory
def channel_statistics(real: Any) -> Any:
    """Mean and mean square distance from it of every channel of x (N, C, inner)."""

    @jit
    def channel_statistics_kernel(x, mean, variance):
        shared = cuda.shared.array(BLOCK, real)
        c = cuda.blockIdx.x
        inner = x.shape[2]
        count = x.shape[0] * inner
        total = real(0)
        j = first_own()
        while j < count:
            n, i = divide(j, inner)
            total += x[n, c, i]
            j = next_own(j)
        centre = block_sum(total, shared) / real(count)
        squares = real(0)
        j = first_own()
        while j < count:
            n, i = divide(j, inner)
            squares += (x[n, c, i] - centre) * (x[n, c, i] - centre)
            j = next_own(j)
        squares = block_sum(squares, shared)
        if cuda.threadIdx.x == 0:
            mean[c] = centre
            variance[c] = squares / real(count)

    return channel_statistics_kernel


@factory
def channel_sums(real: Any) -> Any:
    """Σ dout · normal and Σ dout of every channel (N, C, inner): the gradients of a scale, a shift.

    Zero without elements.
    """

    @jit
    def channel_sums_kernel(dout, normal, dweight, dbias):
        shared = cuda.shared.array(BLOCK, real)
        c = cuda.blockIdx.x
        inner = dout.shape[2]
        count = dout.shape[0] * inner
        along = real(0)
        total = real(0)
        j = first_own()
        while j < count:
            n, i = divide(j, inner)
            along += dout[n, c, i] * normal[n, c, i]
            total += dout[n, c, i]
            j = next_own(j)
        along = block_sum(along, shared)
        total = block_sum(total, shared)
        if cuda.threadIdx.x == 0:
            dweight[c] = along
            dbias[c] = total

    return channel_sums_kernel


@factory
def channel_dx(real: Any) -> Any:
    """dx = scale · (dout - mean dout - normal · mean of dout · normal), by channels (N, C, inner).

    dweight, dbias: what channel_sums makes of dout.
    """

    @jit
    def channel_dx_kernel(dout, normal, dweight, dbias, scale, dx):
        k = cuda.grid(1)
        if k < dx.size:
            batch, channels, inner = dx.shape
            line, i = divide(k, inner)
            n, c = divide(line, channels)
            count = real(batch * inner)
            shift = dbias[c] / count
            along = dweight[c] / count
            dx[n, c, i] = scale[c] * (dout[n, c, i] - shift - normal[n, c, i] * along)

    return channel_dx_kernel


@jit
def keep_running(running_mean, running_var, mean, variance, unbiased, rest, momentum):
    """The running statistics, rest of them, and momentum of mean and unbiased · variance."""
    c = cuda.grid(1)
    if c < mean.size:
        running_mean[c] = rest * running_mean[c] + momentum * mean[c]
        running_var[c] = rest * running_var[c] + momentum * (unbiased * variance[c])
