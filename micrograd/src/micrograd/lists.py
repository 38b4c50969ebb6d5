"""Nested lists as tensors: a 2 by 3 tensor is a list of 2 lists of 3 Values.

A nested list of plain ints or bools is an integer tensor, for ids and masks. In any other list,
plain numbers are constants.

Internally a tensor is (items, shape): its elements in one flat list, the last axis fastest. The
element with coordinates (i, j) is at i · step_i + j · step_j; walk() lists such positions, and
every rearrangement of a tensor is a walk. Nothing here recurses, however deep the nesting.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, chain, pairwise
from math import prod
from typing import Any

from . import engine
from .engine import Value, as_float, as_value, sweep

Tensor = Any  # a Value or a number (0-d), or a list of Tensors of one shape
Shape = tuple[int, ...]
Flat = tuple[Sequence[Any], Shape]
_NESTED = (list, tuple)


def unnest(x: Tensor, op: str = "tensor") -> tuple[list[Any], Shape]:
    """The items of x and its shape; raises ValueError where lists of one level differ in length.

    op: the caller's name, for the message.
    """
    items, shape, _ = unnest_typed(x, op)
    return items, shape


def unnest_typed(x: Tensor, op: str) -> tuple[list[Any], Shape, set[type[Any]]]:
    """unnest(x, op), and the set of its items' types."""
    items: list[Any] = [x]
    shape: list[int] = []
    types = set(map(type, items))
    while items:
        nested = {issubclass(of, _NESTED) for of in types}
        if len(nested) > 1:
            raise ValueError(f"{op}: some items of one level are lists, some are not")
        if not all(nested):
            break
        lengths = set(map(len, items))
        if len(lengths) > 1:
            raise ValueError(f"{op}: the lists of one level differ in length")
        items = _inside(items)
        shape.extend(lengths)
        types = set(map(type, items))
    return items, tuple(shape), types


def flat(x: Tensor) -> list[Any]:
    """The items of x, which unnest has accepted before: nothing is checked again."""
    items = [x]
    while items and isinstance(items[0], _NESTED):
        items = _inside(items)
    return items


def _inside(items: list[Any]) -> list[Any]:
    """The contents of several lists, as one list."""
    inside: list[Any] = []
    for item in items:
        inside.extend(item)  # a Parameter refuses +=
    return inside


def nest(items: Sequence[Any], shape: Shape) -> Tensor:
    """The nested list with these items; raises ValueError for a shape that lists cannot have.

    Every op returns its result through here, so here no_grad reaches them all: even elements that
    were only rearranged are cut off from the graph.
    """
    if 0 in shape[:-1]:
        raise ValueError(
            f"shape {shape} cannot be written as nested lists: an empty list has no inside"
        )
    if not engine.recording:
        items = [x.detach() if isinstance(x, Value) and x.requires_grad else x for x in items]
    counts = list(accumulate(shape, operator.mul))  # of the lists at each level
    for count, n in zip(counts[-2::-1], shape[:0:-1], strict=True):
        items = [items[i * n : (i + 1) * n] for i in range(count)]
    return list(items) if shape else items[0]


def values(x: Tensor, op: str) -> tuple[list[Value], Shape]:
    """unnest(x, op) with plain numbers as constant Values; raises TypeError for what is neither."""
    items, shape = unnest(x, op)
    return as_values(items, op), shape


def as_values(items: list[Any], op: str) -> list[Value]:
    """items with numbers as constant Values."""
    if set(map(type, items)) == {Value}:
        return items
    try:
        return list(map(as_value, items))
    except TypeError as error:
        raise TypeError(f"{op}: {error}") from None


def operands(op: str, *tensors: Tensor) -> tuple[list[Flat], bool]:
    """unnest of each tensor, and True, if all are integer tensors; else values of each, and False.

    If any of the integers is an int, bools become ints.
    """
    found = [unnest_typed(tensor, op) for tensor in tensors]
    flat: list[Flat] = [(items, shape) for items, shape, _ in found]
    if all(types == {Value} for _, _, types in found):
        return flat, False
    exact = all(is_integer(items) for items, _ in flat)
    if not all(is_bool(items) for items, _ in flat):
        flat = [
            (list(map(int, items)) if exact else as_values(list(items), op), shape)
            for items, shape in flat
        ]
    return flat, exact


def numbers(op: str, *tensors: Tensor) -> list[Flat]:
    """unnest of each tensor, with plain numbers: ints or bools if all are integer, else floats."""
    flat, exact = operands(op, *tensors)
    if exact:
        return flat
    return [([item.data for item in items], shape) for items, shape in flat]


def is_integer(items: Iterable[Any]) -> bool:
    """Whether all items are ints or bools; True if there are none."""
    return all(isinstance(item, int) for item in items)


def is_bool(items: Iterable[Any]) -> bool:
    return all(isinstance(item, bool) for item in items)


def kind(items: Sequence[Any]) -> type[Any]:
    """The dtype of items: bool, int or float; float if there are none."""
    if not items or not is_integer(items):
        return float
    return bool if is_bool(items) else int


# Positions


def spans(shape: Shape) -> list[Sequence[int]]:
    """For each axis, the offset of each of its coordinates from the first."""
    steps = [*accumulate(shape[:0:-1], operator.mul, initial=1)][::-1]
    return [[i * step for i in range(n)] for n, step in zip(shape, steps, strict=False)]


