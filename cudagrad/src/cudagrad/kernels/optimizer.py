"""Steps of the optimizers, which write parameters and states in place, and clipping by a norm.

All arrays are flat, and a thread owns an element, whichever parameter that is of: one launch serves
all parameters that lie side by side. Memory limits the steps: of N elements of float32 one of AdamW
reads 16 N bytes and writes 12 N, and does about 15 operations an element.

sign is -1 to go uphill, else 1; decay: what the gradient receives of the parameter. An array that
the options leave out is never touched: any other may stand in for it.
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
    """The gradient downhill, with that of decay / 2 · x²."""
    return sign * grad + decay * x if decay else sign * grad


@jit
def sgd(x, grad, velocity, sign, decay, lr, momentum, rest, first, nesterov):
    """velocity = momentum · velocity + rest · slope, or just the slope at the first step.

    x -= lr · velocity; nesterov: lr · (slope + momentum · velocity).
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
    """One step of RMSprop, in torch's order; rest: 1 - alpha, worked out in float64."""
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
    """One step of Adam and AdamW, in torch's order.

    keep: what AdamW's decay leaves of x; rest: 1 - beta, worked out in float64; rate: lr over the
    first bias correction; root: the square root of the second.
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
    """sums[first + b] = Σ x² of the b-th `length` elements: a block owns them."""

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
    """x · max_norm / norm where that is smaller, in place; norm is the root of all sums together.

    A block owns `length` elements, and adds up the sums anew: no block could wait for another.
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
