"""The same elements in another arrangement: views where torch has views, else copies."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from .. import scalar
from ..arguments import Dims, axes, axis, complete, named_axes, present_axis, sizes, whole
from ..lists import Shape, Tensor, kind, nest, operands, rows, spans, stretch, unnest, walk
from ..rowwise import owned
from .elementwise import choose, elementwise


def reshape(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """The elements of x, in order, in another shape; one of its lengths may be -1."""
    return _reshaped("reshape", x, shape)


def view(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """reshape, by the name of torch's method."""
    return _reshaped("view", x, shape)


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """x with two dims exchanged."""
    items, shape = unnest(x, "transpose")
    a, b = axis("transpose", dim0, len(shape)), axis("transpose", dim1, len(shape))
    order = list(range(len(shape)))
    if order:
        order[a], order[b] = b, a
    return _permuted(items, shape, order)


def permute(x: Tensor, dims: int | Sequence[int]) -> Tensor:
    """x with its dims in another order: dim i of the result is dim dims[i] of x."""
    items, shape = unnest(x, "permute")
    dims = sizes("permute", dims)
    if len(dims) != len(shape):
        raise ValueError(f"permute: {len(dims)} dims for shape {shape}")
    return _permuted(items, shape, axes("permute", dims, len(shape)))


