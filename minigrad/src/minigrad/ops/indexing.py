"""Taking elements by their indices, putting elements at indices, and sorting.

An element that is taken several times receives the sum of the gradients.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from ..arguments import axis, broadcast_shapes, fitting, flag, indices, same, whole
from ..capture import recorded
from ..engine import Operand, Output, Part, op

FEW = 1 << 14  # numbers up to which np.add.at is faster than sorting their places
TURNS = 256  # rows of one place that are added in turns with others'; few places have more


class Found(NamedTuple):
    """Elements found along a dim, and their indices: a tuple whose parts also have names."""

    values: Any
    indices: Any


@op
def getitem(x: Operand, index: Any) -> Output:
    """x[index]: ints, slices, None, Ellipsis, lists, integer tensors, boolean masks, mixtures.

    Slices with a negative step are refused, as in torch.
    """
    # The common case, fast.
    if type(index) is int and x.ndim and -len(x) <= index < len(x):
        return x[index], lambda dout: Part(index, dout)
    if isinstance(index, list) and not all(isinstance(i, int | float | np.generic) for i in index):
        raise TypeError("getitem: a list holds ints or bools; for several dims, index by a tuple")
    items = [_index_item(item) for item in (index if isinstance(index, tuple) else (index,))]
    # Ints first, then arrays: an int must not affect where the dims of the arrays go.
    basic = tuple(part for item in items for part in _without_arrays(item))
    rest = x.ndim - sum(map(_dims_of, items))
    kept = [item for item in items if not isinstance(item, int)]
    arrays = tuple(part for item in kept for part in _without_basic(item, rest))
    has_arrays = any(isinstance(item, np.ndarray) for item in items)
    try:
        taken = x[basic][arrays] if has_arrays else x[basic]
    except IndexError:
        taken = None
    # NumPy does not check a mask without elements.
    if taken is None or any(getattr(item, "size", 1) == 0 and item.dtype == bool for item in items):
        _require_fitting(x.shape, items)
    if not has_arrays:
        return taken, lambda dout: Part(basic, dout)

    def pullback_of_arrays(dout):
        if len(items) == 1 and items[0].dtype != np.bool_ and items[0].ndim == 1:
            return summed_rows(dout, items[0] % len(x), len(x))
        return collected(dout, np.arange(x.size).reshape(x.shape)[basic][arrays], x.shape)

    return taken, pullback_of_arrays


@op
def index_select(x: Operand, dim: int, index: Operand) -> Output:
    """The slices of x along dim at a vector of indices, in its order."""
    along = axis("index_select", dim, x.ndim)
    rows = np.atleast_1d(x)
    _require_indices("index_select", index, rows.shape[along])
    if index.ndim > 1 or (not x.ndim and index.size != 1):
        raise ValueError(f"index_select: index of shape {index.shape} for shape {x.shape}")
    index = index.reshape(-1)

    def pullback(dout):
        sums = summed_rows(np.moveaxis(np.atleast_1d(dout), along, 0), index, rows.shape[along])
        return np.moveaxis(sums, 0, along).reshape(x.shape)

    taken = rows.take(index, along)
    return taken if x.ndim else taken.reshape(()), pullback


@op
def gather(x: Operand, dim: int, index: Operand) -> Output:
    """x[i, index[i, j]] at each i, j for dim 1; for dim 0 x[index[i, j], j], and so on.

    index has as many dims as x, none longer than x's except dim. -> the shape of index
    """
    return _gathered("gather", x, axis("gather", dim, x.ndim), index)


@op
def scatter(
    x: Operand, dim: int, index: Operand, src: Operand | None = None, *, value: Any = None
) -> Output:
    """x with src[i, j] put at i, index[i, j] for dim 1; at index[i, j], j for dim 0, and so on.

    index has as many dims as x and src, none longer than theirs, except dim of x. A number in
    place of src, which may be passed as value, goes to every place. If several elements of src go
    to one place the last one stays, and yet each receives the gradient, as in torch.
    """
    if (src is None) == (value is None):
        raise TypeError("scatter: expected either src or value")
    places = _places("scatter", x, axis("scatter", dim, x.ndim), index)
    out = np.array(x).reshape(-1)
    if isinstance(src, np.ndarray):
        out[places] = _part("scatter", x, index, src).ravel()
    else:
        out[places] = fitting("scatter", "value", value if src is None else src, x.dtype)

    def dx(dout):
        rest = dout.flatten()
        rest[places] = 0
        return rest.reshape(x.shape)

    return out.reshape(x.shape), (
        dx,
        None,
        None,
        lambda dout: _taken_back(dout, places, index, src),
    )


@op
def scatter_add(x: Operand, dim: int, index: Operand, src: Operand) -> Output:
    """x with src[i, j] added at each i, index[i, j] for dim 1, and so on: see scatter."""
    places = _places("scatter_add", x, axis("scatter_add", dim, x.ndim), index)
    part = _part("scatter_add", x, index, src)
    out = np.array(x).reshape(-1)
    np.add.at(out, places, part.ravel())
    return out.reshape(x.shape), (
        lambda dout: dout,
        None,
        None,
        lambda dout: _taken_back(dout, places, index, src),
    )


@op
def take_along_dim(x: Operand, indices: Operand, dim: int | None = None) -> Output:
    """gather, but the other dims broadcast, and negative indices count from the end.

    dim None: takes from the flattened x, without negative indices.
    """
    if dim is None:
        _require_indices("take_along_dim", indices, x.size)
        value, dflat = _gathered("take_along_dim", x.reshape(-1), 0, indices.reshape(-1))
        return value, lambda dout: dflat(dout).reshape(x.shape)
    along = axis("take_along_dim", dim, x.ndim)
    _require_integers("take_along_dim", indices)
    if not x.ndim:
        raise IndexError(f"take_along_dim: a 0-d tensor has no dim {dim}")
    if indices.ndim != x.ndim:
        raise ValueError(f"take_along_dim: indices of shape {indices.shape} for shape {x.shape}")
    shapes = [(*s[:along], 1, *s[along + 1 :]) for s in (x.shape, indices.shape)]
    whole = broadcast_shapes("take_along_dim", *shapes)
    counted, n = indices.astype(np.int64), x.shape[along]
    counted[(-n <= counted) & (counted < 0)] += n
    rows, index = (
        np.broadcast_to(a, (*whole[:along], a.shape[along], *whole[along + 1 :]))
        for a in (x, counted)
    )
    return _gathered("take_along_dim", rows, along, index)


@op
def topk(x: Operand, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Output:
    """The pair (values, indices) of the k largest, or smallest, elements along dim, in order.

    NaN is the largest, and equals keep their order. sorted: ignored, they are always sorted.
    """
    flag("topk", "largest", largest)
    k = whole("topk", "k", k, least=0)
    along = axis("topk", dim, x.ndim)
    rows = np.atleast_1d(x)
    if k > rows.shape[along]:
        raise ValueError(f"topk: no {k} elements along dim {dim} of shape {x.shape}")
    order = _first_in_order(np.moveaxis(rows, along, -1), k if x.ndim else 1, largest)
    return _ranked(x, np.moveaxis(order, -1, along), along)


@op
def sort(x: Operand, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Output:
    """The pair (values, indices) of x sorted along dim; NaN is the largest.

    stable: ignored, equals always keep their order.
    """
    flag("sort", "descending", descending)
    along = axis("sort", dim, x.ndim)
    return _ranked(x, _order(np.atleast_1d(x), along, descending), along)


@op
def argsort(x: Operand, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Output:
    """The indices of sort."""
    flag("argsort", "descending", descending)
    along = axis("argsort", dim, x.ndim)
    return _order(np.atleast_1d(x), along, descending).reshape(x.shape), None


@op
def one_hot(x: Operand, num_classes: int = -1) -> Output:
    """1 at the index x of num_classes, else 0: (...) int64 -> (..., num_classes) int64.

    num_classes -1: one more than the largest index.
    """
    if x.dtype != np.int64:
        raise TypeError(f"one_hot: classes must be int64, not {x.dtype}")
    if whole("one_hot", "num_classes", num_classes, least=-1) == -1:
        if not x.size:
            raise ValueError("one_hot: without an index, the number of classes must be given")
        num_classes = int(x.max()) + 1
    elif num_classes == 0:
        raise ValueError("one_hot: num_classes must not be 0")
    _require_indices("one_hot", x, num_classes)
    return (x[..., None] == np.arange(num_classes)).astype(np.int64), None


def collected(values: Any, places: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of that shape, to which every value is added at its place in the flattened array.

    np.add.at is fast in one dim only; np.bincount would compute in float64.
    """
    sums = np.zeros(math.prod(shape), values.dtype)
    np.add.at(sums, places.ravel(), values.ravel())
    return sums.reshape(shape)


