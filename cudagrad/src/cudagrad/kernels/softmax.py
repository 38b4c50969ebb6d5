"""Softmax and its relatives: a block owns the n elements of x[o, :, i].

Each of its threads looks after every blockDim-th of them, and what they find is put together by a
tree in shared memory. A row is read three times, for its maximum, for its sum of exponentials and
for the result, but only once from outside if it fits into the first level cache, as one of some ten
thousand elements does: of n elements of float32, 4 n bytes each are read and written, with two
exponentials an element, and memory limits it. The gradient of softmax reads twice as much.

Cross entropy stores no probabilities. Forward reads the logits and writes three numbers a row, from
which its gradient works the probabilities out again as it reads the logits once more: 12 n bytes
for both together.
"""

from __future__ import annotations

import math
from typing import Any

from ..device import BLOCK, cuda, factory, jit
from .index import divide, first_own, next_own
from .reduction import block_max, block_sum


@jit(device=True)
def row_max(x, o, i, shared):
    """The largest of x[o, :, i], to every thread."""
    j = first_own()
    top = type(x[o, 0, i])(-math.inf)
    while j < x.shape[1]:
        if x[o, j, i] > top:
            top = x[o, j, i]
        j = next_own(j)
    return block_max(top, shared)


@jit(device=True)
def row_exp_sum(x, o, i, top, shared):
    """The sum of exp(x[o, :, i] - top), to every thread."""
    j = first_own()
    total = type(x[o, 0, i])(0)
    while j < x.shape[1]:
        total += math.exp(x[o, j, i] - top)
        j = next_own(j)
    return block_sum(total, shared)


@factory
def softmax(real: Any) -> Any:
    """out = exp(x) / Σ exp(x) over the middle dim of x (outer, n, inner)."""

    @jit
    def softmax_kernel(x, out):
        shared = cuda.shared.array(BLOCK, real)
        o, i = divide(cuda.blockIdx.x, x.shape[2])
        top = row_max(x, o, i, shared)
        total = row_exp_sum(x, o, i, top, shared)
        j = first_own()
        while j < x.shape[1]:
            out[o, j, i] = math.exp(x[o, j, i] - top) / total
            j = next_own(j)

    return softmax_kernel


@factory
def softmax_dx(real: Any) -> Any:
    """dx = p · (dout - Σ dout · p), all (outer, n, inner)."""

    @jit
    def softmax_dx_kernel(p, dout, dx):
        shared = cuda.shared.array(BLOCK, real)
        o, i = divide(cuda.blockIdx.x, p.shape[2])
        total = real(0)
        j = first_own()
        while j < p.shape[1]:
            total += dout[o, j, i] * p[o, j, i]
            j = next_own(j)
        total = block_sum(total, shared)
        j = first_own()
        while j < p.shape[1]:
            dx[o, j, i] = p[o, j, i] * (dout[o, j, i] - total)
            j = next_own(j)

    return softmax_dx_kernel


@factory
def log_softmax(real: Any) -> Any:
    """out = x - log Σ exp(x) over the middle dim of x (outer, n, inner)."""

    @jit
    def log_softmax_kernel(x, out):
        shared = cuda.shared.array(BLOCK, real)
        o, i = divide(cuda.blockIdx.x, x.shape[2])
        top = row_max(x, o, i, shared)
        log_total = math.log(row_exp_sum(x, o, i, top, shared))
        j = first_own()
        while j < x.shape[1]:
            out[o, j, i] = (x[o, j, i] - top) - log_total
            j = next_own(j)

    return log_softmax_kernel


@factory
def log_softmax_dx(real: Any) -> Any:
    """dx = dout - exp(y) Σ dout, all (outer, n, inner)."""

    @jit
    def log_softmax_dx_kernel(y, dout, dx):
        shared = cuda.shared.array(BLOCK, real)
        o, i = divide(cuda.blockIdx.x, y.shape[2])
        total = real(0)
        j = first_own()
        while j < y.shape[1]:
            total += dout[o, j, i]
            j = next_own(j)
        total = block_sum(total, shared)
        j = first_own()
        while j < y.shape[1]:
            dx[o, j, i] = dout[o, j, i] - math.exp(y[o, j, i]) * total
            j = next_own(j)

    return log_softmax_dx_kernel


@factory
def logsumexp(real: Any) -> Any:
    """out[o, i] = log Σ exp(x[o, :, i]), of x (outer, n, inner)."""

    @jit
    def logsumexp_kernel(x, out):
        shared = cuda.shared.array(BLOCK, real)
        o, i = divide(cuda.blockIdx.x, x.shape[2])
        top = row_max(x, o, i, shared)
        if math.isinf(top):
            top = real(0)
        total = row_exp_sum(x, o, i, top, shared)
        if cuda.threadIdx.x == 0:
            out[o, i] = math.log(total) + top

    return logsumexp_kernel


@factory
def attention(real: Any) -> Any:
    """p = softmax of each row of scores (rows, keys); a row of -inf gives a row of 0.

    Row r belongs to query r % queries. causal: a query sees no key that comes after it.
    """

    @jit
    def attention_kernel(scores, queries, causal, p):
        shared = cuda.shared.array(BLOCK, real)
        row = cuda.blockIdx.x
        keys = scores.shape[1]
        visible = keys
        if causal:
            visible = min(keys, divide(row, queries)[1] + 1)
        top = real(-math.inf)
        j = first_own()
        while j < visible:
            if scores[row, j] > top:
                top = scores[row, j]
            j = next_own(j)
        top = block_max(top, shared)
        if top == real(-math.inf):
            top = real(0)
        total = real(0)
        j = first_own()
        while j < visible:
            total += math.exp(scores[row, j] - top)
            j = next_own(j)
        total = block_sum(total, shared)
        if total == real(0):
            total = real(1)
        j = first_own()
        while j < keys:
            p[row, j] = math.exp(scores[row, j] - top) / total if j < visible else real(0)
            j = next_own(j)

    return attention_kernel


@factory
def cross_entropy(real: Any) -> Any:
    """losses = -share · log softmax(x) at target, 0 where not counted.

    x (batch, classes, inner), the others (batch, inner). tops and log_totals are what the
    gradient needs of a row: its maximum and the log of its sum of exponentials below that.
    """

    @jit
    def cross_entropy_kernel(x, target, counted, tops, log_totals, share, losses):
        shared = cuda.shared.array(BLOCK, real)
        o, i = divide(cuda.blockIdx.x, x.shape[2])
        top = row_max(x, o, i, shared)
        log_total = math.log(row_exp_sum(x, o, i, top, shared))
        if cuda.threadIdx.x == 0:
            tops[o, i] = top
            log_totals[o, i] = log_total
            loss = real(0)
            if counted[o, i]:
                loss = share[o, i] * (log_total - (x[o, target[o, i], i] - top))
            losses[o, i] = loss

    return cross_entropy_kernel


@factory
def cross_entropy_dx(real: Any) -> Any:
    """dx = (softmax(x) - 1 at target) · scale (batch, inner), 0 where not counted."""

    @jit
    def cross_entropy_dx_kernel(x, target, counted, tops, log_totals, scale, dx):
        k = cuda.grid(1)
        if k < dx.size:
            line, i = divide(k, x.shape[2])
            o, j = divide(line, x.shape[1])
            grad = real(0)
            if counted[o, i]:
                grad = math.exp((x[o, j, i] - tops[o, i]) - log_totals[o, i])
                if j == target[o, i]:
                    grad -= real(1)
                grad *= scale[o, i]
            dx[o, j, i] = grad

    return cross_entropy_dx_kernel
