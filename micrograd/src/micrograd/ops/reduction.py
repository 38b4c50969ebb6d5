"""Many elements become one: along all dims, or along those that dim names."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from .. import scalar
from ..arguments import (
    Dims,
    axes,
    flag,
    floating,
    named_axes,
    no_plain_floats,
    number,
    one_axis,
    refuse_bool,
    whole,
)
from ..engine import Value
from ..floats import argmax as argmax_of
from ..floats import argmin as argmin_of
from ..lists import Shape, Tensor, as_values, kind, map_rows, nest, numbers, operands, rows, unnest
from ..rowwise import owned
from .elementwise import elementwise
from .indexing import Found


def sum(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The sum over dim, an int or a tuple; ints and bools give ints."""
    return _reduce("sum", scalar.total, x, dim, keepdim, integers=builtins.sum)


def mean(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The mean over dim, an int or a tuple; nan of no elements; TypeError for ints and bools."""
    floating("mean", x)
    return _reduce("mean", average, x, dim, keepdim)


def prod(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The product over dim, or of all elements; ints and bools give ints.

    Raises TypeError for keepdim without a dim.
    """
    if dim is None:
        _no_keepdim("prod", keepdim)
    else:
        whole("prod", "dim", dim)
    return _reduce("prod", scalar.prod, x, dim, keepdim, integers=math.prod)


def var(x: Tensor, dim: Dims = None, *, correction: float = 1, keepdim: bool = False) -> Tensor:
    """The sum of squared distances from the mean, divided by max(n - correction, 0).

    Raises TypeError for ints and bools.
    """
    return _variance("var", x, dim, correction, keepdim)


def std(x: Tensor, dim: Dims = None, *, correction: float = 1, keepdim: bool = False) -> Tensor:
    """The square root of the variance; where that is 0, so is the gradient; otherwise as var."""
    return _variance("std", x, dim, correction, keepdim, finish=scalar.deviation)


def var_mean(
    x: Tensor, dim: Dims = None, *, correction: float = 1, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """The pair (variance, mean), as var and mean return them."""
    variance = _variance("var_mean", x, dim, correction, keepdim)
    return variance, mean(x, dim, keepdim)


def amax(x: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """The largest element over dim, an int or a tuple, or of all; equals share the gradient.

    nan counts as largest. Raises IndexError where there is no element.
    """
    return _extreme("amax", _spoilt(scalar.largest), builtins.max, x, dim, keepdim)


def amin(x: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """The smallest element over dim; nan counts as smallest; otherwise as amax."""
    return _extreme("amin", _spoilt(scalar.smallest), builtins.min, x, dim, keepdim)


def max(
    x: Tensor, dim: int | Tensor | None = None, keepdim: bool = False, *, other: Tensor = None
) -> Tensor:
    """The largest element, or, along dim, the pair (largest elements, their indices).

    With another tensor, in place of dim or as other: maximum. nan counts as largest. Of equal
    elements, all share the gradient if dim is None, else the first has it. Raises IndexError where
    there is no element, and TypeError for keepdim without a dim.
    """
    other = _other("max", dim, keepdim, other)
    if other is not None:
        return elementwise("max", scalar.maximum, x, other, integers=builtins.max)
    if dim is None:
        _no_keepdim("max", keepdim)
        return _extreme("max", scalar.largest, builtins.max, x, dim, keepdim)
    return _extremes("max", argmax_of, x, dim, keepdim)


def min(
    x: Tensor, dim: int | Tensor | None = None, keepdim: bool = False, *, other: Tensor = None
) -> Tensor:
    """The smallest element, or, along dim, the pair (smallest elements, their indices); as max."""
    other = _other("min", dim, keepdim, other)
    if other is not None:
        return elementwise("min", scalar.minimum, x, other, integers=builtins.min)
    if dim is None:
        _no_keepdim("min", keepdim)
        return _extreme("min", scalar.smallest, builtins.min, x, dim, keepdim)
    return _extremes("min", argmin_of, x, dim, keepdim)


def argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the largest element, the first of equals: along dim, or in x flattened.

    nan counts as largest. Raises IndexError where there is no element, TypeError for bools.
    """
    return _index("argmax", argmax_of, x, dim, keepdim)


def argmin(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the smallest element; nan counts as smallest; otherwise as argmax."""
    return _index("argmin", argmin_of, x, dim, keepdim)


def logsumexp(x: Tensor, dim: int | Sequence[int], keepdim: bool = False) -> Tensor:
    """The logarithm of the sum of exponentials over dim, an int or a tuple; -inf of no elements."""
    if dim is None:
        raise TypeError("logsumexp: dim must be an int or a tuple, not None")
    return _reduce("logsumexp", scalar.logsumexp, x, dim, keepdim)


def any(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether any element over dim (an int, a tuple, or None for all) is not 0; () tests each."""
    return _truth("any", builtins.any, x, dim, keepdim)


def all(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether no element over dim (an int, a tuple, or None for all) is 0; () tests each."""
    return _truth("all", builtins.all, x, dim, keepdim)


def cumsum(x: Tensor, dim: int) -> Tensor:
    """The sums of the elements along dim up to each of them; ints and bools give ints."""
    [(items, shape)], exact = operands("cumsum", x)
    terms: Sequence[Any] = list(map(int, items)) if exact else items
    dims = one_axis("cumsum", dim, len(shape))
    return map_rows(lambda row: owned(list(accumulate(row))), terms, shape, dims)


def average(row: Sequence[Value]) -> Value:
    return scalar.total(row) / len(row)


def _reduce(
    op: str,
    function: Callable[[Sequence[Value]], Value],
    x: Tensor,
    dim: Dims,
    keepdim: bool,
    integers: Callable[[Sequence[int]], int] | None = None,
) -> Tensor:
    """function of each group of elements over dim; integers: the function for integer tensors."""
    items, shape = unnest(x, op)
    compute: Callable[..., Any] = function
    if integers is not None and kind(items) is not float:
        compute = integers
    else:
        items = as_values(items, op)
    dims = axes(op, dim, len(shape))
    return nest(list(map(compute, rows(items, shape, dims))), _reduced(op, shape, dims, keepdim))


def _variance(
    op: str,
    x: Tensor,
    dim: Dims,
    correction: float,
    keepdim: bool,
    finish: Callable[[Value], Value] | None = None,
) -> Tensor:
    """The variance of each group, or finish of it."""
    floating(op, x)
    taken = number(op, "correction", correction)

    def of_row(row: Sequence[Value]) -> Value:
        # The sum is smallest around the mean, where its slope is 0: the mean counts as a constant.
        centre = average(row).detach()
        distances = [item - centre for item in row]
        variance = scalar.spread(distances, len(row) - taken, unsigned=dim is None)
        return variance if finish is None else finish(variance)

    return _reduce(op, of_row, x, dim, keepdim)


def _extreme(
    op: str,
    function: Callable[[Sequence[Value]], Value],
    integers: Callable[[Sequence[int]], int],
    x: Tensor,
    dim: Dims,
    keepdim: bool,
) -> Tensor:
    """An extreme element; all that equal it share its gradient."""
    _, shape = unnest(x, op)
    _require_elements(op, shape, axes(op, dim, len(shape)))
    return _reduce(op, function, x, dim, keepdim, integers=integers)


def _spoilt(function: Callable[[Sequence[Value]], Value]) -> Callable[[Sequence[Value]], Value]:
    """function, but where that is nan, so is the gradient of every element."""

    def extreme(row: Sequence[Value]) -> Value:
        best = function(row)
        # No element equals nan: torch divides its gradient by 0, and gives that to all.
        return scalar.dot(row, [Value(math.nan)] * len(row)) if math.isnan(best.data) else best

    return extreme


def _other(op: str, dim: Any, keepdim: bool, other: Tensor | None) -> Tensor | None:
    """The tensor that x is compared with: other, or what was passed as dim."""
    if isinstance(dim, Value | list):
        dim, other = other, dim
    if other is not None and (dim is not None or keepdim):
        raise TypeError(f"{op}: another tensor excludes dim and keepdim")
    no_plain_floats(op, other)
    return other


def _extremes(
    op: str, choose: Callable[[Sequence[float]], int], x: Tensor, dim: int, keepdim: bool
) -> Found:
    """An extreme element along dim, which has the whole gradient, and its index."""
    [(items, shape)], _ = operands(op, x)
    dims = one_axis(op, dim, len(shape))
    _require_elements(op, shape, dims)
    groups = rows(items, shape, dims)
    indices = [choose([float(item) for item in row]) for row in groups]
    chosen = [row[i] for row, i in zip(groups, indices, strict=True)]
    reduced = _reduced(op, shape, dims, keepdim)
    return Found(nest(owned(chosen), reduced), nest(indices, reduced))


def _index(
    op: str, choose: Callable[[Sequence[float]], int], x: Tensor, dim: int | None, keepdim: bool
) -> Tensor:
    refuse_bool(op, x)
    [(items, shape)] = numbers(op, x)
    dims = list(range(len(shape))) if dim is None else one_axis(op, dim, len(shape))
    _require_elements(op, shape, dims)
    return nest(list(map(choose, rows(items, shape, dims))), _reduced(op, shape, dims, keepdim))


def _truth(
    op: str, function: Callable[[Sequence[float]], bool], x: Tensor, dim: Dims, keepdim: bool
) -> Tensor:
    [(items, shape)] = numbers(op, x)
    dims = named_axes(op, dim, len(shape))
    return nest(list(map(function, rows(items, shape, dims))), _reduced(op, shape, dims, keepdim))


def _require_elements(op: str, shape: Shape, dims: Sequence[int]) -> None:
    if 0 in [shape[d] for d in dims]:
        raise IndexError(f"{op}: shape {shape} has no element along its dims {tuple(dims)}")


def _no_keepdim(op: str, keepdim: bool) -> None:
    if keepdim:
        raise TypeError(f"{op}: keepdim needs a dim")


def _reduced(op: str, shape: Shape, dims: Sequence[int], keepdim: bool) -> Shape:
    if flag(op, "keepdim", keepdim):
        return tuple(1 if i in dims else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in dims)