def _index_item(item: Any) -> Any:
    """item, checked: an int, a slice, None, Ellipsis, or an array of integers or booleans."""
    if isinstance(item, slice):
        if item.step is not None and item.step <= 0:
            raise ValueError(f"getitem: a slice needs a positive step, not {item.step}")
        return item
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, list):
        item = np.asarray(item, None if item else np.int64)
    if not isinstance(item, np.ndarray | np.generic | int):
        raise TypeError(f"getitem: {type(item).__name__} is not an index")
    array = np.asarray(item)
    if array.dtype.kind not in "bi":  # torch takes uint8 for a mask, and warns
        raise TypeError(f"getitem: an index tensor must be integers or bool, not {array.dtype}")
    return int(array) if array.ndim == 0 and array.dtype.kind != "b" else array


def _without_arrays(item: Any) -> tuple[Any, ...]:
    """item; if it is an array, a full slice for each dim that it indexes."""
    if isinstance(item, np.ndarray):
        return (slice(None),) * _dims_of(item)
    return (item,)


def _without_basic(item: Any, rest: int) -> tuple[Any, ...]:
    """item if it is an array, else a full slice for each dim that it made or kept.

    rest: of how many dims an Ellipsis keeps. NumPy would split arrays by one that keeps none.
    """
    if isinstance(item, np.ndarray):
        return (item,)
    return (slice(None),) * (rest if item is Ellipsis else 1)


