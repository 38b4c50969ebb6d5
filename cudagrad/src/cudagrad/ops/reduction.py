"""Many numbers to one: sums, means, extremes, variance; over all dims, one or some."""

from __future__ import annotations

import builtins
import math
from typing import Any

from .. import arrays
from ..arguments import Dims, axes, axis, floats
from ..arrays import BOOL, INT, apply
from ..dtypes import is_floating
from ..engine import Operand, Output, op
from ..kernels import functions as f
from ..kernels.reduction import above, below


@op
def sum(x: Operand, dim: Dims = None, keepdim: bool = False) -> Output:
    """Sum over dim (an int, a tuple, or None for all); integers and booleans sum to int64."""
    along = axes("sum", dim, x.ndim)
    total = arrays.total(x, along, keepdim, dtype=x.dtype if is_floating(x.dtype) else INT)
    shape = x.shape  # a pullback that knew x would keep its memory
    return total, lambda dout: arrays.expand(_kept(dout, shape, along), shape)


@op
def mean(x: Operand, dim: Dims = None, keepdim: bool = False) -> Output:
    """Mean over dim (an int, a tuple, or None for all) of a floating tensor; of nothing, NaN."""
    floats("mean", x)
    along = axes("mean", dim, x.ndim)
    shape = x.shape
    count = math.prod(shape[i] for i in along)

    def pullback(dout):
        return arrays.expand(apply(f.div, _kept(dout, shape, along), count), shape)

    return apply(f.div, arrays.total(x, along, keepdim), count), pullback


@op
def max(x: Operand, dim: int | None = None, keepdim: bool = False) -> Output:
    """The largest element; with a dim, the pair (values, indices) along it. NaN wins.

    Over everything, equal elements share the gradient evenly; along a dim it goes to the first.
    """
    return _extreme("max", above, x, dim, keepdim)


@op
def min(x: Operand, dim: int | None = None, keepdim: bool = False) -> Output:
    """The smallest element; with a dim, the pair (values, indices) along it. NaN wins.

    Over everything, equal elements share the gradient evenly; along a dim it goes to the first.
    """
    return _extreme("min", below, x, dim, keepdim)


@op
def argmax(x: Operand, dim: int | None = None, keepdim: bool = False) -> Output:
    """The int64 index of the first largest element along dim; of the flattened x without one."""
    if dim is None:
        _require_elements("argmax", x.shape)
        _, index = arrays.extreme(arrays.flat(x), 0, above)
        return arrays.reshape(index, (1,) * x.ndim if keepdim else ()), None
    along = axis("argmax", dim, x.ndim)
    _require_elements("argmax", x.shape[along : along + 1])
    _, index = arrays.extreme(x, along, above)
    return index if keepdim else _without(index, along), None


@op
def var(x: Operand, dim: Dims = None, *, correction: float = 1, keepdim: bool = False) -> Output:
    """Mean square distance from the mean over dim, with n - correction in place of n."""
    floats("var", x)
    along = axes("var", dim, x.ndim)
    count = math.prod(x.shape[i] for i in along)
    freedom = count - correction
    centred = apply(f.sub, x, apply(f.div, arrays.total(x, along, keepdims=True), count))

    def pullback(dout):
        if dim is None and freedom <= 0:  # torch's answer without a dim: of one sign
            slope = apply(f.mul, apply(f.square, centred), math.inf)
        else:
            slope = apply(f.mul, centred, 2 / freedom if freedom else math.inf)
        return apply(f.mul, _kept(dout, centred.shape, along), slope)

    squares = arrays.total(apply(f.square, centred), along, keepdim)
    return apply(f.div, squares, builtins.max(freedom, 0)), pullback


def _kept(dout: Any, shape: tuple[int, ...], along: tuple[int, ...]) -> Any:
    """dout with the reduced dims back in place, of length 1."""
    return arrays.reshape(dout, tuple(1 if i in along else n for i, n in enumerate(shape)))


def _extreme(name: str, wins: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    if dim is None:
        if keepdim:
            raise TypeError(f"{name}: keepdim needs a dim")
        _require_elements(name, x.shape)
        value, _ = arrays.extreme(arrays.flat(x), 0, wins)

        def share(dout):
            ties = apply(f.tie, x, value, dtype=BOOL)
            count = arrays.total(ties, tuple(range(x.ndim)), dtype=dout.dtype)
            return apply(f.keep, ties, apply(f.div, dout, count), dtype=dout.dtype)

        return arrays.reshape(value, ()), share

    along = axis(name, dim, x.ndim)
    _require_elements(name, x.shape[along : along + 1])
    values, indices = arrays.extreme(x, along, wins)
    shape = x.shape

    def pullback(dout):
        return arrays.put_along(arrays.reshape(dout, indices.shape), indices, shape, along)

    if keepdim:
        return (values, indices), pullback
    return (_without(values, along), _without(indices, along)), pullback


def _without(x: Any, along: int) -> Any:
    return arrays.reshape(x, x.shape[:along] + x.shape[along + 1 :])


def _require_elements(name: str, shape: tuple[int, ...]) -> None:
    if 0 in shape:
        raise IndexError(f"{name}: a dim without elements has no extreme, in shape {shape}")