def walk(axes: Iterable[Sequence[int]]) -> list[int]:
    """Every sum of one offset from each axis, the last axis fastest."""
    positions = [0]
    for offsets in axes:
        positions = [position + offset for position in positions for offset in offsets]
    return positions


def stretch(items: Sequence[Any], shape: Shape, target: Shape) -> list[Any]:
    """items broadcast from shape to target, by repeating axes of length 1 and new leading ones."""
    if shape == target:
        return list(items)
    padded = (1,) * (len(target) - len(shape)) + shape
    axes = [
        offsets if len(offsets) == n else [0] * n
        for offsets, n in zip(spans(padded), target, strict=True)
    ]
    return [items[position] for position in walk(axes)]


def partition(shape: Shape, dims: Sequence[int]) -> tuple[list[int], list[int]]:
    """Offsets along the other axes, and along dims: one of each add up to an element's position."""
    axes = spans(shape)
    others = walk(offsets for axis, offsets in enumerate(axes) if axis not in dims)
    return others, walk(axes[axis] for axis in dims)


def rows(items: Sequence[Any], shape: Shape, dims: Sequence[int]) -> list[list[Any]]:
    """The elements in groups that differ only in their coordinates along dims."""
    size = _length_of_last(shape, dims)
    if size:
        items = list(items)
        return [items[start : start + size] for start in range(0, len(items), size)]
    others, along = partition(shape, dims)
    return [[items[start + offset] for offset in along] for start in others]


def cut(items: Sequence[Any], lengths: Iterable[int]) -> list[list[Any]]:
    """items as rows of these lengths."""
    items = list(items)
    return [items[start:end] for start, end in pairwise(accumulate(lengths, initial=0))]


def join(groups: Iterable[Iterable[Any]], shape: Shape, dims: Sequence[int]) -> Tensor:
    """The inverse of rows(): the tensor with these groups along dims."""
    items = list(chain.from_iterable(groups))
    if not _length_of_last(shape, dims):
        others, along = partition(shape, dims)
        positions = [start + offset for start in others for offset in along]
        placed = dict(zip(positions, items, strict=True))
        items = [placed[position] for position in range(len(items))]
    return nest(items, shape)


def map_rows(
    function: Callable[[Sequence[Value]], Iterable[Value]],
    items: Sequence[Value],
    shape: Shape,
    dims: Sequence[int],
) -> Tensor:
    """The tensor in which each group along dims is replaced by function(group)."""
    return join(map(function, rows(items, shape, dims)), shape, dims)


def _length_of_last(shape: Shape, dims: Sequence[int]) -> int:
    """The length of a group along dims if its elements are contiguous, else 0."""
    first = len(shape) - len(dims)
    return prod(shape[first:]) if list(dims) == list(range(first, len(shape))) else 0


# For nested lists, what torch offers as methods of a Tensor


def tensor(data: Tensor, requires_grad: bool = False) -> Tensor:
    """data, numbers in nested lists, with a new Value for each number."""
    numbers, shape = _plain(data, "tensor")
    leaves = as_values(numbers, "tensor")
    nested = nest(leaves, shape)
    for leaf in leaves:
        leaf.requires_grad = requires_grad  # only now: inside no_grad, nest() would detach it
    return nested


def shape(x: Tensor) -> Shape:
    """The lengths of x's axes: () for a Value."""
    return unnest(x, "shape")[1]


def tolist(x: Tensor) -> Any:
    """x with plain floats for its Values."""
    return nest(*_plain(x, "tolist"))


def grad(x: Tensor) -> Any:
    """The gradients of x's Values, nested as x is, 0.0 where none arrived; None if none did."""
    items, shape = values(x, "grad")
    if items and all(item.grad is None for item in items):
        return None
    return nest([0.0 if item.grad is None else item.grad for item in items], shape)


def backward(x: Tensor, gradient: Any = None, retain_graph: bool = False) -> None:
    """Value.backward for all of x in one sweep.

    gradient: numbers, nested as x is; may be left out when x is one element, and is then 1.
    Raises RuntimeError as Value.backward does, or for a missing gradient; ValueError for a
    gradient of another shape.
    """
    items, shape = values(x, "backward")
    if gradient is None:
        if len(items) != 1:
            raise RuntimeError(
                f"backward() needs a gradient for a tensor of shape {shape}: "
                "only a single element has an implicit one"
            )
        gradients, gradient_shape = [1.0], shape
    else:
        gradients, gradient_shape = _plain(gradient, "backward")
    if gradient_shape != shape:
        raise ValueError(f"backward: gradient of shape {gradient_shape} for {shape}")
    seeds = [
        (item, as_float(number))
        for item, number in zip(items, gradients, strict=True)
        if item.requires_grad
    ]
    if items and not seeds:
        raise RuntimeError("backward() of a tensor that does not require a gradient")
    sweep([item for item, _ in seeds], [number for _, number in seeds], retain_graph)


def _plain(x: Tensor, op: str) -> tuple[list[Any], Shape]:
    """unnest(x, op) with plain floats for Values."""
    items, shape = unnest(x, op)
    return [item.data if isinstance(item, Value) else item for item in items], shape