def _dims_of(item: Any) -> int:
    """How many dims of x an item indexes."""
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if isinstance(item, np.ndarray) and item.dtype == np.bool_ else 1


def _require_fitting(shape: tuple[int, ...], items: list[Any]) -> None:
    """Raise IndexError, which says what is wrong, unless items are valid for this shape."""
    used, dim = sum(map(_dims_of, items)), 0
    if used > len(shape):
        raise IndexError(f"getitem: {used} indices for shape {shape}")
    if sum(item is Ellipsis for item in items) > 1:
        raise IndexError(f"getitem: more than one Ellipsis, for shape {shape}")
    lengths = []  # of the arrays, as broadcasting sees them
    for item in items:
        own = shape[dim : dim + _dims_of(item)]
        if isinstance(item, np.ndarray) and item.dtype == np.bool_:
            if item.shape != own:
                raise IndexError(
                    f"getitem: a mask of shape {item.shape} for dims {own} of shape {shape}"
                )
            lengths.append((np.count_nonzero(item),))
        elif isinstance(item, int | np.ndarray):
            ids = np.asarray(item)
            if (wrong := ids[(ids < -own[0]) | (ids >= own[0])]).size:
                raise IndexError(
                    f"getitem: {wrong[0]} is out of range for dim {dim} of shape {shape}"
                )
            lengths += [ids.shape] if ids.ndim else []
        dim += len(shape) - used if item is Ellipsis else len(own)
    try:
        np.broadcast_shapes(*lengths)
    except ValueError:
        several = " and ".join(map(str, lengths))
        raise IndexError(
            f"getitem: indices of shapes {several} do not broadcast, for shape {shape}"
        ) from None


def _require_indices(name: str, index: Any, size: int) -> None:
    _require_integers(name, index)
    indices(name, index, size, "index")


def _require_integers(name: str, index: Any) -> None:
    if not isinstance(index, np.ndarray):
        raise TypeError(f"{name}: an index must be a tensor, not {type(index).__name__}")
    if index.dtype.kind not in "iu":
        raise TypeError(f"{name}: index must be integers, not {index.dtype}")


def _places(name: str, x: Any, along: int, index: Any) -> Any:
    """The indices in the flattened x of the elements that index names; a 0-d x is a vector here."""
    shape, wanted = np.atleast_1d(x).shape, np.atleast_1d(index)
    _require_indices(name, index, shape[along])
    if not index.size:  # of any shape, as in torch
        return index.reshape(-1)
    fits = all(i == along or n <= shape[i] for i, n in enumerate(wanted.shape[: len(shape)]))
    if wanted.ndim != len(shape) or not fits:
        raise ValueError(f"{name}: index of shape {index.shape} for shape {x.shape}")
    at: list[Any] = list(np.indices(wanted.shape, sparse=True))
    at[along] = wanted
    places = at[0]
    for position, length in zip(at[1:], shape[1:], strict=True):
        places = places * length + position
    return places.reshape(-1)


