"""The same elements in other shapes, orders and places."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from ..device import Array, Shape
from ..kernels import copy as kernels
from .launching import launch
from .making import empty, layout_of


def reshape(x: Array, shape: Shape) -> Array:
    """The same elements, not a copy, in another shape."""
    return x.reshape(shape)


def flat(x: Array) -> Array:
    return x.reshape((x.size,))


def around(x: Array, along: int) -> Array:
    """x as (outer, n, inner), where n is the dim `along`; a 0-d array as (1, 1, 1)."""
    shape = x.shape or (1,)
    outer, inner = math.prod(shape[:along]), math.prod(shape[along + 1 :])
    return reshape(x, (outer, shape[along], inner))


@functools.lru_cache(maxsize=4096)
def strides(shape: Shape) -> Shape:
    """How many elements apart neighbours along each dim are."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


@functools.lru_cache(maxsize=4096)
def stillness(shape: Shape, full: Shape) -> int | None:
    """How many elements of full in a row see the same element of shape (see kernels.index.at).

    None when dims are stretched between dims that are not: the array must then be expanded.
    """
    padded = (1,) * (len(full) - len(shape)) + shape
    own = [i for i, n in enumerate(padded) if n != 1]
    if not own:
        return 1
    if padded[own[0] : own[-1] + 1] != full[own[0] : own[-1] + 1]:
        return None
    return math.prod(full[own[-1] + 1 :])


def copy_from(x: Array, offset: int, shape: Shape, steps: Shape) -> Array:
    """A new array of shape from the elements of x that lie at offset, steps apart."""
    out = empty(shape, x.dtype)
    _copy(kernels.copy_from, kernels.copy_fours_from, x, out, offset, shape, steps)
    return out


def copy_into(x: Array, out: Array, offset: int, steps: Shape) -> None:
    """Write x over the elements of out that lie at offset, steps apart."""
    _copy(kernels.copy_into, kernels.copy_fours_into, x, out, offset, x.shape, steps)


def _copy(
    one: Any, four: Any, x: Array, out: Array, offset: int, shape: Shape, steps: Shape
) -> None:
    """Run a kernel that copies one element a thread, or four if every four are aligned."""
    shape, steps = _merged(shape, steps)
    by_fours = (
        x.dtype.itemsize in (2, 4, 8)
        and steps[-1:] == (1,)
        and not any(n % 4 for n in (offset, shape[-1], *steps[:-1]))
    )
    if by_fours:
        offset, shape = offset // 4, (*shape[:-1], shape[-1] // 4)
        steps = (*(step // 4 for step in steps[:-1]), 1)
    kernel = four if by_fours else one
    launch(kernel, math.prod(shape), flat(x), layout_of(offset, shape, steps), flat(out))


def _merged(shape: Shape, steps: Shape) -> tuple[Shape, Shape]:
    """The same place in as few dims as it takes: each costs its elements a division."""
    dims: list[tuple[int, int]] = []
    for n, step in zip(shape, steps, strict=True):
        if n == 1:
            continue
        if dims and dims[-1][1] == n * step:
            dims[-1] = dims[-1][0] * n, step
        else:
            dims.append((n, step))
    return tuple(n for n, _ in dims), tuple(step for _, step in dims)


def expand(x: Array, shape: Shape) -> Array:
    """x broadcast to shape: x itself if it has it already."""
    if x.shape == shape:
        return x
    padded = (1,) * (len(shape) - x.ndim) + x.shape
    steps = (0 if n == 1 else step for n, step in zip(padded, strides(padded), strict=True))
    return copy_from(x, 0, shape, tuple(steps))


def permute(x: Array, order: Sequence[int]) -> Array:
    """The dims in another order: dim i of the result is dim order[i] of x."""
    shape, steps = tuple(x.shape[i] for i in order), strides(x.shape)
    moving = [i for i in order if x.shape[i] != 1]
    if moving == sorted(moving):
        return reshape(x, shape)
    return copy_from(x, 0, shape, tuple(steps[i] for i in order))


def flip(x: Array, axes: Sequence[int]) -> Array:
    """The elements in reverse order along axes."""
    steps = strides(x.shape)
    offset = sum((x.shape[i] - 1) * steps[i] for i in axes)
    turned = tuple(-step if i in axes else step for i, step in enumerate(steps))
    return copy_from(x, offset, x.shape, turned)


def roll(x: Array, shift: int, along: int) -> Array:
    """Every element shift places further along a dim, around its end."""
    out = empty(x.shape, x.dtype)
    rows = around(x, along)
    launch(kernels.roll, out.size, rows, shift % max(rows.shape[1], 1), around(out, along))
    return out