def movedim(x: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """x with the dims source, one or several, moved to destination; the others keep their order."""
    items, shape = unnest(x, "movedim")
    moved = named_axes("movedim", sizes("movedim", source), len(shape))
    places = named_axes("movedim", sizes("movedim", destination), len(shape))
    if len(moved) != len(places):
        raise ValueError(f"movedim: {source} and {destination} must name as many dims, each once")
    dim_at = dict(zip(places, moved, strict=True))
    others = iter([i for i in range(len(shape)) if i not in moved])
    order = [dim_at[i] if i in dim_at else next(others) for i in range(len(shape))]
    return _permuted(items, shape, order)


def t(x: Tensor) -> Tensor:
    """The transpose of a matrix; a vector or a number as it is."""
    [(items, shape)], _ = operands("t", x)
    if len(shape) > 2:
        raise ValueError(f"t: expected at most 2 dims, not shape {shape}")
    return _permuted(items, shape, range(len(shape))[::-1])


def expand(x: Tensor, size: int | Sequence[int]) -> Tensor:
    """x with dims of length 1 repeated, and new dims added in front; -1 keeps a length."""
    return _expanded("expand", x, size)


def broadcast_to(x: Tensor, size: int | Sequence[int]) -> Tensor:
    """expand, by NumPy's name."""
    return _expanded("broadcast_to", x, size)


def repeat(x: Tensor, repeats: int | Sequence[int]) -> Tensor:
    """x repeated along each dim as often as repeats says; new dims come first."""
    items, shape = unnest(x, "repeat")
    counts = sizes("repeat", repeats)
    if len(counts) < len(shape) or min(counts, default=0) < 0:
        raise ValueError(f"repeat: shape {shape} cannot be repeated {repeats} times")
    padded = (1,) * (len(counts) - len(shape)) + shape
    steps = [[*offsets] * n for offsets, n in zip(spans(padded), counts, strict=True)]
    return nest(owned([items[position] for position in walk(steps)]), tuple(map(len, steps)))


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """x with the dims from start_dim to end_dim, inclusive, as one."""
    items, shape = unnest(x, "flatten")
    first = axis("flatten", start_dim, len(shape))
    last = axis("flatten", end_dim, len(shape))
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    middle = math.prod(shape[first : last + 1])
    return nest(items, (*shape[:first], middle, *shape[last + 1 :]))


def unflatten(x: Tensor, dim: int, sizes: int | Sequence[int]) -> Tensor:
    """x with dim split into dims of the given sizes, one of which may be -1."""
    items, shape = unnest(x, "unflatten")
    along = present_axis("unflatten", dim, shape)
    if sizes in ((), []):
        raise ValueError(f"unflatten: dim {dim} of shape {shape} cannot become {sizes}")
    parts = complete("unflatten", sizes, shape[along : along + 1])
    return nest(items, (*shape[:along], *parts, *shape[along + 1 :]))


def squeeze(x: Tensor, dim: Dims = None) -> Tensor:
    """x without its dims of length 1, or without those of them that dim names."""
    items, shape = unnest(x, "squeeze")
    named = named_axes("squeeze", dim, len(shape))
    return nest(items, tuple(n for i, n in enumerate(shape) if i not in named or n != 1))


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """x with a new dim of length 1 at dim."""
    items, shape = unnest(x, "unsqueeze")
    at = axis("unsqueeze", dim, len(shape) + 1)
    return nest(items, (*shape[:at], 1, *shape[at:]))


def narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """length elements along dim from start on; a negative start counts from the end.

    Raises IndexError for a start outside the dim, ValueError for a length that reaches outside.
    """
    items, shape = unnest(x, "narrow")
    along, n = _length("narrow", shape, dim)
    if not -n <= whole("narrow", "start", start) <= n:
        raise IndexError(f"narrow: start {start} is out of range [{-n}, {n}]")
    first = start + n if start < 0 else start
    end = first + whole("narrow", "length", length, least=0)
    if end > n:
        raise ValueError(f"narrow: {length} elements from {start} on in a dim of length {n}")
    return _part(items, spans(shape), along, first, end)


def select(x: Tensor, dim: int, index: int) -> Tensor:
    """The slice of x at index along dim, without that dim."""
    items, shape = unnest(x, "select")
    along = present_axis("select", dim, shape)
    n = shape[along]
    if not -n <= whole("select", "index", index) < n:
        raise IndexError(f"select: index {index} is out of range [{-n}, {n - 1}]")
    return squeeze(_part(items, spans(shape), along, index % n, index % n + 1), along)


def unbind(x: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """A tuple of the slices of x at each index along dim, without that dim."""
    items, shape = unnest(x, "unbind")
    along = present_axis("unbind", dim, shape)
    others = [i for i in range(len(shape)) if i != along]
    rest = tuple(shape[i] for i in others)
    return tuple(nest(row, rest) for row in rows(items, shape, others))


def split(
    x: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """A tuple of pieces along dim: of one size (the last may be smaller), or of the given sizes."""
    items, shape = unnest(x, "split")
    along, length = _length("split", shape, dim)
    size = split_size_or_sections
    if isinstance(size, int) and not isinstance(size, bool):
        if size < 0 or (size == 0 and length):
            raise ValueError(f"split: a size of {size} for a dim of length {length}")
        pieces = [min(size, length - start) for start in range(0, length, size or 1)] or [0]
    else:
        pieces = list(sizes("split", split_size_or_sections))
        if sum(pieces) != length or min(pieces, default=0) < 0:
            raise ValueError(f"split: sizes {pieces} for a dim of length {length}")
    steps = spans(shape)
    return tuple(
        _part(items, steps, along, end - n, end)
        for n, end in zip(pieces, accumulate(pieces), strict=True)
    )


def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most chunks pieces along dim, of equal size but for the last."""
    along, length = _length("chunk", unnest(x, "chunk")[1], dim)
    whole("chunk", "chunks", chunks, least=1)
    return split(x, -(-length // chunks) if length else [0] * chunks, along)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """tensors joined along dim; their shapes are equal except at dim."""
    return _joined("cat", _sequence("cat", tensors), dim)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """tensors joined along a new dim; their shapes are equal."""
    tensors = _sequence("stack", tensors)
    shapes = [unnest(tensor, "stack")[1] for tensor in tensors]
    for shape in shapes:
        if shape != shapes[0]:
            raise ValueError(f"stack: shapes {shapes[0]} and {shape} differ")
    at = axis("stack", dim, len(shapes[0]) + 1)
    return _joined("stack", [unsqueeze(tensor, at) for tensor in tensors], at)


def tril(x: Tensor, diagonal: int = 0) -> Tensor:
    """x with zeros above the given diagonal of the last two dims."""
    return _triangle("tril", lambda distance: distance <= 0, x, diagonal)


def triu(x: Tensor, diagonal: int = 0) -> Tensor:
    """x with zeros below the given diagonal of the last two dims."""
    return _triangle("triu", lambda distance: distance >= 0, x, diagonal)


def flip(x: Tensor, dims: int | Sequence[int]) -> Tensor:
    """x with the elements along dims in reverse order."""
    items, shape = unnest(x, "flip")
    flipped = named_axes("flip", sizes("flip", dims), len(shape))
    steps = [line[::-1] if i in flipped else line for i, line in enumerate(spans(shape))]
    return nest(owned([items[position] for position in walk(steps)]), shape)


def roll(x: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """The elements shifted by shifts along dims; those pushed past the end come back at the start.

    dims None or (): shift the flattened x.
    """
    items, shape = unnest(x, "roll")
    amounts = sizes("roll", shifts)
    named = () if dims is None else sizes("roll", dims)
    if len(amounts) != (len(named) or 1):
        raise ValueError(f"roll: shifts {shifts} for dims {dims}")
    if not named:
        return nest(owned(_rolled(items, amounts[0])), shape)
    steps = spans(shape)
    for dim, amount in zip(named, amounts, strict=True):
        along = present_axis("roll", dim, shape)
        steps[along] = _rolled(steps[along], amount)
    return nest(owned([items[position] for position in walk(steps)]), shape)


def contiguous(x: Tensor) -> Tensor:
    """x as it is: nested lists have only one layout."""
    [(items, shape)], _ = operands("contiguous", x)
    return nest(items, shape)


def clone(x: Tensor) -> Tensor:
    """The same numbers in new Values, through which gradients reach x."""
    return elementwise("clone", scalar.clone, x, integers=int)


def _reshaped(op: str, x: Tensor, shape: int | Sequence[int]) -> Tensor:
    items, old = unnest(x, op)
    return nest(items, complete(op, shape, old))


def _permuted(items: Sequence[Any], shape: Shape, order: Sequence[int]) -> Tensor:
    steps = spans(shape)
    positions = walk(steps[axis] for axis in order)
    return nest([items[position] for position in positions], tuple(shape[axis] for axis in order))


def _expanded(op: str, x: Tensor, size: int | Sequence[int]) -> Tensor:
    items, shape = unnest(x, op)
    size = sizes(op, size)
    new = len(size) - len(shape)
    full = tuple(shape[i - new] if n == -1 and i >= new else n for i, n in enumerate(size))
    fits = new >= 0 and all(m in (1, n) for m, n in zip(shape, full[new:], strict=True))
    if not fits or min(full, default=0) < 0:
        raise ValueError(f"{op}: shape {shape} does not expand to {size}")
    return nest(stretch(items, shape, full), full)


def _joined(op: str, tensors: Sequence[Tensor], dim: int) -> Tensor:
    parts, _ = operands(op, *tensors)
    # A length-0 vector joins anything, as in torch: loops start with one.
    parts = [part for part in parts if part[1] != (0,)] or parts[:1]
    first = parts[0][1]
    along = axis(op, dim, len(first))
    others = first[:along] + first[along + 1 :]
    for _, shape in parts:
        same = len(shape) == len(first) and shape[:along] + shape[along + 1 :] == others
        if not shape or not same:
            raise ValueError(f"{op}: shapes {first} and {shape} along dim {dim}")
    result: list[Any] = []
    for i in range(math.prod(first[:along])):
        for items, shape in parts:
            n = math.prod(shape[along:])
            result.extend(items[i * n : (i + 1) * n])
    total = sum(shape[along] for _, shape in parts)
    return nest(owned(result), (*first[:along], total, *first[along + 1 :]))


def _part(
    items: Sequence[Any], steps: Sequence[Sequence[int]], along: int, start: int, end: int
) -> Tensor:
    """The elements from start to end, exclusive, along a dim."""
    kept = [*steps[:along], steps[along][start:end], *steps[along + 1 :]]
    return nest([items[position] for position in walk(kept)], tuple(map(len, kept)))


def _rolled(items: Sequence[Any], amount: int) -> list[Any]:
    first = -amount % len(items) if items else 0
    return [*items[first:], *items[:first]]


def _triangle(op: str, keep: Callable[[int], bool], x: Tensor, diagonal: int) -> Tensor:
    """x with zeros where keep(distance to the right of the diagonal) is False."""
    items, shape = unnest(x, op)
    if len(shape) < 2:
        raise ValueError(f"{op}: expected at least 2 dims, not shape {shape}")
    whole(op, "diagonal", diagonal)
    flags = [keep(j - i - diagonal) for i in range(shape[-2]) for j in range(shape[-1])]
    return choose(op, (flags, shape[-2:]), x, kind(items)(0))


def _length(op: str, shape: Shape, dim: int) -> tuple[int, int]:
    """The axis of a dim that is to be split, and its length."""
    along = axis(op, dim, len(shape))
    if not shape:
        raise ValueError(f"{op}: a 0-d tensor has no dim")
    return along, shape[along]


def _sequence(op: str, tensors: Any) -> list[Tensor]:
    if not isinstance(tensors, list | tuple):
        raise TypeError(f"{op}: expected a list of tensors, not {type(tensors).__name__}")
    if not tensors:
        raise ValueError(f"{op}: expected at least one tensor")
    return list(tensors)
