"""The same elements in another arrangement: but for the zeros of a triangle, no Value is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate, compress
from typing import Any

from .. import lists
from ..arguments import Dims, axes, axis, broadcast_shape, complete, sizes
from ..lists import Shape, Tensor, is_bool, nest, spans, stretch, unnest, walk
from .elementwise import choose


def reshape(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """The elements in order, in another shape, of which one length may be -1."""
    return _reshaped("reshape", x, shape)


def view(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """reshape, by the name of torch's method."""
    return _reshaped("view", x, shape)


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dims exchanged."""
    items, shape = unnest(x)
    a, b = axis("transpose", dim0, len(shape)), axis("transpose", dim1, len(shape))
    order = list(range(len(shape)))
    if order:
        order[a], order[b] = b, a
    return _permuted(items, shape, order)


def permute(x: Tensor, dims: int | Sequence[int]) -> Tensor:
    """The dims in another order: dim i of the result is dim dims[i] of x."""
    items, shape = unnest(x)
    order = axes("permute", sizes("permute", dims), len(shape))
    if len(order) != len(shape):
        raise ValueError(f"permute: {dims} do not name the dims of shape {shape}")
    return _permuted(items, shape, order)


def squeeze(x: Tensor, dim: Dims = None) -> Tensor:
    """Without the dims of length 1, or without those of them that dim names."""
    items, shape = unnest(x)
    named = () if dim in ((), []) else axes("squeeze", dim, len(shape))
    return nest(items, tuple(n for i, n in enumerate(shape) if i not in named or n != 1))


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """With a new dim of length 1 at dim."""
    items, shape = unnest(x)
    at = axis("unsqueeze", dim, len(shape) + 1)
    return nest(items, (*shape[:at], 1, *shape[at:]))


def expand(x: Tensor, size: int | Sequence[int]) -> Tensor:
    """Dims of length 1 repeated, and new ones added in front; -1 keeps a length."""
    items, shape = unnest(x)
    size = sizes("expand", size)
    new = len(size) - len(shape)
    full = tuple(shape[i - new] if n == -1 and i >= new else n for i, n in enumerate(size))
    fits = new >= 0 and all(m in (1, n) for m, n in zip(shape, full[new:], strict=True))
    if not fits or min(full, default=0) < 0:
        raise ValueError(f"expand: shape {shape} does not expand to {size}")
    return nest(stretch(items, shape, full), full)


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dims from start_dim to end_dim, inclusive, as one."""
    items, shape = unnest(x)
    first = axis("flatten", start_dim, len(shape))
    last = axis("flatten", end_dim, len(shape))
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    middle = math.prod(shape[first : last + 1])
    return nest(items, (*shape[:first], middle, *shape[last + 1 :]))


def getitem(x: Tensor, index: Any) -> Tensor:
    """x[index]: ints, slices, None, Ellipsis, lists of ints, masks of bools, and tuples of them.

    As in torch: lists and masks are broadcast together and make one group of dims, which stands
    where they stood if they are adjacent, else in front. Raises IndexError for what lies outside
    or does not match, ValueError for a slice that goes backwards, TypeError for other indices.
    """
    items, shape = unnest(x)
    steps = spans(shape)
    kept: list[Sequence[int]] = []  # offsets along each dim of the result
    gathered: list[tuple[list[int], Shape]] = []  # for each list and mask, offsets and their shape
    places: list[int] = []  # how many dims stood before each of them
    start = at = 0  # the offset of the ints so far; the dim of x that comes next
    for entry in _entries(index, shape):
        here = steps[at : at + _consumed(entry)]
        at += len(here)
        if entry is None:
            kept.append([0])
        elif isinstance(entry, slice):
            kept.append(_sliced(here[0], entry))
        elif isinstance(entry, int) and not isinstance(entry, bool):
            start += _at(here[0], entry)
        else:
            gathered.append(_gathered(here, entry))
            places.append(len(kept))
    lengths = tuple(map(len, kept))
    if gathered:
        group, group_shape = _together(gathered)
        place = places[0] if places[0] == places[-1] else 0
        kept.insert(place, group)
        lengths = lengths[:place] + group_shape + lengths[place:]
    return nest([items[start + position] for position in walk(kept)], lengths)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """tensors, of equal shape but for dim, one after the other along dim."""
    parts = [unnest(tensor) for tensor in _sequence("cat", tensors)]
    # A length-0 vector joins anything, as in torch: loops start with one.
    parts = [part for part in parts if part[1] != (0,)] or parts[:1]
    first = parts[0][1]
    along = axis("cat", dim, len(first))
    for _, shape in parts:
        if not shape or shape[:along] + shape[along + 1 :] != first[:along] + first[along + 1 :]:
            raise ValueError(f"cat: shapes {first} and {shape} along dim {dim}")
    result: list[Any] = []
    for i in range(math.prod(first[:along])):
        for items, shape in parts:
            n = math.prod(shape[along:])
            result.extend(items[i * n : (i + 1) * n])
    total = sum(shape[along] for _, shape in parts)
    return nest(result, (*first[:along], total, *first[along + 1 :]))


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """tensors, of equal shape, along a new dim."""
    tensors = _sequence("stack", tensors)
    shapes = [lists.shape(tensor) for tensor in tensors]
    for shape in shapes:
        if shape != shapes[0]:
            raise ValueError(f"stack: shapes {shapes[0]} and {shape} differ")
    at = axis("stack", dim, len(shapes[0]) + 1)
    return cat([unsqueeze(tensor, at) for tensor in tensors], at)


