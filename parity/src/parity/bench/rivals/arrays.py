"""Some ops by hand in NumPy, forward and backward, with no graph: the best that NumPy can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Gradients = Callable[[Array], tuple[Array, ...]]

ROOT, CUBIC = 0.7978845608028654, 0.044715  # √(2/π), and of the third power, in gelu's tanh


def matmul(x: Array, weight: Array) -> tuple[Array, Gradients]:
    def backward(dout: Array) -> tuple[Array, ...]:
        return dout @ weight.swapaxes(-1, -2), x.swapaxes(-1, -2) @ dout

    return x @ weight, backward


def softmax(x: Array, dim: int) -> tuple[Array, Gradients]:
    p = x - x.max(axis=dim, keepdims=True)
    np.exp(p, out=p)
    p /= p.sum(axis=dim, keepdims=True)

    def backward(dout: Array) -> tuple[Array, ...]:
        dx = dout * p
        dx -= p * dx.sum(axis=dim, keepdims=True)
        return (dx,)

    return p, backward


def layer_norm(
    x: Array, normalized_shape: tuple[int, ...], weight: Array, bias: Array
) -> tuple[Array, Gradients]:
    """Over the last axis alone."""
    n = x.shape[-1]
    hat = x - x.mean(axis=-1, keepdims=True)
    scale = np.sqrt(np.einsum("...i,...i->...", hat, hat)[..., None] / n + 1e-5)
    hat /= scale
    out = hat * weight
    out += bias

    def backward(dout: Array) -> tuple[Array, ...]:
        rows = tuple(range(x.ndim - 1))
        dweight = (dout * hat).sum(axis=rows)
        dhat = dout * weight
        along = np.einsum("...i,...i->...", dhat, hat)[..., None] / n
        dhat -= dhat.mean(axis=-1, keepdims=True)
        dhat -= hat * along
        dhat /= scale
        return dhat, dweight, dout.sum(axis=rows)

    return out, backward


def gelu(x: Array, approximate: str) -> tuple[Array, Gradients]:
    """By tanh: NumPy has no error function."""
    t = x * x
    t *= CUBIC
    t += 1
    t *= x
    t *= ROOT
    np.tanh(t, out=t)
    out = t + 1
    out *= x
    out *= 0.5

    def backward(dout: Array) -> tuple[Array, ...]:
        slope = x * x
        slope *= 3 * CUBIC
        slope += 1
        slope *= ROOT
        slope *= x
        slope *= 1 - t * t
        slope += t
        slope += 1
        slope *= dout
        slope *= 0.5
        return (slope,)

    return out, backward


def cross_entropy(x: Array, target: Array) -> tuple[Array, Gradients]:
    """The mean over rows."""
    rows = np.arange(len(x))
    p = x - x.max(axis=1, keepdims=True)
    picked = p[rows, target]
    np.exp(p, out=p)
    total = p.sum(axis=1)
    loss = np.asarray((np.log(total) - picked).mean(), x.dtype)

    def backward(dout: Array) -> tuple[Array, ...]:
        dx = p / total[:, None]
        dx[rows, target] -= 1
        dx *= dout / np.asarray(len(x), x.dtype)
        return (dx,)

    return loss, backward


FUNCTIONS: Mapping[str, Callable[..., tuple[Array, Gradients]]] = {
    each.__name__: each for each in (matmul, softmax, layer_norm, gelu, cross_entropy)
}


def written(name: str, kwargs: Mapping[str, Any]) -> bool:
    """Whether there is a function for an op called so: gelu is only written with its tanh."""
    return name in FUNCTIONS and (name != "gelu" or kwargs.get("approximate") == "tanh")
