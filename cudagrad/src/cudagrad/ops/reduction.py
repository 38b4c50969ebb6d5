"""Many numbers to one: sums, products, extremes, variance; over all dims, one or some."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from .. import arrays
from ..arguments import Dims, axes, axis, flag, floats, named_axes, number, refuse_bool, tensors
from ..arrays import BOOL, INT, apply
from ..dtypes import floating, is_floating, through_float32
from ..engine import Operand, Output, Tensor, op, require_tensors, unwrap
from ..kernels import functions as f
from ..kernels.reduction import above, below
from .elementwise import extreme_of_two
from .indexing import Found

MAX = f.larger, f.larger_dx, above
MIN = f.smaller, f.smaller_dx, below


@op
@through_float32
def sum(x: Operand, dim: Dims = None, keepdim: bool = False) -> Output:
    """Sum over dim (an int, a tuple, or None for all); integers and booleans sum to int64."""
    flag("sum", "keepdim", keepdim)
    along = axes("sum", dim, x.ndim)
    total = arrays.total(x, along, keepdim, dtype=x.dtype if is_floating(x.dtype) else INT)
    shape = x.shape  # a pullback that knew x would keep its memory
    return total, lambda dout: arrays.expand(_kept(dout, shape, along), shape)


@op
@through_float32
def mean(x: Operand, dim: Dims = None, keepdim: bool = False) -> Output:
    """Mean over dim (an int, a tuple, or None for all) of a floating tensor; of nothing, NaN."""
    floats("mean", x)
    flag("mean", "keepdim", keepdim)
    along = axes("mean", dim, x.ndim)
    shape = x.shape
    count = math.prod(shape[i] for i in along)

    def pullback(dout):
        return arrays.expand(apply(f.div, _kept(dout, shape, along), count), shape)

    return apply(f.div, arrays.total(x, along, keepdim), count), pullback


@op
@through_float32
def prod(x: Operand, dim: int | None = None, keepdim: bool = False) -> Output:
    """Product over dim, an int, or of everything; integers and booleans multiply to int64."""
    flag("prod", "keepdim", keepdim)
    if dim is None and keepdim:
        raise TypeError("prod: keepdim needs a dim")
    shape = x.shape
    x = x if is_floating(x.dtype) else arrays.cast(x, INT)
    x = arrays.flat(x) if dim is None else x
    along = 0 if dim is None else axis("prod", dim, x.ndim)
    product = arrays.fold(x, range(x.ndim)[along : along + 1], f.mul, 1, keepdim)
    return product, lambda dout: arrays.reshape(arrays.prod_dx(x, dout, along), shape)


@op
@through_float32
def var(x: Operand, dim: Dims = None, *, correction: float = 1, keepdim: bool = False) -> Output:
    """Sum of squared deviations from the mean over dim, divided by max(n - correction, 0)."""
    return _variance("var", x, dim, correction, keepdim)


@op
@through_float32
def std(x: Operand, dim: Dims = None, *, correction: float = 1, keepdim: bool = False) -> Output:
    """Square root of var; where it is 0, its slopes are 0."""
    variance, pullback = _variance("std", x, dim, correction, keepdim)
    y = apply(f.sqrt, variance)
    return y, lambda dout: pullback(apply(f.std_dvar, y, dout))


def var_mean(
    x: Operand, dim: Dims = None, *, correction: float = 1, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """The pair (var, mean) over dim."""
    require_tensors("var_mean", x)
    floats("var_mean", unwrap(x))
    flag("var_mean", "keepdim", keepdim)
    number("var_mean", "correction", correction)
    axes("var_mean", dim, x.ndim)
    return var(x, dim, correction=correction, keepdim=keepdim), mean(x, dim, keepdim)


@op
@through_float32
def amax(x: Operand, dim: Dims = (), keepdim: bool = False) -> Output:
    """The largest elements over dim (an int, a tuple, or () for all); equals share the gradient.

    NaN propagates, and makes the gradient NaN.
    """
    return _shared_extreme("amax", f.larger, f.equal, x, dim, keepdim)


@op
@through_float32
def amin(x: Operand, dim: Dims = (), keepdim: bool = False) -> Output:
    """The smallest elements over dim (an int, a tuple, or () for all); equals share the gradient.

    NaN propagates, and makes the gradient NaN.
    """
    return _shared_extreme("amin", f.smaller, f.equal, x, dim, keepdim)


@op
@through_float32
def max(
    x: Operand,
    dim: int | Operand | None = None,
    keepdim: bool = False,
    *,
    other: Operand | None = None,
) -> Output:
    """The largest element; with a dim, the pair (values, indices) along it. NaN propagates.

    Over everything, equal elements share the gradient evenly; along a dim it goes to the first.
    max(x, other), of two tensors, is maximum.
    """
    return _extreme("max", MAX, x, dim, keepdim, other)


@op
@through_float32
def min(
    x: Operand,
    dim: int | Operand | None = None,
    keepdim: bool = False,
    *,
    other: Operand | None = None,
) -> Output:
    """The smallest element; with a dim, the pair (values, indices) along it. NaN propagates.

    Over everything, equal elements share the gradient evenly; along a dim it goes to the first.
    min(x, other), of two tensors, is minimum.
    """
    return _extreme("min", MIN, x, dim, keepdim, other)


@op
@through_float32
def argmax(x: Operand, dim: int | None = None, keepdim: bool = False) -> Output:
    """The int64 index of the first largest element along dim; of the flattened x without one."""
    return _index("argmax", above, x, dim, keepdim), None


@op
@through_float32
def argmin(x: Operand, dim: int | None = None, keepdim: bool = False) -> Output:
    """The int64 index of the first smallest element along dim; of the flattened x without one."""
    return _index("argmin", below, x, dim, keepdim), None


@op
@through_float32
def logsumexp(x: Operand, dim: Dims, keepdim: bool = False) -> Output:
    """Logarithm of the sum of exponentials over dim (an int or a tuple); of nothing, -inf."""
    flag("logsumexp", "keepdim", keepdim)
    if dim is None:
        raise TypeError("logsumexp: dim must be an int or a tuple, not None")
    along = axes("logsumexp", dim, x.ndim)
    x = floating(x)
    kept = arrays.logsumexp(x, along)
    shape = kept.shape

    def pullback(dout):
        return apply(f.logsumexp_dx, x, kept, arrays.reshape(dout, shape))

    return (kept if keepdim else _without(kept, along)), pullback


@op
@through_float32
def any(x: Operand, dim: Dims = None, keepdim: bool = False) -> Output:
    """Whether any element over dim (an int, a tuple, or None for all) is not 0; () tests each.

    A bool; of uint8, uint8 as in torch.
    """
    return _truth("any", f.either, False, x, dim, keepdim), None


@op
@through_float32
def all(x: Operand, dim: Dims = None, keepdim: bool = False) -> Output:
    """Whether no element over dim (an int, a tuple, or None for all) is 0; () tests each.

    A bool; of uint8, uint8 as in torch.
    """
    return _truth("all", f.both, True, x, dim, keepdim), None


@op
@through_float32
def cumsum(x: Operand, dim: int) -> Output:
    """Sum of each element and all before it along dim; integers and booleans sum to int64."""
    along = axis("cumsum", dim, x.ndim)
    x = x if is_floating(x.dtype) else arrays.cast(x, INT)
    return arrays.cumsum(x, along), lambda dout: arrays.cumsum(dout, along, backwards=True)


def _variance(name: str, x: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    floats(name, x)
    flag(name, "keepdim", keepdim)
    correction = number(name, "correction", correction)
    along = axes(name, dim, x.ndim)
    count = math.prod(x.shape[i] for i in along)
    freedom = count - correction
    centred = apply(f.sub, x, apply(f.div, arrays.total(x, along, keepdims=True), count))

    # x moves the mean, too, which changes no sum of squares: the deviations have a sum of 0.
    def pullback(dout):
        dout = _kept(dout, centred.shape, along)
        if dim is None and freedom <= 0:  # as in torch without a dim: of one sign
            return apply(f.mul3, dout, apply(f.square, centred), math.inf)
        return apply(f.mul3, dout, centred, 2 / freedom if freedom else math.inf)

    squares = arrays.total(apply(f.square, centred), along, keepdim)
    return apply(f.div, squares, builtins.max(freedom, 0)), pullback


def _shared_extreme(name: str, combine: Any, tie: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    """The extreme over dims, whose gradient goes evenly to the elements that tie with it."""
    flag(name, "keepdim", keepdim)
    along = axes(name, dim, x.ndim)
    _require_elements(name, tuple(x.shape[i] for i in along))
    kept = arrays.fold(x, along, combine, _worst(combine, x.dtype), keepdims=True)
    shape = kept.shape

    def pullback(dout):
        ties = apply(tie, x, kept, dtype=BOOL)
        count = arrays.total(ties, along, keepdims=True, dtype=dout.dtype)
        return apply(f.share, ties, arrays.reshape(dout, shape), count, dtype=dout.dtype)

    return (kept if keepdim else _without(kept, along)), pullback


def _worst(combine: Any, dtype: Any) -> Any:
    """What is no larger, or no smaller, than any number of dtype."""
    if dtype == BOOL:
        return combine is f.smaller
    if is_floating(dtype):
        return -math.inf if combine is f.larger else math.inf
    limits = np.iinfo(dtype)
    return limits.min if combine is f.larger else limits.max


def _extreme(name: str, which: Any, x: Any, dim: Any, keepdim: bool, other: Any) -> Any:
    tensors(name, x)
    flag(name, "keepdim", keepdim)
    larger, larger_dx, wins = which
    if other is None and hasattr(dim, "dtype") and not isinstance(dim, np.generic):
        dim, other = None, dim
    if other is not None:
        if dim is not None or keepdim or not hasattr(other, "dtype"):
            raise TypeError(f"{name}: expected x and a dim, or x and another tensor")
        value, (dx, dother) = extreme_of_two(name, larger, larger_dx, x, other)
        return value, (dx, dother, None, dother)  # other may have been passed as dim
    if dim is None:
        if keepdim:
            raise TypeError(f"{name}: keepdim needs a dim")
        return _shared_extreme(name, larger, f.tie, x, None, keepdim)
    along = axis(name, dim, x.ndim)
    _require_elements(name, x.shape[along : along + 1])
    values, indices = arrays.extreme(x, along, wins)
    shape = x.shape

    def pullback(dout):
        return arrays.put_along(arrays.reshape(dout, indices.shape), indices, shape, along)

    if keepdim:
        return Found(values, indices), pullback
    return Found(_without(values, (along,)), _without(indices, (along,))), pullback


def _index(name: str, wins: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    refuse_bool(name, x)
    flag(name, "keepdim", keepdim)
    if dim is None:
        _require_elements(name, x.shape)
        _, index = arrays.extreme(arrays.flat(x), 0, wins)
        return arrays.reshape(index, (1,) * x.ndim if keepdim else ())
    along = axis(name, dim, x.ndim)
    _require_elements(name, x.shape[along : along + 1])
    _, index = arrays.extreme(x, along, wins)
    return index if keepdim else _without(index, (along,))


def _truth(name: str, combine: Any, start: bool, x: Any, dim: Any, keepdim: bool) -> Any:
    flag(name, "keepdim", keepdim)
    along = named_axes(name, dim, x.ndim)
    found = arrays.fold(apply(f.true, x, dtype=BOOL), along, combine, start, keepdim)
    return arrays.cast(found, x.dtype) if x.dtype == np.uint8 else found


def _kept(dout: Any, shape: tuple[int, ...], along: tuple[int, ...]) -> Any:
    """dout with the reduced dims back in place, of length 1."""
    return arrays.reshape(dout, tuple(1 if i in along else n for i, n in enumerate(shape)))


def _without(x: Any, along: tuple[int, ...]) -> Any:
    """x without the reduced dims, of length 1."""
    return arrays.reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in along))


def _require_elements(name: str, shape: tuple[int, ...]) -> None:
    if 0 in shape:
        raise IndexError(f"{name}: a dim without elements has no extreme, in shape {shape}")
