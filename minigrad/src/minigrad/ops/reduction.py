"""Many numbers to one: sums, products, extremes, variance; over all dims, one or some."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import Dims, axes, axis, flag, floats, named_axes, number, refuse_bool, same
from ..dtypes import floating
from ..engine import Operand, Output, Tensor, op, require_tensors, unwrap
from .elementwise import larger, smaller
from .indexing import Found


@op
def sum(x: Operand, dim: Dims = None, keepdim: bool = False) -> Output:
    """Sum over dim (an int, a tuple, or None for all); integers and booleans sum to int64."""
    flag("sum", "keepdim", keepdim)
    along = axes("sum", dim, x.ndim)
    total = x.sum(axis=along, keepdims=keepdim, dtype=_wide(x))
    return total, lambda dout: np.broadcast_to(_kept(dout, x.shape, along), x.shape)


@op
def mean(x: Operand, dim: Dims = None, keepdim: bool = False) -> Output:
    """Mean over dim (an int, a tuple, or None for all) of a floating tensor; of nothing, NaN."""
    floats("mean", x)
    flag("mean", "keepdim", keepdim)
    along = axes("mean", dim, x.ndim)
    count = math.prod(x.shape[i] for i in along)

    def pullback(dout):
        return np.broadcast_to(_kept(dout, x.shape, along) / count, x.shape)

    return np.true_divide(x.sum(axis=along, keepdims=keepdim), count), pullback


@op
def prod(x: Operand, dim: int | None = None, keepdim: bool = False) -> Output:
    """Product over dim, an int, or of everything; integers and booleans multiply to int64."""
    flag("prod", "keepdim", keepdim)
    if dim is None and keepdim:
        raise TypeError("prod: keepdim needs a dim")
    along = axes("prod", None if dim is None else axis("prod", dim, x.ndim), x.ndim)

    if x.dtype.kind in "biu":
        return x.prod(axis=along, keepdims=keepdim, dtype=np.int64), None
    product = _product(x, along)

    def pullback(dout):
        size = np.abs(product)
        safe = (size >= np.finfo(x.dtype).tiny) & (size < np.inf)  # so no element is 0
        others = product / x if safe.all() else _product_of_others(x, along)
        return _kept(dout, x.shape, along) * others

    return product if keepdim else product.squeeze(along), pullback


@op
def var(x: Operand, dim: Dims = None, *, correction: float = 1, keepdim: bool = False) -> Output:
    """Sum of squared deviations from the mean over dim, divided by max(n - correction, 0)."""
    return _variance("var", x, dim, correction, keepdim)


@op
def std(x: Operand, dim: Dims = None, *, correction: float = 1, keepdim: bool = False) -> Output:
    """Square root of var; where it is 0, its slopes are 0."""
    variance, dvariance = _variance("std", x, dim, correction, keepdim)
    y = np.sqrt(variance)
    return y, lambda dout: dvariance(dout / (2 * np.where(y == 0, np.inf, y)))


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
def amax(x: Operand, dim: Dims = (), keepdim: bool = False) -> Output:
    """The largest elements over dim (an int, a tuple, or () for all); equals share the gradient.

    NaN propagates, and makes the gradient NaN.
    """
    return _shared_extreme("amax", np.max, x, dim, keepdim)


@op
def amin(x: Operand, dim: Dims = (), keepdim: bool = False) -> Output:
    """The smallest elements over dim (an int, a tuple, or () for all); equals share the gradient.

    NaN propagates, and makes the gradient NaN.
    """
    return _shared_extreme("amin", np.min, x, dim, keepdim)


@op
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
    return _extreme("max", (np.max, np.argmax, larger), x, dim, keepdim, other)


@op
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
    return _extreme("min", (np.min, np.argmin, smaller), x, dim, keepdim, other)


@op
def argmax(x: Operand, dim: int | None = None, keepdim: bool = False) -> Output:
    """The int64 index of the first largest element along dim; of the flattened x without one."""
    return _index("argmax", np.argmax, x, dim, keepdim), None


@op
def argmin(x: Operand, dim: int | None = None, keepdim: bool = False) -> Output:
    """The int64 index of the first smallest element along dim; of the flattened x without one."""
    return _index("argmin", np.argmin, x, dim, keepdim), None


@op
def logsumexp(x: Operand, dim: int | Sequence[int], keepdim: bool = False) -> Output:
    """Logarithm of the sum of exponentials over dim (an int or a tuple); of nothing, -inf."""
    flag("logsumexp", "keepdim", keepdim)
    if dim is None:
        raise TypeError("logsumexp: dim must be an int or a tuple, not None")
    x = floating(x)
    along = axes("logsumexp", dim, x.ndim)
    top = x.max(axis=along, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)  # inf - inf would be NaN
    y = top + np.log(np.exp(x - top).sum(axis=along, keepdims=True))

    def pullback(dout):  # the slopes are softmax: exp(x) over the sum of all, which is exp(y)
        return _kept(dout, x.shape, along) * np.exp(x - y)

    return y if keepdim else y.squeeze(along), pullback


@op
def any(x: Operand, dim: Dims = None, keepdim: bool = False) -> Output:
    """Whether any element over dim (an int, a tuple, or None for all) is not 0; () tests each.

    A bool; of uint8, uint8 as in torch.
    """
    return _truth("any", np.any, x, dim, keepdim), None


@op
def all(x: Operand, dim: Dims = None, keepdim: bool = False) -> Output:
    """Whether no element over dim (an int, a tuple, or None for all) is 0; () tests each.

    A bool; of uint8, uint8 as in torch.
    """
    return _truth("all", np.all, x, dim, keepdim), None


@op
def cumsum(x: Operand, dim: int) -> Output:
    """Sum of each element and all before it along dim; integers and booleans sum to int64."""
    along = axis("cumsum", dim, x.ndim)
    if not x.ndim:  # there is nothing to add
        return np.array(x, _wide(x)), lambda dout: dout

    def pullback(dout):
        dx = np.empty(x.shape, x.dtype)
        np.cumsum(np.flip(dout, along), along, out=np.flip(dx, along))
        return dx

    return np.cumsum(x, along, dtype=_wide(x)), pullback


def _wide(x: Any) -> Any:
    """The dtype in which to sum: int64 for integers and booleans; None, x's own, if floating."""
    return np.int64 if x.dtype.kind in "biu" else None


