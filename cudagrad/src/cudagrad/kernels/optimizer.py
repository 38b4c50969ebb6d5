"""Steps of the optimizers, which write parameters and states in place; all arrays flat."""

from __future__ import annotations

import math

from ..device import cuda, jit


@jit
def sgd(x, grad, velocity, first, momentum, lr):
    """velocity = momentum · velocity + grad, or just grad at the first step; x -= lr · velocity."""
    i = cuda.grid(1)
    if i < x.size:
        step = grad[i] if first else momentum * velocity[i] + grad[i]
        velocity[i] = step
        x[i] -= lr * step


@jit
def adamw(x, grad, mean, square, decay, rest1, beta2, rest2, rate, root, eps):
    """One step of AdamW, in torch's order.

    decay: 1 - lr · weight_decay; rest: 1 - beta, worked out in float64; rate: lr over the first
    bias correction; root: the square root of the second.
    """
    i = cuda.grid(1)
    if i < x.size:
        g = grad[i]
        m = mean[i] + rest1 * (g - mean[i])
        v = beta2 * square[i] + rest2 * g * g
        mean[i] = m
        square[i] = v
        x[i] = x[i] * decay - rate * m / (math.sqrt(v) / root + eps)
