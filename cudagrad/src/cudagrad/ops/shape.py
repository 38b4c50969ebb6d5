"""The same numbers in another arrangement: their gradients are arranged back."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import arrays
from ..arguments import Dims, Shape, axes, axis, complete, sizes
from ..dtypes import result_type
from ..engine import Operand, Output, Tensor, op, unwrap
from ..indexing import locate


@op
def reshape(x: Operand, shape: Shape) -> Output:
    """The elements in order, in another shape, of which one length may be -1."""
    return _reshaped(x, complete("reshape", shape, x.shape))


@op
def view(x: Operand, shape: Shape) -> Output:
    """reshape, by the name of torch's method."""
    return _reshaped(x, complete("view", shape, x.shape))


@op
def transpose(x: Operand, dim0: int, dim1: int) -> Output:
    """Two dims exchanged."""
    a, b = axis("transpose", dim0, x.ndim), axis("transpose", dim1, x.ndim)
    if not x.ndim:
        return x, lambda dout: dout
    order = list(range(x.ndim))
    order[a], order[b] = b, a
    return arrays.permute(x, order), lambda dout: arrays.permute(dout, order)


@op
def permute(x: Operand, dims: Shape) -> Output:
    """The dims in another order: dim i of the result is dim dims[i] of x."""
    dims = sizes("permute", dims)
    if len(dims) != x.ndim:
        raise ValueError(f"permute: {len(dims)} dims for shape {x.shape}")
    if len(axes("permute", dims, x.ndim)) != x.ndim:
        raise ValueError(f"permute: {dims} do not name the dims of shape {x.shape}")
    order = tuple(axis("permute", dim, x.ndim) for dim in dims)
    back = sorted(range(x.ndim), key=order.__getitem__)
    return arrays.permute(x, order), lambda dout: arrays.permute(dout, back)


@op
def squeeze(x: Operand, dim: Dims = None) -> Output:
    """Without the dims of length 1, or without those of them that dim names."""
    named = () if dim in ((), []) else axes("squeeze", dim, x.ndim)
    kept = tuple(n for i, n in enumerate(x.shape) if i not in named or n != 1)
    return _reshaped(x, kept)


@op
def unsqueeze(x: Operand, dim: int) -> Output:
    """With a new dim of length 1 at dim."""
    at = axis("unsqueeze", dim, x.ndim + 1)
    return _reshaped(x, (*x.shape[:at], 1, *x.shape[at:]))


@op
def expand(x: Operand, size: Shape) -> Output:
    """Dims of length 1 repeated, and new ones added in front; -1 keeps a length."""
    size = sizes("expand", size)
    new = len(size) - x.ndim
    full = tuple(x.shape[i - new] if n == -1 and i >= new else n for i, n in enumerate(size))
    fits = new >= 0 and all(m in (1, n) for m, n in zip(x.shape, full[new:], strict=True))
    if not fits or min(full, default=0) < 0:
        raise ValueError(f"expand: shape {x.shape} does not expand to {size}")
    return arrays.expand(x, full), lambda dout: dout


@op
def flatten(x: Operand, start_dim: int = 0, end_dim: int = -1) -> Output:
    """The dims from start_dim to end_dim, inclusive, as one."""
    first, last = axis("flatten", start_dim, x.ndim), axis("flatten", end_dim, x.ndim)
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    middle = math.prod(x.shape[first : last + 1])
    return _reshaped(x, (*x.shape[:first], middle, *x.shape[last + 1 :]))


@op
def getitem(x: Operand, index: Any) -> Output:
    """x[index]: ints, slices, None, Ellipsis, lists, integer tensors, boolean masks, mixtures.

    Slices with a negative step are refused, as in torch. An element that is taken several times
    receives the sum of their gradients.
    """
    if isinstance(index, list) and not all(isinstance(i, int | float | np.generic) for i in index):
        raise TypeError("getitem: a list holds ints or bools; for several dims, index by a tuple")
    items = index if isinstance(index, tuple) else (index,)
    place = locate(x, tuple(map(unwrap, items)))
    lengths, steps = tuple(place.lengths), tuple(place.steps)
    shape = x.shape
    whole = place.is_all_of(shape)
    taken = x if whole else arrays.copy_from(x, place.offset, lengths, steps)
    ids = place.ids
    if ids is not None:
        before, behind = place.around()
        taken = arrays.take(arrays.reshape(taken, place.middle()), arrays.flat(ids))
        taken = arrays.reshape(taken, (*before, *ids.shape, *behind))

    def pullback(dout):
        if ids is not None:
            outer, n, inner = place.middle()
            dout = arrays.reshape(dout, (outer, ids.size, inner))
            dout = arrays.add_at(dout, arrays.flat(ids), n)
        dout = arrays.reshape(dout, lengths)
        if whole:
            return dout
        dx = arrays.zeros(shape, dout.dtype)
        arrays.copy_into(dout, dx, place.offset, steps)
        return dx

    return taken, pullback


