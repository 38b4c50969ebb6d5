"""Normalization of rows (layer, RMS, group norm) and of channels (batch norm), and its gradients.

Rows. Decomposition: a block owns a row; for the gradients of weight and bias, which are sums over
rows, TILE columns. A row of up to a few thousand elements is held in the block's registers (see
row) and read once. A longer one is read once for its statistics and once more, from a cache, for
the result.
Bytes moved: with R rows of n elements in float32, forward reads and writes 4 R n each. Backward
needs x and two numbers per row; it reads twice as much as forward, and once more for the gradients
of weight and bias.
Operations: forward, about 8 per element.
RMS norm is layer norm without taking off the mean. Group norm has rows without weight and bias,
which a map then applies, reading and writing everything once more, forward and backward.

Channels. Decomposition: a block owns a channel, so few channels leave processors idle.
Bytes moved: in training, with N elements of float32 in all, forward reads them four times and
writes them twice: it reads twice for the statistics, then runs two maps, one to normalize and one
for weight and bias. Backward reads the normalized elements, which are kept in 4 N bytes, and the
gradient twice each, and writes N elements.

Limit of all: memory.
"""

from __future__ import annotations

import math
from typing import Any

from ..device import BLOCK, TILE, cuda, factory, jit
from .functions import same
from .index import divide, first_own, next_own
from .reduction import SQUARE, block_sum, block_sums
from .row import HELD, column_of, holding, releasing
from .storage import access


@jit(device=True)
def block_moments(count, mean, squares, counts, means, sums):
    """Put the mean of all threads' elements, and Σ (element - mean)², at index 0 of means and sums.

    count, mean, squares: of a thread's own elements; counts, means, sums: shared arrays. All
    threads must call it, as block_sum.
    Chan, Golub, LeVeque 1983, https://doi.org/10.1080/00031305.1983.10483115
    """
    t = cuda.threadIdx.x
    counts[t] = count
    means[t] = mean
    sums[t] = squares
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if t < half and counts[t + half] > 0:
            both = counts[t] + counts[t + half]
            share = counts[t + half] / both
            gap = means[t + half] - means[t]
            means[t] += gap * share
            sums[t] += sums[t + half] + gap * gap * (counts[t] * share)
            counts[t] = both
        cuda.syncthreads()
        half //= 2


@factory
def normalize(stored: Any) -> Any:
    """y = (x - mean) · scale · weight + bias, scale = 1 / sqrt(mean square + eps), of x (rows, n).

    centre: whether to subtract the mean, which counts as 0 otherwise. weight, bias (n), or empty.
    mean (rows) is relative to the row's first element: a large offset that all elements share would
    leave few digits for the differences between them. stored: the dtype of x, and of x only.
    """
    real, load, _ = access(stored)

    @jit
    def normalize_kernel(x, weight, bias, centre, eps, y, mean, scale):
        counts = cuda.shared.array(BLOCK, real)
        means = cuda.shared.array(BLOCK, real)
        sums = cuda.shared.array(BLOCK, real)
        row = cuda.blockIdx.x
        n = x.shape[1]
        origin = load(x[row, 0]) if centre else real(0)
        seen = real(0)
        middle = real(0)
        squares = real(0)
        j = first_own()
        while j < n:  # Welford 1962, https://doi.org/10.1080/00401706.1962.10490022
            seen += real(1)
            value = load(x[row, j]) - origin
            gap = value - middle
            if centre:
                middle += gap / seen
            squares += gap * (value - middle)
            j = next_own(j)
        block_moments(seen, middle, squares, counts, means, sums)
        middle = means[0]
        stretch = real(1) / math.sqrt(sums[0] / real(n) + eps)
        j = first_own()
        while j < n:
            value = (load(x[row, j]) - origin - middle) * stretch
            if weight.size > 0:
                value *= weight[j]
            if bias.size > 0:
                value += bias[j]
            y[row, j] = value
            j = next_own(j)
        if cuda.threadIdx.x == 0:
            mean[row] = middle
            scale[row] = stretch

    return normalize_kernel


@factory
def normalize_held(stored: Any) -> Any:
    """As normalize, for rows that a block can hold; weight, bias (1, n), or empty."""
    real, load, _ = access(stored)
    hold, hold_real, release = holding(load), holding(same), releasing(same)

    @jit
    def normalize_held_kernel(x, weight, bias, centre, eps, y, mean, scale):
        shared = cuda.shared.array(BLOCK, real)
        own = cuda.local.array(HELD, real)
        factor = cuda.local.array(HELD, real)
        row = cuda.blockIdx.x
        n = x.shape[1]
        origin = load(x[row, 0]) if centre else real(0)
        hold(own, x, row, origin)
        total = real(0)
        for k in range(HELD):
            own[k] -= origin
            total += own[k]
        total = block_sum(total, shared)
        middle = total / real(n) if centre else real(0)
        squares = real(0)
        for k in range(HELD):
            own[k] -= middle
            if column_of(k, n) < n:
                squares += own[k] * own[k]
        squares = block_sum(squares, shared)
        stretch = real(1) / math.sqrt(squares / real(n) + eps)
        for k in range(HELD):
            own[k] *= stretch
        if weight.size > 0:
            hold_real(factor, weight, 0, real(0))
            for k in range(HELD):
                own[k] *= factor[k]
        if bias.size > 0:
            hold_real(factor, bias, 0, real(0))
            for k in range(HELD):
                own[k] += factor[k]
        release(own, y, row)
        if cuda.threadIdx.x == 0:
            mean[row] = middle
            scale[row] = stretch

    return normalize_held_kernel