def _kept(dout: Any, shape: tuple[int, ...], along: tuple[int, ...]) -> Any:
    """dout with the reduced dims back in place, of length 1."""
    return dout.reshape([1 if i in along else n for i, n in enumerate(shape)])


def _product(x: Any, along: tuple[int, ...]) -> Any:
    """The product over the dims along, which are one or all and are kept.

    Halves are multiplied while they are long: one by one, each product would wait for the last.
    """
    rows = np.moveaxis(x, along, -1) if len(along) == 1 else x.reshape(-1)
    while (half := rows.shape[-1] // 2) > 8:
        odd = rows[..., 2 * half :]
        rows = rows[..., :half] * rows[..., half : 2 * half]
        rows[..., : odd.shape[-1]] *= odd
    return _kept(rows.prod(axis=-1), x.shape, along)


def _product_of_others(x: Any, along: tuple[int, ...]) -> Any:
    """For each element the product of those before it times that of those after it.

    Dividing the product of all by the element would give 0 / 0 where that is 0.
    """
    rows = np.moveaxis(x, along, -1) if len(along) == 1 else x.reshape(-1)
    one = np.ones_like(rows[..., :1])
    before = np.cumprod(np.concatenate((one, rows[..., :-1]), axis=-1), axis=-1)
    after = np.cumprod(np.concatenate((one, rows[..., :0:-1]), axis=-1), axis=-1)[..., ::-1]
    others = before * after
    return np.moveaxis(others, -1, along) if len(along) == 1 else others.reshape(x.shape)


def _variance(name: str, x: Any, dim: Dims, correction: float, keepdim: bool) -> Any:
    floats(name, x)
    flag(name, "keepdim", keepdim)
    correction = number(name, "correction", correction)
    along = axes(name, dim, x.ndim)
    count = math.prod(x.shape[i] for i in along)
    freedom = np.array(count - correction, x.dtype)
    centred = x - np.true_divide(x.sum(axis=along, keepdims=True), count)

    # x moves the mean, too, which changes no sum of squares: the deviations have a sum of 0.
    def pullback(dout):
        if dim is None and freedom <= 0:
            slope = np.inf * centred * centred  # as in torch without a dim: of one sign
        else:
            slope = 2 / freedom * centred
        return _kept(dout, x.shape, along) * slope

    squares = (centred * centred).sum(axis=along, keepdims=keepdim)
    return squares / np.maximum(freedom, 0), pullback


def _shared_extreme(name: str, extreme: Any, x: Any, dim: Dims, keepdim: bool) -> Any:
    """The extreme over dims, whose gradient goes evenly to the elements that tie with it."""
    flag(name, "keepdim", keepdim)
    along = axes(name, dim, x.ndim)
    _require_elements(name, tuple(x.shape[i] for i in along))
    value = extreme(x, axis=along, keepdims=True)

    def pullback(dout):
        ties = x == value
        shares = _kept(dout, x.shape, along) / ties.sum(axis=along, keepdims=True, dtype=x.dtype)
        return ties * shares

    return value if keepdim else value.squeeze(along), pullback


def _extreme(name: str, functions: Any, x: Any, dim: Any, keepdim: bool, other: Any) -> Any:
    same(name, x)
    flag(name, "keepdim", keepdim)
    extreme, position, pair = functions
    if isinstance(dim, np.ndarray):
        dim, other = None, dim
    if other is not None:
        if dim is not None or keepdim or not isinstance(other, np.ndarray):
            raise TypeError(f"{name}: expected x and a dim, or x and another tensor")
        value, (dx, dother) = pair(name, x, other)
        return value, (dx, dother, None, dother)  # other may have been passed as dim

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
        return Found(x, np.zeros((), np.int64)), lambda dout: dout
    indices = _first(position, x, along, keepdim=True)
    values = np.take_along_axis(x, indices, along)

    def pullback(dout):
        dx = np.zeros_like(x)
        np.put_along_axis(dx, indices, dout.reshape(values.shape), along)
        return dx

    if keepdim:
        return Found(values, indices), pullback
    return Found(values.squeeze(along), indices.squeeze(along)), pullback


def _index(name: str, position: Any, x: Any, dim: int | None, keepdim: bool) -> Any:
    flag(name, "keepdim", keepdim)
    refuse_bool(name, x)
    if dim is None:
        _require_elements(name, x.shape)
        index = position(x)
        return index.reshape((1,) * x.ndim) if keepdim else index
    along = axis(name, dim, x.ndim)
    _require_elements(name, x.shape[along : along + 1])
    return _first(position, x, along, keepdim)


def _first(position: Any, x: Any, along: int, keepdim: bool) -> Any:
    if not x.ndim:
        return np.zeros((), np.int64)
    return position(x, axis=along, keepdims=keepdim).astype(np.int64, copy=False)


def _truth(name: str, test: Any, x: Any, dim: Dims, keepdim: bool) -> Any:
    flag(name, "keepdim", keepdim)
    found = test(x, axis=named_axes(name, dim, x.ndim), keepdims=keepdim)
    return found.astype(x.dtype) if x.dtype == np.uint8 else found


def _require_elements(name: str, shape: tuple[int, ...]) -> None:
    if 0 in shape:
        raise IndexError(f"{name}: a dim without elements has no extreme, in shape {shape}")
