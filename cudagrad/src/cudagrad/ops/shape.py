"""The same numbers in another arrangement: their gradients are arranged back."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import arrays
from ..arguments import Dims, Shape, axes, axis, complete, named_axes, sizes, whole
from ..dtypes import result_type
from ..engine import Operand, Output, Tensor, op, require_tensors
from .indexing import getitem


@op
def reshape(x: Operand, shape: Shape) -> Output:
    """The elements of x, in order, in another shape; one of its lengths may be -1."""
    return _reshaped(x, complete("reshape", shape, x.shape))


@op
def view(x: Operand, shape: Shape) -> Output:
    """reshape, by the name of torch's method."""
    return _reshaped(x, complete("view", shape, x.shape))


@op
def transpose(x: Operand, dim0: int, dim1: int) -> Output:
    """x with two dims exchanged."""
    a, b = axis("transpose", dim0, x.ndim), axis("transpose", dim1, x.ndim)
    if not x.ndim:
        return x, lambda dout: dout
    order = list(range(x.ndim))
    order[a], order[b] = b, a
    return arrays.permute(x, order), lambda dout: arrays.permute(dout, order)


@op
def permute(x: Operand, dims: Shape) -> Output:
    """x with its dims in another order: dim i of the result is dim dims[i] of x."""
    dims = sizes("permute", dims)
    if len(dims) != x.ndim:
        raise ValueError(f"permute: {len(dims)} dims for shape {x.shape}")
    axes("permute", dims, x.ndim)  # raises for a dim that is there twice
    order = tuple(axis("permute", dim, x.ndim) for dim in dims)
    back = sorted(range(x.ndim), key=order.__getitem__)
    return arrays.permute(x, order), lambda dout: arrays.permute(dout, back)


def movedim(x: Operand, source: Shape, destination: Shape) -> Tensor:
    """x with the dims source, one or several, moved to destination; the others keep their order."""
    ndim = len(_shape("movedim", x))
    moved = [axis("movedim", dim, ndim) for dim in sizes("movedim", source)]
    places = [axis("movedim", dim, ndim) for dim in sizes("movedim", destination)]
    if len(moved) != len(places) or any(len({*dims}) != len(dims) for dims in (moved, places)):
        raise ValueError(f"movedim: {source} and {destination} must name as many dims, each once")
    order = [dim for dim in range(ndim) if dim not in moved]
    for place, dim in sorted(zip(places, moved, strict=True)):
        order.insert(place, dim)
    return permute(x, order[:ndim])


def t(x: Operand) -> Tensor:
    """The transpose of a matrix; a vector or a number as it is."""
    if len(np.shape(x)) > 2:
        raise ValueError(f"t: expected at most 2 dims, not shape {np.shape(x)}")
    return transpose(x, 0, -1)


@op
def expand(x: Operand, size: Shape) -> Output:
    """x with dims of length 1 repeated, and new dims added in front; -1 keeps a length."""
    return _expanded("expand", x, size)


@op
def broadcast_to(x: Operand, size: Shape) -> Output:
    """expand, by NumPy's name."""
    return _expanded("broadcast_to", x, size)


@op
def repeat(x: Operand, repeats: Shape) -> Output:
    """x repeated along each dim as often as repeats says; new dims come first."""
    repeats = sizes("repeat", repeats)
    new = len(repeats) - x.ndim
    if new < 0 or min(repeats, default=0) < 0:
        raise ValueError(f"repeat: shape {x.shape} cannot be repeated {repeats} times")
    old, padded = x.shape, (*(1,) * new, *x.shape)
    pairs = list(zip(repeats, padded, strict=True))
    apart = tuple(itertools.chain(*pairs))  # (repeats[0], n0, repeats[1], n1, …)
    steps = tuple(itertools.chain(*((0, step) for step in arrays.strides(padded))))
    copies = tuple(2 * i for i, n in enumerate(repeats) if n != 1)

    def pullback(dout):
        return arrays.reshape(arrays.total(arrays.reshape(dout, apart), copies), old)

    joined = tuple(count * n for count, n in pairs)
    return arrays.reshape(arrays.copy_from(x, 0, apart, steps), joined), pullback


@op
def flatten(x: Operand, start_dim: int = 0, end_dim: int = -1) -> Output:
    """x with the dims from start_dim to end_dim, inclusive, as one."""
    first, last = axis("flatten", start_dim, x.ndim), axis("flatten", end_dim, x.ndim)
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    middle = math.prod(x.shape[first : last + 1])
    return _reshaped(x, (*x.shape[:first], middle, *x.shape[last + 1 :]))