def cat(tensors: Sequence[Operand], dim: int = 0) -> Tensor:
    """tensors, of equal shape but for dim, one after the other along dim."""
    return _concatenate(dim, *_sequence("cat", tensors))


def stack(tensors: Sequence[Operand], dim: int = 0) -> Tensor:
    """tensors, of equal shape, along a new dim."""
    tensors = _sequence("stack", tensors)
    shapes = [np.shape(tensor) for tensor in tensors]
    for shape in shapes:
        if shape != shapes[0]:
            raise ValueError(f"stack: shapes {shapes[0]} and {shape} differ")
    at = axis("stack", dim, len(shapes[0]) + 1)
    return _concatenate(at, *(unsqueeze(tensor, at) for tensor in tensors))


def split(x: Operand, split_size_or_sections: Shape, dim: int = 0) -> tuple[Tensor, ...]:
    """A tuple of pieces along dim: of one size (the last may be smaller), or of the given sizes."""
    shape = np.shape(x)
    along = axis("split", dim, len(shape))
    if not shape:
        raise ValueError("split: a 0-d tensor has no dim to split")
    length = shape[along]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0 or (size == 0 and length):
            raise ValueError(f"split: a size of {size} for a dim of length {length}")
        pieces = [min(size, length - start) for start in range(0, length, size or 1)] or [0]
    else:
        pieces = list(sizes("split", split_size_or_sections))
        if sum(pieces) != length or min(pieces, default=0) < 0:
            raise ValueError(f"split: sizes {pieces} for a dim of length {length}")
    ends = list(itertools.accumulate(pieces))
    before = (slice(None),) * along
    return tuple(
        getitem(x, (*before, slice(end - n, end))) for n, end in zip(pieces, ends, strict=True)
    )


def chunk(x: Operand, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most chunks pieces along dim, of equal size but for the last."""
    shape = np.shape(x)
    along = axis("chunk", dim, len(shape))
    if not isinstance(chunks, int):
        raise TypeError(f"chunk: chunks must be an int, not {type(chunks).__name__}")
    if chunks < 1:
        raise ValueError(f"chunk: chunks must be positive, not {chunks}")
    if not shape:
        raise ValueError("chunk: a 0-d tensor has no dim to split")
    size = -(-shape[along] // chunks)
    return split(x, size if size else [0] * chunks, along)


@op
def tril(x: Operand, diagonal: int = 0) -> Output:
    """Zero above the given diagonal of the last two dims."""
    _require_matrix("tril", x)
    low = -x.shape[-2]  # below every diagonal
    return arrays.band(x, low, diagonal), lambda dout: arrays.band(dout, low, diagonal)


@op
def triu(x: Operand, diagonal: int = 0) -> Output:
    """Zero below the given diagonal of the last two dims."""
    _require_matrix("triu", x)
    high = x.shape[-1]  # above every diagonal
    return arrays.band(x, diagonal, high), lambda dout: arrays.band(dout, diagonal, high)


def _reshaped(x: Any, shape: tuple[int, ...]) -> Any:
    return arrays.reshape(x, shape), lambda dout: arrays.reshape(dout, x.shape)


@op
def _concatenate(dim: int, *pieces: Operand) -> Output:
    # A length-0 vector joins anything, as in torch: loops start with one.
    parts = [piece for piece in pieces if piece.shape != (0,)] or list(pieces[:1])
    first = parts[0].shape
    along = axis("cat", dim, len(first))
    for part in parts:
        rest = [s[:along] + s[along + 1 :] for s in (part.shape, first)]
        if not part.ndim or part.ndim != len(first) or rest[0] != rest[1]:
            raise ValueError(f"cat: shapes {first} and {part.shape} along dim {dim}")
    length = sum(part.shape[along] for part in parts)
    joined = (*first[:along], length, *first[along + 1 :])
    steps = arrays.strides(joined)
    out = arrays.empty(joined, result_type(*parts))
    start = 0
    for part in parts:
        arrays.copy_into(arrays.cast(part, out.dtype), out, start * steps[along], steps)
        start += part.shape[along]

    def pullback(dout):
        start, grads = 0, []
        for piece in pieces:
            if piece.shape == (0,):
                grads.append(arrays.empty((0,), dout.dtype))
                continue
            grads.append(arrays.copy_from(dout, start * steps[along], piece.shape, steps))
            start += piece.shape[along]
        return (None, *grads)

    return out, pullback


def _sequence(name: str, tensors: Any) -> list[Any]:
    if not isinstance(tensors, list | tuple):
        raise TypeError(f"{name}: expected a list of tensors, not {type(tensors).__name__}")
    if not tensors:
        raise ValueError(f"{name}: expected at least one tensor")
    return list(tensors)


def _require_matrix(name: str, x: Any) -> None:
    if x.ndim < 2:
        raise ValueError(f"{name}: expected at least 2 dims, not shape {x.shape}")
