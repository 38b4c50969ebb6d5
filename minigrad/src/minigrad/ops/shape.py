"""The same numbers in another arrangement: their gradients are arranged back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

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
    return x.swapaxes(a, b), lambda dout: dout.swapaxes(a, b)


@op
def permute(x: Operand, dims: Shape) -> Output:
    """x with its dims in another order: dim i of the result is dim dims[i] of x."""
    dims = sizes("permute", dims)
    if len(dims) != x.ndim:
        raise ValueError(f"permute: {len(dims)} dims for shape {x.shape}")
    axes("permute", dims, x.ndim)  # raises for a dim that is there twice
    order = tuple(axis("permute", dim, x.ndim) for dim in dims)
    return x.transpose(order), lambda dout: dout.transpose(np.argsort(order))


@op
def movedim(x: Operand, source: Shape, destination: Shape) -> Output:
    """x with the dims source, one or several, moved to destination; the others keep their order."""
    old = tuple(axis("movedim", dim, x.ndim) for dim in sizes("movedim", source))
    new = tuple(axis("movedim", dim, x.ndim) for dim in sizes("movedim", destination))
    if len(old) != len(new) or len(set(old)) != len(old) or len(set(new)) != len(new):
        raise ValueError(f"movedim: {source} and {destination} must name as many dims, each once")
    if not x.ndim:
        return x, lambda dout: dout
    return np.moveaxis(x, old, new), lambda dout: np.moveaxis(dout, new, old)


@op
def t(x: Operand) -> Output:
    """The transpose of a matrix; a vector or a number as it is."""
    if x.ndim > 2:
        raise ValueError(f"t: expected at most 2 dims, not shape {x.shape}")
    return x.T, lambda dout: dout.T


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
    if len(repeats) < x.ndim or min(repeats, default=0) < 0:
        raise ValueError(f"repeat: shape {x.shape} cannot be repeated {repeats} times")
    shape = (1,) * (len(repeats) - x.ndim) + x.shape

    def pullback(dout):
        copies = dout.reshape([n for i, length in enumerate(shape) for n in (repeats[i], length)])
        return copies.sum(axis=tuple(range(0, copies.ndim, 2)))

    return np.tile(x, repeats), pullback


@op
def flatten(x: Operand, start_dim: int = 0, end_dim: int = -1) -> Output:
    """x with the dims from start_dim to end_dim, inclusive, as one."""
    first, last = axis("flatten", start_dim, x.ndim), axis("flatten", end_dim, x.ndim)
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    middle = int(np.prod(x.shape[first : last + 1], dtype=np.int64))
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
    ends = np.cumsum(pieces).tolist()
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
    return np.tril(x, diagonal), lambda dout: np.tril(dout, diagonal)


@op
def triu(x: Operand, diagonal: int = 0) -> Output:
    """x with zeros below the given diagonal of the last two dims."""
    _require_matrix("triu", x, diagonal)
    return np.triu(x, diagonal), lambda dout: np.triu(dout, diagonal)


@op
def flip(x: Operand, dims: Shape) -> Output:
    """x with the elements along dims in reverse order."""
    along = named_axes("flip", sizes("flip", dims), x.ndim)
    return np.flip(x, along), lambda dout: np.flip(dout, along)


@op
def roll(x: Operand, shifts: Shape, dims: Shape | None = None) -> Output:
    """The elements shifted by shifts along dims; those pushed past the end come back at the start.

    dims None or (): shift the flattened x.
    """
    shifts = sizes("roll", shifts)
    named = () if dims is None else sizes("roll", dims)
    if len(shifts) != (len(named) or 1):
        raise ValueError(f"roll: shifts {shifts} for dims {dims}")
    along = tuple(_dim_of("roll", x, dim, IndexError)[0] for dim in named) or None
    back = tuple(-shift for shift in shifts)
    return np.roll(x, shifts, along), lambda dout: np.roll(dout, back, along)


@op
def contiguous(x: Operand) -> Output:
    """x with its elements in order in memory; no copy if they already are."""
    return np.asarray(x, order="C"), lambda dout: dout


@op
def clone(x: Operand) -> Output:
    """A copy of x; the gradient flows back to x."""
    return x.copy(), lambda dout: dout


def _reshaped(x: Any, shape: tuple[int, ...]) -> Any:
    return x.reshape(shape), lambda dout: dout.reshape(x.shape)


def _expanded(name: str, x: Any, size: Shape) -> Any:
    size = sizes(name, size)
    new = len(size) - x.ndim
    full = tuple(x.shape[i - new] if n == -1 and i >= new else n for i, n in enumerate(size))
    fits = new >= 0 and all(m in (1, n) for m, n in zip(x.shape, full[new:], strict=True))
    if not fits or min(full, default=0) < 0:
        raise ValueError(f"{name}: shape {x.shape} does not expand to {size}")
    return np.broadcast_to(x, full), lambda dout: dout


def _dim_of(name: str, x: Operand, dim: int, error: type[Exception]) -> tuple[int, int]:
    """dim counted from the front, and its length; error: what to raise for a 0-d tensor."""
    shape = _shape(name, x)
    along = axis(name, dim, len(shape))
    if not shape:
        raise error(f"{name}: a 0-d tensor has no dim")
    return along, shape[along]


@op
def _cat(dim: int, *arrays: Operand) -> Output:
    # An empty vector joins anything, as in torch: loops start with one.
    parts = [array for array in arrays if array.shape != (0,)] or list(arrays[:1])
    along = axis("cat", dim, parts[0].ndim)
    for part in parts:
        rest = [s[:along] + s[along + 1 :] for s in (part.shape, parts[0].shape)]
        if not part.ndim or part.ndim != parts[0].ndim or rest[0] != rest[1]:
            raise ValueError(f"cat: shapes {parts[0].shape} and {part.shape} along dim {dim}")

    def pullback(dout):
        start, grads = 0, []
        for array in arrays:
            length = array.shape[along] if array.shape != (0,) else 0
            piece = dout[(slice(None),) * along + (slice(start, start + length),)]
            grads.append(piece.reshape(array.shape))
            start += length
        return (None, *grads)

    dtype = result_type(*arrays)  # the empty vectors' dtypes count, too
    return np.concatenate([part.astype(dtype, copy=False) for part in parts], along), pullback


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


def _require_matrix(name: str, x: Any, diagonal: int) -> None:
    whole(name, "diagonal", diagonal)
    if x.ndim < 2:
        raise ValueError(f"{name}: expected at least 2 dims, not shape {x.shape}")
