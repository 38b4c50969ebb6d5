"""Steps of the optimizers, which write parameters and states in place; all arrays flat.

sign is -1 to go uphill, else 1; decay: what the gradient receives of the parameter. An array that
the options leave out is never touched: any other may stand in for it.
"""

from __future__ import annotations

import math

from ..device import cuda, jit
from .functions import larger


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