@op
def unflatten(x: Operand, dim: int, sizes: Shape) -> Output:
    """x with dim split into dims of the given sizes, one of which may be -1."""
    along = axis("unflatten", dim, x.ndim)
    lengths = complete("unflatten", sizes, x.shape[along : along + 1])
    if not x.ndim or not lengths:
        raise ValueError(f"unflatten: dim {dim} of shape {x.shape} cannot become {sizes}")
    return _reshaped(x, (*x.shape[:along], *lengths, *x.shape[along + 1 :]))


@op
def squeeze(x: Operand, dim: Dims = None) -> Output:
    """x without its dims of length 1, or without those of them that dim names."""
    named = named_axes("squeeze", dim, x.ndim)
    kept = tuple(n for i, n in enumerate(x.shape) if i not in named or n != 1)
    return _reshaped(x, kept)


@op
def unsqueeze(x: Operand, dim: int) -> Output:
    """x with a new dim of length 1 at dim."""
    at = axis("unsqueeze", dim, x.ndim + 1)
    return _reshaped(x, (*x.shape[:at], 1, *x.shape[at:]))


def narrow(x: Operand, dim: int, start: int, length: int) -> Tensor:
    """length elements along dim from start on; a negative start counts from the end."""
    along, size = _dim_of("narrow", x, dim, ValueError)
    if not -size <= whole("narrow", "start", start) <= size:
        raise IndexError(f"narrow: start {start} is out of range [{-size}, {size}]")
    first = start + size if start < 0 else start
    if whole("narrow", "length", length, least=0) > size - first:
        raise ValueError(f"narrow: {length} elements from {start} on in a dim of length {size}")
    return getitem(x, (*(slice(None),) * along, slice(first, first + length)))


def select(x: Operand, dim: int, index: int) -> Tensor:
    """The slice of x at index along dim, without that dim."""
    along, size = _dim_of("select", x, dim, IndexError)
    if not -size <= whole("select", "index", index) < size:
        raise IndexError(f"select: index {index} is out of range [{-size}, {size - 1}]")
    return getitem(x, (*(slice(None),) * along, index))


def unbind(x: Operand, dim: int = 0) -> tuple[Tensor, ...]:
    """A tuple of the slices of x at each index along dim, without that dim."""
    along, size = _dim_of("unbind", x, dim, IndexError)
    return tuple(select(x, along, i) for i in range(size))