def _gathered(name: str, x: Any, along: int, index: Any) -> Any:
    places = _places(name, x, along, index)
    return x.reshape(-1).take(places).reshape(index.shape), (
        lambda dout: collected(dout, places, x.shape)
    )


@recorded  # other places take other ways
def summed_rows(values: Any, places: Any, length: int) -> Any:
    """Zeros of length rows, to which the rows of values are added at their places.

    First, all at once, the rows that are the first for their place, then the second ones, and so
    on; what is left after TURNS turns, place by place. A few numbers are added one by one.
    """
    sums = np.zeros((length, *values.shape[1:]), values.dtype)
    if values.size <= FEW:
        width = math.prod(values.shape[1:])
        numbers = np.multiply(places[:, None], width, dtype=np.intp) + np.arange(width)
        np.add.at(sums.reshape(-1), numbers.reshape(-1), values.reshape(-1))
        return sums
    order = np.argsort(places, kind="stable")
    starts = _starts(places[order])
    counts = np.diff(starts, append=places.size)
    turns = np.arange(places.size) - np.repeat(starts, counts)
    late = order[turns >= TURNS]
    order = order[np.argsort(turns, kind="stable")]
    at, rows = places[order], values[order]
    ends = np.cumsum(np.bincount(turns))[:TURNS].tolist()
    sums[at[: ends[0]]] = rows[: ends[0]]
    for those in itertools.starmap(slice, itertools.pairwise(ends)):
        sums[at[those]] += rows[those]
    if late.size:
        starts = _starts(places[late])
        sums[places[late[starts]]] += np.add.reduceat(values[late], starts)
    return sums


def _starts(ordered: Any) -> Any:
    """The index in places, which are in order, at which each distinct one begins."""
    return np.flatnonzero(np.diff(ordered, prepend=-1))


def _part(name: str, x: Any, index: Any, src: Any) -> Any:
    """The part of src that index covers."""
    same(name, x, src)
    wanted, source = np.atleast_1d(index), np.atleast_1d(src)
    if not index.size:
        return source[:0].reshape(index.shape)
    if wanted.ndim != source.ndim or any(np.greater(wanted.shape, source.shape)):
        raise ValueError(f"{name}: index of shape {index.shape} for src of shape {src.shape}")
    return source[tuple(map(slice, wanted.shape))]


def _taken_back(dout: Any, places: Any, index: Any, src: Any) -> Any:
    """The gradient of src, part of which was put at places."""
    taken = dout.take(places).reshape(index.shape)
    if index.shape == src.shape:
        return taken
    dsrc = np.zeros_like(src)
    if index.size:
        np.atleast_1d(dsrc)[tuple(map(slice, np.atleast_1d(index).shape))] = taken
    return dsrc


def _order(x: Any, along: int, descending: bool) -> Any:
    """The indices that sort x along a dim; equals keep their order, and NaN is the largest."""
    if not descending:
        return np.argsort(x, axis=along, kind="stable")
    backwards = np.argsort(np.flip(x, along), axis=along, kind="stable")
    return x.shape[along] - 1 - np.flip(backwards, along)


@recorded  # equal elements take another way
def _first_in_order(rows: Any, k: int, descending: bool) -> Any:
    """The first k indices of _order along the last dim. (..., n) -> (..., k)

    Sorts only the elements up to the kth, unless others equal it or it is NaN, which NumPy puts
    last, as the largest, but no comparison finds.
    """
    n = rows.shape[-1]
    if 0 < k < n:
        kth = n - k if descending else k - 1
        bound = np.partition(rows, kth)[..., kth, None]
        among = ~(rows < bound) if descending else rows <= bound
        if (among.sum(axis=-1) == k).all():
            indices = np.nonzero(among)[-1].reshape(*rows.shape[:-1], k)
            order = _order(np.take_along_axis(rows, indices, -1), -1, descending)
            return np.take_along_axis(indices, order, -1)
    return _order(rows, -1, descending)[..., :k].copy()  # laid out as above


def _ranked(x: Any, order: Any, along: int) -> Any:
    """The elements of x at the indices order, and order itself; both 0-d if x is."""
    shape = order.shape if x.ndim else ()

    def pullback(dout):
        dx = np.zeros_like(np.atleast_1d(x))
        np.put_along_axis(dx, order, dout, along)
        return dx

    values = np.take_along_axis(np.atleast_1d(x), order, along)
    return Found(values.reshape(shape), order.reshape(shape)), pullback