def split(
    x: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """A tuple of pieces along dim: of one size (the last may be smaller), or of the given sizes."""
    along, length = _length("split", x, dim)
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0 or (size == 0 and length):
            raise ValueError(f"split: a size of {size} for a dim of length {length}")
        pieces = [min(size, length - start) for start in range(0, length, size or 1)] or [0]
    else:
        pieces = list(sizes("split", split_size_or_sections))
        if sum(pieces) != length or min(pieces, default=0) < 0:
            raise ValueError(f"split: sizes {pieces} for a dim of length {length}")
    ends = accumulate(pieces)
    return tuple(
        getitem(x, (*[slice(None)] * along, slice(end - n, end)))
        for n, end in zip(pieces, ends, strict=True)
    )


def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most chunks pieces along dim, of equal size but for the last."""
    along, length = _length("chunk", x, dim)
    if not isinstance(chunks, int):
        raise TypeError(f"chunk: chunks must be an int, not {type(chunks).__name__}")
    if chunks < 1:
        raise ValueError(f"chunk: chunks must be positive, not {chunks}")
    return split(x, -(-length // chunks) if length else [0] * chunks, along)


def tril(x: Tensor, diagonal: int = 0) -> Tensor:
    """Zero above the given diagonal of the last two dims."""
    return _triangle("tril", lambda i, j: j - i <= diagonal, x)


def triu(x: Tensor, diagonal: int = 0) -> Tensor:
    """Zero below the given diagonal of the last two dims."""
    return _triangle("triu", lambda i, j: j - i >= diagonal, x)


def _reshaped(op: str, x: Tensor, shape: int | Sequence[int]) -> Tensor:
    items, old = unnest(x)
    return nest(items, complete(op, shape, old))


def _permuted(items: list[Any], shape: Shape, order: Sequence[int]) -> Tensor:
    steps = spans(shape)
    positions = walk(steps[axis] for axis in order)
    return nest([items[position] for position in positions], tuple(shape[axis] for axis in order))


def _triangle(op: str, keep: Callable[[int, int], bool], x: Tensor) -> Tensor:
    shape = lists.shape(x)
    if len(shape) < 2:
        raise ValueError(f"{op}: expected at least 2 dims, not shape {shape}")
    flags = [keep(i, j) for i in range(shape[-2]) for j in range(shape[-1])]
    return choose(op, (flags, shape[-2:]), x, 0)


def _length(op: str, x: Tensor, dim: int) -> tuple[int, int]:
    shape = lists.shape(x)
    along = axis(op, dim, len(shape))
    if not shape:
        raise ValueError(f"{op}: a 0-d tensor has no dim to split")
    return along, shape[along]


def _sequence(op: str, tensors: Any) -> list[Tensor]:
    if not isinstance(tensors, list | tuple):
        raise TypeError(f"{op}: expected a list of tensors, not {type(tensors).__name__}")
    if not tensors:
        raise ValueError(f"{op}: expected at least one tensor")
    return list(tensors)


def _entries(index: Any, shape: Shape) -> list[Any]:
    """index as one entry for each dim of x, with Ellipsis, or the end, filled up by slices."""
    entries = list(index) if isinstance(index, tuple) else [index]
    missing = len(shape) - sum(map(_consumed, entries))
    if missing < 0:
        raise IndexError(f"getitem: too many indices for shape {shape}")
    gaps = [i for i, entry in enumerate(entries) if entry is Ellipsis]
    gap = gaps[0] if gaps else len(entries)
    filled = [*entries[:gap], *[slice(None)] * missing, *entries[gap + 1 :]]
    return [entry for entry in filled if entry is not Ellipsis]


def _consumed(entry: Any) -> int:
    """How many dims of x an index stands for: a mask for as many as it has, None for none."""
    if entry is None or entry is Ellipsis:
        return 0
    if isinstance(entry, list | bool):
        items, shape = unnest(entry)
        return len(shape) if items and is_bool(items) else 1
    if isinstance(entry, int | slice):
        return 1
    raise TypeError(f"getitem: an index is made of ints, slices, lists, not {type(entry).__name__}")


def _sliced(offsets: Sequence[int], part: slice) -> Sequence[int]:
    if part.step is not None and part.step <= 0:
        raise ValueError(f"getitem: a slice needs a positive step, not {part.step}")
    return offsets[part]


def _at(offsets: Sequence[int], i: Any) -> int:
    if not isinstance(i, int) or isinstance(i, bool):
        raise TypeError(f"getitem: a list of indices holds ints, not {type(i).__name__}")
    if not -len(offsets) <= i < len(offsets):
        raise IndexError(f"getitem: index {i} is out of range for a dim of length {len(offsets)}")
    return offsets[i]


def _gathered(dims: list[Sequence[int]], entry: Any) -> tuple[list[int], Shape]:
    """What a list of ints picks from one dim, or a mask from as many as it has."""
    items, own = unnest(entry)
    if not items or not is_bool(items):
        return [_at(dims[0], i) for i in items], own
    shape = tuple(map(len, dims))
    if own != shape:
        raise IndexError(f"getitem: a mask of shape {own} for dims of shape {shape}")
    found = list(compress(walk(dims), items))
    return found, (len(found),)


def _together(gathered: list[tuple[list[int], Shape]]) -> tuple[list[int], Shape]:
    """Lists of offsets, broadcast and summed."""
    try:
        shape = broadcast_shape("getitem", *(own for _, own in gathered))
    except ValueError as error:
        raise IndexError(str(error)) from None
    columns = [stretch(offsets, own, shape) for offsets, own in gathered]
    return [sum(column) for column in zip(*columns, strict=True)], shape