@factory
def normalize_dx(stored: Any) -> Any:
    """dx = scale · (dnormal - mean(dnormal) - normal · mean(dnormal · normal)), row by row.

    normal = (x - mean) · scale, dnormal = dout · weight; mean(dnormal) counts as 0 without centre.
    stored: the dtype of x and dx.
    """
    real, load, store = access(stored)

    @jit
    def normalize_dx_kernel(dout, x, mean, scale, weight, centre, dx):
        totals = cuda.shared.array(BLOCK, real)
        products = cuda.shared.array(BLOCK, real)
        row = cuda.blockIdx.x
        n = x.shape[1]
        origin = load(x[row, 0]) if centre else real(0)
        middle = mean[row]
        stretch = scale[row]
        total = real(0)
        product = real(0)
        j = first_own()
        while j < n:
            grad = dout[row, j]
            if weight.size > 0:
                grad *= weight[j]
            total += grad
            product += grad * ((load(x[row, j]) - origin - middle) * stretch)
            j = next_own(j)
        block_sums(total, product, totals, products)
        shift = totals[0] / real(n) if centre else real(0)
        along = products[0] / real(n)
        j = first_own()
        while j < n:
            grad = dout[row, j]
            if weight.size > 0:
                grad *= weight[j]
            normal = (load(x[row, j]) - origin - middle) * stretch
            dx[row, j] = store(stretch * (grad - shift - normal * along))
            j = next_own(j)

    return normalize_dx_kernel


@factory
def normalize_dx_held(stored: Any) -> Any:
    """As normalize_dx, for rows that a block can hold; weight (1, n), or empty."""
    real, load, store = access(stored)
    hold, hold_real, release = holding(load), holding(same), releasing(store)

    @jit
    def normalize_dx_held_kernel(dout, x, mean, scale, weight, centre, dx):
        totals = cuda.shared.array(BLOCK, real)
        products = cuda.shared.array(BLOCK, real)
        normal = cuda.local.array(HELD, real)
        grad = cuda.local.array(HELD, real)
        factor = cuda.local.array(HELD, real)
        row = cuda.blockIdx.x
        n = x.shape[1]
        origin = load(x[row, 0]) if centre else real(0)
        middle = mean[row]
        stretch = scale[row]
        hold(normal, x, row, origin)
        hold_real(grad, dout, row, real(0))
        if weight.size > 0:
            hold_real(factor, weight, 0, real(0))
            for k in range(HELD):
                grad[k] *= factor[k]
        total = real(0)
        product = real(0)
        for k in range(HELD):
            normal[k] = (normal[k] - origin - middle) * stretch
            total += grad[k]
            product += grad[k] * normal[k]
        block_sums(total, product, totals, products)
        shift = totals[0] / real(n) if centre else real(0)
        along = products[0] / real(n)
        for k in range(HELD):
            grad[k] = stretch * (grad[k] - shift - normal[k] * along)
        release(grad, dx, row)

    return normalize_dx_held_kernel


@factory
def row_sums(stored: Any) -> Any:
    """Σ dout · normal and Σ dout over the rows: the gradients of a weight and a bias."""
    real, load, _ = access(stored)

    @jit
    def row_sums_kernel(dout, x, mean, scale, centre, rows, dweight, dbias):
        """dout, x (·, n) -> dweight, dbias (parts, n); each part holds the sums over `rows` rows.

        A block of TILE x TILE threads owns TILE columns of a part.
        """
        products = cuda.shared.array(SQUARE, real)
        totals = cuda.shared.array(SQUARE, real)
        tx = cuda.threadIdx.x
        ty = cuda.threadIdx.y
        n = x.shape[1]
        part, tile = divide(cuda.blockIdx.x, divide(n + TILE - 1, TILE)[0])
        column = tile * TILE + tx
        product = real(0)
        total = real(0)
        if column < n:
            for row in range(part * rows + ty, min(x.shape[0], (part + 1) * rows), TILE):
                origin = load(x[row, 0]) if centre else real(0)
                normal = (load(x[row, column]) - origin - mean[row]) * scale[row]
                product += dout[row, column] * normal
                total += dout[row, column]
        products[ty, tx] = product
        totals[ty, tx] = total
        cuda.syncthreads()
        half = TILE // 2
        while half > 0:
            if ty < half:
                products[ty, tx] += products[ty + half, tx]
                totals[ty, tx] += totals[ty + half, tx]
            cuda.syncthreads()
            half //= 2
        if ty == 0 and column < n:
            dweight[part, column] = products[0, tx]
            dbias[part, column] = totals[0, tx]

    return row_sums_kernel


@factory
def channel_statistics(real: Any) -> Any:
    """Mean and variance (divided by the count) of every channel of x (N, C, inner)."""

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
    """Σ dout · normal and Σ dout of every channel (N, C, inner): gradients of a weight and a bias.

    Both are 0 if there are no elements.
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
    """dx = scale · (dout - mean(dout) - normal · mean(dout · normal)), by channels (N, C, inner).

    dweight, dbias: what channel_sums computes for dout. A thread owns an element.
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
    """running = rest · running + momentum · (mean, or unbiased · variance), in place."""
    c = cuda.grid(1)
    if c < mean.size:
        running_mean[c] = rest * running_mean[c] + momentum * mean[c]
        running_var[c] = rest * running_var[c] + momentum * (unbiased * variance[c])
