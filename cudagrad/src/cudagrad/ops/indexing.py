"""Taking elements by their indices, putting elements at indices, and sorting.

An element that is taken several times receives the sum of the gradients.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from .. import arrays
from ..arguments import (
    axis,
    broadcast_shapes,
    fitting,
    flag,
    indices,
    integers,
    same,
    tensors,
    whole,
)
from ..arrays import INT, apply
from ..dtypes import through_float32
from ..engine import Operand, Output, op, unwrap
from ..indexing import locate
from ..kernels import functions as f
from ..kernels import gather as kernels
from ..kernels.reduction import above


class Found(NamedTuple):
    """Elements found along a dim, and their indices: a tuple whose parts also have names."""

    values: Any
    indices: Any


@op
def getitem(x: Operand, index: Any) -> Output:
    """x[index]: ints, slices, None, Ellipsis, lists, integer tensors, boolean masks, mixtures.

    Slices with a negative step are refused, as in torch.
    """
    if isinstance(index, list) and not all(isinstance(i, arrays.NUMBERS) for i in index):
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
            rows = (outer, ids.size, inner)
            dout = arrays.reshape(dout, rows)
            if place.distinct:
                each = arrays.expand(arrays.reshape(ids, (ids.size, 1)), rows)
                dout = arrays.put_along(dout, each, (outer, n, inner), 1)
            else:
                dout = arrays.add_at(dout, arrays.flat(ids), n)
        dout = arrays.reshape(dout, lengths)
        if whole:
            return dout
        dx = arrays.zeros(shape, dout.dtype)
        arrays.copy_into(dout, dx, place.offset, steps)
        return dx

    return taken, pullback


@op
def index_select(x: Operand, dim: int, index: Operand) -> Output:
    """The slices of x along dim at a vector of indices, in its order."""
    along = axis("index_select", dim, x.ndim)
    index = integers("index_select", index, "index")
    if index.ndim > 1 or (not x.ndim and index.size != 1):
        raise ValueError(f"index_select: index of shape {index.shape} for shape {x.shape}")
    shape, lines = x.shape, arrays.around(x, along)
    outer, n, inner = lines.shape
    ids = arrays.flat(indices("index_select", index, n, "index"))

    def pullback(dout):
        dlines = arrays.add_at(arrays.reshape(dout, (outer, ids.size, inner)), ids, n)
        return arrays.reshape(dlines, shape)

    taken = (*shape[:along], ids.size, *shape[along + 1 :]) if shape else ()
    return arrays.reshape(arrays.take(lines, ids), taken), pullback


@op
@through_float32
def gather(x: Operand, dim: int, index: Operand) -> Output:
    """x[i, index[i, j]] at each i, j for dim 1; for dim 0 x[index[i, j], j], and so on.

    index has as many dims as x, none longer than x's except dim. -> the shape of index
    """
    along = axis("gather", dim, x.ndim)
    return _gathered(x, along, _within("gather", x, along, index))


def _of_one_dtype(function: Callable[..., Output]) -> Callable[..., Output]:
    """Refuse a src that is not of x's dtype, while one of bfloat16 is not yet made float32."""

    @functools.wraps(function)
    def wrapper(x: Any, dim: int, index: Any, src: Any = None, **named: Any) -> Output:
        if src is not None and not isinstance(src, arrays.NUMBERS):
            same(function.__name__, x, src)
        return function(x, dim, index, src, **named)

    return wrapper


@op
@_of_one_dtype
@through_float32
def scatter(
    x: Operand,
    dim: int,
    index: Operand,
    src: Operand | float | None = None,
    *,
    value: float | None = None,
) -> Output:
    """x with src[i, j] put at i, index[i, j] for dim 1; at index[i, j], j for dim 0, and so on.

    index has as many dims as x and src, none longer than theirs, except dim of x. A number in
    place of src, which may be passed as value, goes to every place. If several elements of src go
    to one place the last one stays, and yet each receives the gradient, as in torch.
    """
    if (src is None) == (value is None):
        raise TypeError("scatter: expected either src or value")
    along = axis("scatter", dim, x.ndim)
    if isinstance(src, arrays.NUMBERS):
        src, value = None, src
    if src is None:
        fitting("scatter", "value", value, x.dtype)
        index = _within("scatter", x, along, index)
        values, shape = arrays.full(index.shape, value, x.dtype), index.shape
    else:
        index, values = _sources("scatter", x, along, index, src)
        shape = src.shape
    out = arrays.copy(x)
    arrays.scatter_into(f.second, values, index, out, along)

    def dx(dout):
        dx = arrays.copy(dout)
        arrays.scatter_into(f.second, arrays.zeros(index.shape, dout.dtype), index, dx, along)
        return dx

    return out, (dx, None, None, lambda dout: _dsrc(dout, index, along, shape))


@op
@_of_one_dtype
@through_float32
def scatter_add(x: Operand, dim: int, index: Operand, src: Operand) -> Output:
    """x with src[i, j] added at each i, index[i, j] for dim 1, and so on: see scatter."""
    along = axis("scatter_add", dim, x.ndim)
    index, values = _sources("scatter_add", x, along, index, src)
    out, shape = arrays.copy(x), src.shape
    arrays.scatter_into(f.add, values, index, out, along)
    return out, (lambda dout: dout, None, None, lambda dout: _dsrc(dout, index, along, shape))


