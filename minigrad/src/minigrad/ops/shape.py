"""The same numbers in another arrangement: their gradients are arranged back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import Dims, Shape, axes, axis, complete, sizes
from ..dtypes import promote
from ..engine import Operand, Output, Tensor, op, unwrap


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
    return x.swapaxes(a, b), lambda dout: dout.swapaxes(a, b)


@op
def permute(x: Operand, dims: Shape) -> Output:
    """The dims in another order: dim i of the result is dim dims[i] of x."""
    dims = sizes("permute", dims)
    if len(dims) != x.ndim:
        raise ValueError(f"permute: {len(dims)} dims for shape {x.shape}")
    if len(axes("permute", dims, x.ndim)) != x.ndim:
        raise ValueError(f"permute: {dims} do not name the dims of shape {x.shape}")
    order = tuple(axis("permute", dim, x.ndim) for dim in dims)
    return x.transpose(order), lambda dout: dout.transpose(np.argsort(order))


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
    return np.broadcast_to(x, full), lambda dout: dout


@op
def flatten(x: Operand, start_dim: int = 0, end_dim: int = -1) -> Output:
    """The dims from start_dim to end_dim, inclusive, as one."""
    first, last = axis("flatten", start_dim, x.ndim), axis("flatten", end_dim, x.ndim)
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    middle = int(np.prod(x.shape[first : last + 1], dtype=np.int64))
    return _reshaped(x, (*x.shape[:first], middle, *x.shape[last + 1 :]))


@op
def getitem(x: Operand, index: Any) -> Output:
    """x[index]: ints, slices, None, Ellipsis, lists, integer tensors, boolean masks, mixtures.

    Slices with a negative step are refused, as in torch. An element that is taken several times
    receives the sum of their gradients.
    """
    if isinstance(index, list) and not all(isinstance(i, int | float | np.generic) for i in index):
        raise TypeError("getitem: a list holds ints or bools; for several dims, index by a tuple")
    items = [_index_item(item) for item in (index if isinstance(index, tuple) else (index,))]
    # The ints first, then the arrays: an int beside arrays takes no part in where their dims go.
    basic = tuple(part for item in items for part in _without_arrays(item))
    arrays = tuple(_without_basic(item) for item in items if not isinstance(item, int))
    taken = x[basic]
    if not any(isinstance(item, np.ndarray) for item in items):

        def pullback(dout):
            dx = np.zeros_like(x)
            dx[basic] = dout
            return dx

        return taken, pullback

    def pullback_of_arrays(dout):
        # Places counted in one pass: np.add.at would visit them one by one.
        places = np.arange(x.size).reshape(x.shape)[basic][arrays]
        dx = np.bincount(places.ravel(), weights=dout.ravel(), minlength=x.size)
        return dx.reshape(x.shape).astype(dout.dtype)

    return taken[arrays], pullback_of_arrays


def cat(tensors: Sequence[Operand], dim: int = 0) -> Tensor:
    """tensors, of equal shape but for dim, one after the other along dim."""
    return _concatenate(dim, *_sequence("cat", tensors))


def stack(tensors: Sequence[Operand], dim: int = 0) -> Tensor:
    """tensors, of equal shape, along a new dim."""
    tensors = _sequence("stack", tensors)
    shapes = [np.shape(unwrap(tensor)) for tensor in tensors]
    for shape in shapes:
        if shape != shapes[0]:
            raise ValueError(f"stack: shapes {shapes[0]} and {shape} differ")
    at = axis("stack", dim, len(shapes[0]) + 1)
    return _concatenate(at, *(unsqueeze(tensor, at) for tensor in tensors))


def split(x: Operand, split_size_or_sections: Shape, dim: int = 0) -> tuple[Tensor, ...]:
    """A tuple of pieces along dim: of one size (the last may be smaller), or of the given sizes."""
    shape = np.shape(unwrap(x))
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
    ends = np.cumsum(pieces).tolist()
    before = (slice(None),) * along
    return tuple(
        getitem(x, (*before, slice(end - n, end))) for n, end in zip(pieces, ends, strict=True)
    )


def chunk(x: Operand, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most chunks pieces along dim, of equal size but for the last."""
    shape = np.shape(unwrap(x))
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
    return np.tril(x, diagonal), lambda dout: np.tril(dout, diagonal)


@op
def triu(x: Operand, diagonal: int = 0) -> Output:
    """Zero below the given diagonal of the last two dims."""
    _require_matrix("triu", x)
    return np.triu(x, diagonal), lambda dout: np.triu(dout, diagonal)


def _reshaped(x: Any, shape: tuple[int, ...]) -> Any:
    return x.reshape(shape), lambda dout: dout.reshape(x.shape)


@op
def _concatenate(dim: int, *arrays: Operand) -> Output:
    # A length-0 vector joins anything, as in torch: loops start with one.
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
            grads.append(piece if array.shape != (0,) else piece.reshape(-1)[:0])
            start += length
        return (None, *grads)

    return np.concatenate(promote(*parts), axis=along), pullback


def _sequence(name: str, tensors: Any) -> list[Any]:
    if not isinstance(tensors, list | tuple):
        raise TypeError(f"{name}: expected a list of tensors, not {type(tensors).__name__}")
    if not tensors:
        raise ValueError(f"{name}: expected at least one tensor")
    return list(tensors)


def _index_item(item: Any) -> Any:
    """An int, a slice, None, Ellipsis, or an array of integers or booleans."""
    item = unwrap(item)
    if isinstance(item, slice):
        if item.step is not None and item.step <= 0:
            raise ValueError(f"getitem: a slice needs a positive step, not {item.step}")
        return item
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, list):
        item = np.asarray(item, None if item else np.int64)
    if not isinstance(item, np.ndarray | np.generic | int):
        raise TypeError(f"getitem: {type(item).__name__} is no index")
    array = np.asarray(item)
    if array.dtype.kind not in "bi":  # torch takes uint8 for a mask, and warns
        raise TypeError(f"getitem: an index tensor must be integers or bool, not {array.dtype}")
    return int(array) if array.ndim == 0 and array.dtype.kind != "b" else array


def _without_arrays(item: Any) -> tuple[Any, ...]:
    """item, an array replaced by a slice for each dim that it indexes."""
    if isinstance(item, np.ndarray):
        return (slice(None),) * (item.ndim if item.dtype == np.bool_ else 1)
    return (item,)


def _without_basic(item: Any) -> Any:
    """item if it is an array, else what leaves the dims alone that it has made or kept."""
    return item if isinstance(item, np.ndarray) or item is Ellipsis else slice(None)


def _require_matrix(name: str, x: Any) -> None:
    if x.ndim < 2:
        raise ValueError(f"{name}: expected at least 2 dims, not shape {x.shape}")