def split(x: Operand, split_size_or_sections: Shape, dim: int = 0) -> tuple[Tensor, ...]:
    """A tuple of pieces along dim: of one size (the last may be smaller), or of the given sizes."""
    along, length = _dim_of("split", x, dim, ValueError)
    size = split_size_or_sections
    if isinstance(size, int | np.integer) and not isinstance(size, bool):
        size = int(size)
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
    along, length = _dim_of("chunk", x, dim, ValueError)
    whole("chunk", "chunks", chunks, least=1)
    return split(x, -(-length // chunks) if length else [0] * chunks, along)


def cat(tensors: Sequence[Operand], dim: int = 0) -> Tensor:
    """tensors joined along dim; their shapes are equal except at dim."""
    return _cat(dim, *_sequence("cat", tensors))


def stack(tensors: Sequence[Operand], dim: int = 0) -> Tensor:
    """tensors joined along a new dim; their shapes are equal."""
    tensors = _sequence("stack", tensors)
    shapes = [_shape("stack", tensor) for tensor in tensors]
    for shape in shapes:
        if shape != shapes[0]:
            raise ValueError(f"stack: shapes {shapes[0]} and {shape} differ")
    at = axis("stack", dim, len(shapes[0]) + 1)
    return _cat(at, *(unsqueeze(tensor, at) for tensor in tensors))


@op
def tril(x: Operand, diagonal: int = 0) -> Output:
    """x with zeros above the given diagonal of the last two dims."""
    _require_matrix("tril", x, diagonal)
    low = -x.shape[-2]  # below every diagonal
    return arrays.band(x, low, diagonal), lambda dout: arrays.band(dout, low, diagonal)


@op
def triu(x: Operand, diagonal: int = 0) -> Output:
    """x with zeros below the given diagonal of the last two dims."""
    _require_matrix("triu", x, diagonal)
    high = x.shape[-1]  # above every diagonal
    return arrays.band(x, diagonal, high), lambda dout: arrays.band(dout, diagonal, high)


@op
def flip(x: Operand, dims: Shape) -> Output:
    """x with the elements along dims in reverse order."""
    along = named_axes("flip", sizes("flip", dims), x.ndim)
    return arrays.flip(x, along), lambda dout: arrays.flip(dout, along)


@op
def roll(x: Operand, shifts: Shape, dims: Shape | None = None) -> Output:
    """The elements shifted by shifts along dims; those pushed past the end come back at the start.

    dims None or (): shift the flattened x.
    """
    shifts = sizes("roll", shifts)
    named = () if dims is None else sizes("roll", dims)
    if len(shifts) != (len(named) or 1):
        raise ValueError(f"roll: shifts {shifts} for dims {dims}")
    if not x.ndim and named:
        raise IndexError("roll: a 0-d tensor has no dim")
    along = [axis("roll", dim, x.ndim) for dim in named]

    def pullback(dout):
        return _rolled(dout, [-shift for shift in shifts], along)

    return _rolled(x, shifts, along), pullback


@op
def contiguous(x: Operand) -> Output:
    """x as it is: its elements always lie in order."""
    return x, lambda dout: dout


@op
def clone(x: Operand) -> Output:
    """A copy of x; the gradient flows back to x."""
    return arrays.copy(x), lambda dout: dout


def _reshaped(x: Any, shape: tuple[int, ...]) -> Any:
    own = x.shape
    return arrays.reshape(x, shape), lambda dout: arrays.reshape(dout, own)


def _expanded(name: str, x: Any, size: Any) -> Any:
    size = sizes(name, size)
    new = len(size) - x.ndim
    full = tuple(x.shape[i - new] if n == -1 and i >= new else n for i, n in enumerate(size))
    fits = new >= 0 and all(m in (1, n) for m, n in zip(x.shape, full[new:], strict=True))
    if not fits or min(full, default=0) < 0:
        raise ValueError(f"{name}: shape {x.shape} does not expand to {size}")
    return arrays.expand(x, full), lambda dout: dout


def _dim_of(name: str, x: Operand, dim: int, error: type[Exception]) -> tuple[int, int]:
    """dim counted from the front, and its length; error: what to raise for a 0-d tensor."""
    shape = _shape(name, x)
    along = axis(name, dim, len(shape))
    if not shape:
        raise error(f"{name}: a 0-d tensor has no dim")
    return along, shape[along]


def _rolled(x: Any, shifts: Sequence[int], along: Sequence[int]) -> Any:
    if not along:
        return arrays.reshape(arrays.roll(arrays.flat(x), shifts[0], 0), x.shape)
    for shift, dim in zip(shifts, along, strict=True):
        x = arrays.roll(x, shift, dim)
    return x


@op
def _cat(dim: int, *pieces: Operand) -> Output:
    # An empty vector joins anything, as in torch: loops start with one.
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
    out = arrays.empty(joined, result_type(*pieces))
    start = 0
    for part in parts:
        arrays.copy_into(arrays.cast(part, out.dtype), out, start * steps[along], steps)
        start += part.shape[along]
    shapes = [piece.shape for piece in pieces]

    def pullback(dout):
        start, grads = 0, []
        for shape in shapes:
            if shape == (0,):
                grads.append(arrays.empty(shape, dout.dtype))
            else:
                grads.append(arrays.copy_from(dout, start * steps[along], shape, steps))
                start += shape[along]
        return (None, *grads)

    return out, pullback


def _sequence(name: str, tensors: Any) -> list[Any]:
    if not isinstance(tensors, list | tuple):
        raise TypeError(f"{name}: expected a list of tensors, not {type(tensors).__name__}")
    if not tensors:
        raise ValueError(f"{name}: expected at least one tensor")
    for tensor in tensors:
        _shape(name, tensor)
    return list(tensors)


def _shape(name: str, x: Operand) -> tuple[int, ...]:
    """The shape of x, which must be a tensor."""
    require_tensors(name, x)
    return x.shape


def _require_matrix(name: str, x: Any, diagonal: Any) -> None:
    whole(name, "diagonal", diagonal)
    if x.ndim < 2:
        raise ValueError(f"{name}: expected at least 2 dims, not shape {x.shape}")