@op
@through_float32
def take_along_dim(x: Operand, indices: Operand, dim: int | None = None) -> Output:
    """gather, but the other dims broadcast, and negative indices count from the end.

    dim None: takes from the flattened x, without negative indices.
    """
    name = "take_along_dim"
    ids = integers(name, indices, "index")
    if dim is None:
        shape, line = x.shape, arrays.flat(x)
        taken, pullback = _gathered(line, 0, _within(name, line, 0, arrays.flat(ids)))
        return taken, lambda dout: arrays.reshape(pullback(dout), shape)
    along = axis(name, dim, x.ndim)
    if not x.ndim:
        raise IndexError(f"{name}: a 0-d tensor has no dim {dim}")
    if ids.ndim != x.ndim:
        raise ValueError(f"{name}: indices of shape {ids.shape} for shape {x.shape}")
    n, count = x.shape[along], ids.shape[along]
    rest = broadcast_shapes(name, *(a.shape[:along] + a.shape[along + 1 :] for a in (x, ids)))
    x = arrays.expand(x, (*rest[:along], n, *rest[along:]))
    ids = apply(f.from_front, arrays.expand(ids, (*rest[:along], count, *rest[along:])), n)
    return _gathered(x, along, _within(name, x, along, ids))


@op
@through_float32
def topk(x: Operand, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Output:
    """The pair (values, indices) of the k largest, or smallest, elements along dim, in order.

    NaN is the largest, and equals keep their order. sorted: ignored, they are always sorted.
    """
    flag("topk", "largest", largest)
    along, shape = axis("topk", dim, x.ndim), x.shape
    k = whole("topk", "k", k, least=0)
    if k > (shape or (1,))[along]:
        raise ValueError(f"topk: no {k} elements along dim {dim} of shape {shape}")
    kept, steps = (*shape[:along], k, *shape[along + 1 :]) if shape else (), arrays.strides(shape)
    values, ids = (
        arrays.copy_from(part, 0, kept, steps) for part in arrays.sort(x, along, largest)
    )
    return Found(values, ids), lambda dout: arrays.put_along(dout, ids, shape, along)


@op
@through_float32
def sort(x: Operand, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Output:
    """The pair (values, indices) of x sorted along dim; NaN is the largest.

    stable: ignored, equals always keep their order.
    """
    flag("sort", "descending", descending)
    along, shape = axis("sort", dim, x.ndim), x.shape
    values, ids = arrays.sort(x, along, descending)
    return Found(values, ids), lambda dout: arrays.put_along(dout, ids, shape, along)


@op
@through_float32
def argsort(x: Operand, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Output:
    """The indices of sort."""
    flag("argsort", "descending", descending)
    return arrays.sort(x, axis("argsort", dim, x.ndim), descending)[1], None


@op
@through_float32
def one_hot(x: Operand, num_classes: int = -1) -> Output:
    """1 at the index x of num_classes, else 0: (...) int64 -> (..., num_classes) int64.

    num_classes -1: one more than the largest index.
    """
    if x.dtype != INT:
        raise TypeError(f"one_hot: classes must be int64, not {x.dtype}")
    num_classes = whole("one_hot", "num_classes", num_classes, least=-1)
    if num_classes == -1:
        if not x.size:
            raise ValueError("one_hot: without an index, the number of classes must be given")
        num_classes = arrays.item(arrays.extreme(arrays.flat(x), 0, above)[0]) + 1
    elif num_classes == 0:
        raise ValueError("one_hot: num_classes must not be 0")
    ids = indices("one_hot", x, num_classes, "class")
    out = arrays.empty((*x.shape, num_classes), INT)
    rows = arrays.reshape(out, (ids.size, num_classes))
    arrays.launch(kernels.one_hot, out.size, arrays.flat(ids), rows)
    return out, None


def _within(name: str, x: Any, along: int, index: Any) -> Any:
    """Checked indices of x along a dim; in the others, index must not be longer than x."""
    index = integers(name, index, "index")
    shape, lengths = x.shape or (1,), index.shape or (1,)
    fits = len(shape) == len(lengths) and all(
        m <= n for i, (m, n) in enumerate(zip(lengths, shape, strict=True)) if i != along
    )
    if index.size and not fits:
        raise ValueError(f"{name}: index of shape {index.shape} for shape {x.shape}")
    return indices(name, index, shape[along], "index")


def _sources(name: str, x: Any, along: int, index: Any, src: Any) -> tuple[Any, Any]:
    """Checked indices of x along a dim, and the elements of src that belong to them."""
    tensors(name, src)
    index = _within(name, x, along, index)
    shape, lengths = src.shape or (1,), index.shape or (1,)
    fits = len(shape) == len(lengths) and all(map(operator.le, lengths, shape))
    if index.size and not fits:
        raise ValueError(f"{name}: index of shape {index.shape} for src of shape {src.shape}")
    if src.shape == index.shape:
        return index, src
    if not index.size:
        return index, arrays.empty(index.shape, src.dtype)
    part = arrays.copy_from(src, 0, lengths, arrays.strides(shape))
    return index, arrays.reshape(part, index.shape)


def _gathered(x: Any, along: int, index: Any) -> Any:
    shape = x.shape

    def pullback(dout):
        dx = arrays.zeros(shape, dout.dtype)
        arrays.scatter_into(f.add, dout, index, dx, along)
        return dx

    return arrays.gather_along(x, index, along), pullback


def _dsrc(dout: Any, index: Any, along: int, shape: Any) -> Any:
    """The gradient of scatter's src, of which only the part of index's shape was read."""
    dsrc = arrays.zeros(shape, dout.dtype)
    if index.size:
        taken = arrays.reshape(arrays.gather_along(dout, index, along), index.shape or (1,))
        arrays.copy_into(taken, dsrc, 0, arrays.strides(shape or (1,)))
    return dsrc
