"""Steps of the optimizers, which update parameters and states in place, and clipping by the norm.

Decomposition: all arrays are flat, and a thread owns an element, whichever parameter it belongs to:
one launch serves all parameters that lie side by side in memory. For a norm, a block owns a part.
Bytes moved: with N elements of float32, a step of AdamW reads 16 N and writes 12 N.
Operations: about 15 per element in AdamW.
Limit: memory.

sign: -1 to maximize, else 1. decay: how much of the parameter is added to its gradient. An array
that the options do not need is never touched, so any other may be passed in its place.
"""

from __future__ import annotations

import math
from typing import Any

from ..device import BLOCK, cuda, factory, jit
from .functions import larger, smaller
from .index import first_own, next_own
from .reduction import block_sum


@jit(device=True)
def slope(grad, x, sign, decay):
    """The gradient of what is minimized, including decay / 2 · x²."""
    return sign * grad + decay * x if decay else sign * grad


@jit
def sgd(x, grad, velocity, sign, decay, lr, momentum, rest, first, nesterov):
    """velocity = momentum · velocity + rest · slope, or just the slope in the first step.

    x -= lr · velocity, or lr · (slope + momentum · velocity) if nesterov.
    """
    i = cuda.grid(1)
    if i < x.size:
        step = slope(grad[i], x[i], sign, decay)
        if momentum:
            v = step if first else momentum * velocity[i] + rest * step
            velocity[i] = v
            step = step + momentum * v if nesterov else v
        x[i] -= lr * step


@jit
def adagrad(x, grad, total, sign, decay, rate, eps):
    """total += slope²; x -= rate · slope / (sqrt(total) + eps)."""
    i = cuda.grid(1)
    if i < x.size:
        g = slope(grad[i], x[i], sign, decay)
        t = total[i] + g * g
        total[i] = t
        x[i] -= rate * g / (math.sqrt(t) + eps)


@jit
def rmsprop(x, grad, square, mean, velocity, sign, decay, lr, alpha, rest, eps, momentum, centered):
    """One step of RMSprop, operations in torch's order; rest: 1 - alpha, computed in float64."""
    i = cuda.grid(1)
    if i < x.size:
        g = slope(grad[i], x[i], sign, decay)
        s = alpha * square[i] + rest * g * g
        square[i] = s
        if centered:
            m = mean[i] + rest * (g - mean[i])
            mean[i] = m
            s -= m * m
        size = math.sqrt(s) + eps
        if momentum:
            v = momentum * velocity[i] + g / size
            velocity[i] = v
            x[i] -= lr * v
        else:
            x[i] -= lr * g / size


@jit
def adam(
    x, grad, mean, square, largest, sign, decay, keep, rest1, beta2, rest2, rate, root, eps, amsgrad
):
    """One step of Adam or AdamW, operations in torch's order.

    keep: the factor by which AdamW's decay multiplies x. rest1, rest2: 1 - beta, computed in
    float64. rate: lr over the first bias correction. root: the square root of the second.
    """
    i = cuda.grid(1)
    if i < x.size:
        g = slope(grad[i], x[i], sign, decay)
        m = mean[i] + rest1 * (g - mean[i])
        v = beta2 * square[i] + rest2 * g * g
        mean[i] = m
        square[i] = v
        if amsgrad:
            v = larger(largest[i], v)
            largest[i] = v
        x[i] = x[i] * keep - rate * m / (math.sqrt(v) / root + eps)


@factory
def squares(real: Any) -> Any:
    """sums[first + b] = Σ x² over the `length` elements that block b owns."""

    @jit
    def squares_kernel(x, length, first, sums):
        shared = cuda.shared.array(BLOCK, real)
        start = cuda.blockIdx.x * length
        count = min(length, x.size - start)
        total = real(0)
        j = first_own()
        while j < count:
            total += x[start + j] * x[start + j]
            j = next_own(j)
        total = block_sum(total, shared)
        if cuda.threadIdx.x == 0:
            sums[first + cuda.blockIdx.x] = total

    return squares_kernel


@factory
def shrink(real: Any) -> Any:
    """Scale x by max_norm / norm, in place, unless that is above 1; norm = the root of Σ sums.

    A block owns `length` elements. Each block adds up all sums again, because none could wait for
    another to do it.
    """

    @jit
    def shrink_kernel(sums, max_norm, length, x, norm):
        shared = cuda.shared.array(BLOCK, real)
        total = real(0)
        j = first_own()
        while j < sums.size:
            total += sums[j]
            j = next_own(j)
        size = math.sqrt(block_sum(total, shared))
        factor = smaller(max_norm / (size + real(1e-6)), real(1))
        start = cuda.blockIdx.x * length
        count = min(length, x.size - start)
        j = first_own()
        while j < count:
            x[start + j] *= factor
            j = next_own(j)
        if cuda.blockIdx.x == 0 and cuda.threadIdx.x == 0:
            norm[0] = size

    return shrink_kernel
