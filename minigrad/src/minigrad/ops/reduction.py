"""Many numbers to one: sums, means, extremes, variance; over all dims, one or some."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arguments import Dims, axes, axis, floats
from ..engine import Operand, Output, op


@op
def sum(x: Operand, dim: Dims = None, keepdim: bool = False) -> Output:
    """Sum over dim (an int, a tuple, or None for all); integers and booleans sum to int64."""
    along = axes("sum", dim, x.ndim)
    total = x.sum(axis=along, keepdims=keepdim, dtype=np.int64 if x.dtype.kind in "biu" else None)
    return total, lambda dout: np.broadcast_to(_kept(dout, x.shape, along), x.shape)


@op
def mean(x: Operand, dim: Dims = None, keepdim: bool = False) -> Output:
    """Mean over dim (an int, a tuple, or None for all) of a floating tensor; of nothing, NaN."""
    floats("mean", x)
    along = axes("mean", dim, x.ndim)
    count = math.prod(x.shape[i] for i in along)

    def pullback(dout):
        return np.broadcast_to(_kept(dout, x.shape, along) / count, x.shape)

    return np.true_divide(x.sum(axis=along, keepdims=keepdim), count), pullback


@op
def max(x: Operand, dim: int | None = None, keepdim: bool = False) -> Output:
    """The largest element; with a dim, the pair (values, indices) along it. NaN wins.

    Over everything, equal elements share the gradient evenly; along a dim it goes to the first.
    """
    return _extreme("max", np.max, np.argmax, x, dim, keepdim)


@op
def min(x: Operand, dim: int | None = None, keepdim: bool = False) -> Output:
    """The smallest element; with a dim, the pair (values, indices) along it. NaN wins.

    Over everything, equal elements share the gradient evenly; along a dim it goes to the first.
    """
    return _extreme("min", np.min, np.argmin, x, dim, keepdim)


@op
def argmax(x: Operand, dim: int | None = None, keepdim: bool = False) -> Output:
    """The int64 index of the first largest element along dim; of the flattened x without one."""
    if dim is None:
        _require_elements("argmax", x.shape)
        index = np.argmax(x)
        return (index.reshape((1,) * x.ndim) if keepdim else index), None
    along = axis("argmax", dim, x.ndim)
    _require_elements("argmax", x.shape[along : along + 1])
    return _first(np.argmax, x, along, keepdim), None


@op
def var(x: Operand, dim: Dims = None, *, correction: float = 1, keepdim: bool = False) -> Output:
    """Mean square distance from the mean over dim, with n - correction in place of n."""
    floats("var", x)
    along = axes("var", dim, x.ndim)
    count = math.prod(x.shape[i] for i in along)
    freedom = np.array(count - correction, x.dtype)
    centred = x - np.true_divide(x.sum(axis=along, keepdims=True), count)

    def pullback(dout):
        if dim is None and freedom <= 0:
            slope = np.inf * centred * centred  # torch's answer without a dim: of one sign
        else:
            slope = 2 / freedom * centred
        return _kept(dout, x.shape, along) * slope

    squares = (centred * centred).sum(axis=along, keepdims=keepdim)
    return squares / np.maximum(freedom, 0), pullback


def _kept(dout: Any, shape: tuple[int, ...], along: tuple[int, ...]) -> Any:
    """dout with the reduced dims back in place, of length 1."""
    return dout.reshape([1 if i in along else n for i, n in enumerate(shape)])


def _extreme(name: str, extreme: Any, position: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    if dim is None:
        if keepdim:
            raise TypeError(f"{name}: keepdim needs a dim")
        _require_elements(name, x.shape)
        value = extreme(x)

        def share(dout):
            ties = np.isnan(x) if np.isnan(value) else x == value
            return ties * (dout / ties.sum(dtype=dout.dtype))

        return value, share

    along = axis(name, dim, x.ndim)
    _require_elements(name, x.shape[along : along + 1])
    if not x.ndim:
        return (x, np.zeros((), np.int64)), lambda dout: dout
    indices = _first(position, x, along, keepdim=True)
    values = np.take_along_axis(x, indices, along)

    def pullback(dout):
        dx = np.zeros_like(x)
        np.put_along_axis(dx, indices, dout.reshape(values.shape), along)
        return dx

    if keepdim:
        return (values, indices), pullback
    return (values.squeeze(along), indices.squeeze(along)), pullback


def _first(position: Any, x: Any, along: int, keepdim: bool) -> Any:
    if not x.ndim:
        return np.zeros((), np.int64)
    return position(x, axis=along, keepdims=keepdim).astype(np.int64, copy=False)


def _require_elements(name: str, shape: tuple[int, ...]) -> None:
    if 0 in shape:
        raise IndexError(f"{name}: a dim without elements has no extreme, in shape {shape}")
