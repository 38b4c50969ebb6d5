"""Many elements become one: along all dims, or along those that dim names."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence

from .. import scalar
from ..arguments import Dims, axes, axis, floating
from ..engine import Value
from ..floats import argmax as argmax_of
from ..floats import argmin as argmin_of
from ..lists import Shape, Tensor, is_integer, nest, operands, rows, unnest, values


def sum(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The sum over dim, an int or a tuple; of ints and bools an int."""
    items, shape = unnest(x)
    dims = axes("sum", dim, len(shape))
    if items and is_integer(items):
        sums: list[int] = [builtins.sum(row) for row in rows(items, shape, dims)]
        return nest(sums, _reduced(shape, dims, keepdim))
    return _reduce(scalar.total, values(x), dims, keepdim)


def mean(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The mean over dim, an int or a tuple; nan of no elements; TypeError for ints and bools."""
    items, shape = floating("mean", x)
    return _reduce(average, (items, shape), axes("mean", dim, len(shape)), keepdim)


def max(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The largest element, or, along dim, the pair (largest elements, their indices).

    nan counts as largest. Of equal elements, all share the gradient if dim is None, else the
    first has it. Raises ValueError, or along dim IndexError, where there is no element, and
    TypeError for keepdim without a dim.
    """
    if dim is None:
        return _extreme("max", scalar.largest, builtins.max, x, keepdim)
    return _extremes("max", argmax_of, x, dim, keepdim)


def min(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The smallest element, or, along dim, the pair (smallest elements, their indices); as max."""
    if dim is None:
        return _extreme("min", scalar.smallest, builtins.min, x, keepdim)
    return _extremes("min", argmin_of, x, dim, keepdim)


def argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest element is, the first of equals: its index along dim, or in flat x."""
    items, shape = values(x)
    dims = axes("argmax", None, len(shape)) if dim is None else _one("argmax", dim, shape)
    if not items:
        raise IndexError(f"argmax: shape {shape} has no element")
    found = [argmax_of([item.data for item in row]) for row in rows(items, shape, dims)]
    return nest(found, _reduced(shape, dims, keepdim))


def var(x: Tensor, dim: Dims = None, *, correction: float = 1, keepdim: bool = False) -> Tensor:
    """The sum of squared distances from the mean, over n - correction, if that is not below 0.

    Raises TypeError for ints and bools.
    """

    def spread(row: Sequence[Value]) -> Value:
        # The sum is least around the mean, its slope there 0: to the gradient, a constant.
        centre = average(row).detach()
        distances = [item - centre for item in row]
        return scalar.spread(distances, float(len(row) - correction), unsigned=dim is None)

    items, shape = floating("var", x)
    return _reduce(spread, (items, shape), axes("var", dim, len(shape)), keepdim)


def average(row: Sequence[Value]) -> Value:
    return scalar.total(row) / len(row)


def _reduce(
    function: Callable[[Sequence[Value]], Value],
    x: tuple[list[Value], Shape],
    dims: Sequence[int],
    keepdim: bool,
) -> Tensor:
    items, shape = x
    results = [function(row) for row in rows(items, shape, dims)]
    return nest(results, _reduced(shape, dims, keepdim))


def _extreme(
    op: str,
    function: Callable[[Sequence[Value]], Value],
    of_integers: Callable[[Sequence[int]], int],
    x: Tensor,
    keepdim: bool,
) -> Tensor:
    if keepdim:
        raise TypeError(f"{op}: keepdim needs a dim")
    [(items, shape)], integers = operands(x)
    if not items:
        raise ValueError(f"{op}: shape {shape} has no element")
    return nest([of_integers(items) if integers else function(items)], ())


def _extremes(
    op: str, choose: Callable[[Sequence[float]], int], x: Tensor, dim: int, keepdim: bool
) -> tuple[Tensor, Tensor]:
    [(items, shape)], _ = operands(x)
    dims = _one(op, dim, shape)
    groups = rows(items, shape, dims)
    if not all(groups):
        raise IndexError(f"{op}: shape {shape} has no element along dim {dim}")
    indices = [choose([float(item) for item in row]) for row in groups]
    chosen = [row[i] for row, i in zip(groups, indices, strict=True)]
    reduced = _reduced(shape, dims, keepdim)
    return nest(chosen, reduced), nest(indices, reduced)


def _one(op: str, dim: int, shape: Shape) -> list[int]:
    along = axis(op, dim, len(shape))
    return [along] if shape else []


def _reduced(shape: Shape, dims: Sequence[int], keepdim: bool) -> Shape:
    if keepdim:
        return tuple(1 if i in dims else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in dims)
