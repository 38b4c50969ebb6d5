"""Elements selected by index, written by index, and sorted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import compress
from numbers import Real
from typing import Any, NamedTuple

from .. import scalar
from ..arguments import (
    axis,
    broadcast_shapes,
    cast,
    flag,
    ids,
    in_range,
    no_plain_floats,
    present_axis,
    whole,
)
from ..floats import order
from ..lists import (
    Shape,
    Tensor,
    is_bool,
    kind,
    nest,
    numbers,
    operands,
    partition,
    spans,
    stretch,
    unnest,
    walk,
)
from ..rowwise import owned


class Found(NamedTuple):
    """Elements found along a dim, and their indices: a tuple whose parts also have names."""

    values: Any
    indices: Any


def getitem(x: Tensor, index: Any) -> Tensor:
    """x[index]: ints, slices, None, Ellipsis, lists of ints, masks of bools, and tuples of them.

    As in torch: lists and masks are broadcast together and make one group of dims, which stands
    where they stood if they are adjacent, else in front. Raises IndexError for what lies outside
    or does not match, ValueError for a step that is not positive, TypeError for other indices.
    """
    items, shape = unnest(x, "getitem")
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
    found = [items[start + position] for position in walk(kept)]
    return nest(owned(found) if gathered else found, lengths)


def index_select(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of x at each index along dim; index is a list of ints, or one int."""
    items, shape = unnest(x, "index_select")
    along = axis("index_select", dim, len(shape))
    chosen, index_shape = ids("index_select", "index", index)
    if len(index_shape) > 1 or (not shape and len(chosen) != 1):
        raise ValueError(f"index_select: index of shape {index_shape} for shape {shape}")
    steps = spans(shape or (1,))
    n = len(steps[along])
    steps[along] = [steps[along][in_range("index_select", "index", i, n)] for i in chosen]
    found = owned([items[place] for place in walk(steps)])
    return nest(found, tuple(map(len, steps)) if shape else ())


def gather(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """The elements that index picks along dim, each index in its own place along the other dims.

    For a matrix and dim 1, result[i][j] is x[i][index[i][j]]. index has as many dims as x, and
    none of them, except dim, is longer than x's.
    """
    items, shape = unnest(x, "gather")
    chosen, index_shape = ids("gather", "index", index)
    places = _places("gather", shape, dim, chosen, index_shape)
    return nest(owned([items[place] for place in places]), index_shape)


def scatter(
    x: Tensor, dim: int, index: Tensor, src: Tensor = None, *, value: float | None = None
) -> Tensor:
    """x with the elements of src, or one number, written to the places that gather would read.

    The number may be src or value; otherwise no dim of index is longer than src's. If several
    elements of src go to one place the last one stays, and yet each receives the gradient, as in
    torch. Raises TypeError for a src of another dtype than x's.
    """
    if (src is None) == (value is None):
        raise TypeError("scatter: expected either src or value")
    new = src if value is None else value
    if isinstance(new, Real):
        _, index_shape = unnest(index, "scatter")
        new = cast("scatter", "value", new, kind(unnest(x, "scatter")[0]))
        new = nest([new] * math.prod(index_shape), index_shape)
    items, shape, arrivals = _arrivals("scatter", x, dim, index, new)
    arrived: dict[int, list[Any]] = {}
    for place, item in arrivals:
        arrived.setdefault(place, []).append(item)
    result = list(items)
    for place, row in arrived.items():
        result[place] = scalar.last(row) if kind(row) is float and len(row) > 1 else row[-1]
    return nest(owned(result), shape)


def scatter_add(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """x with the elements of src added to the places that gather would read.

    No dim of index is longer than src's. Raises TypeError for a src of another dtype than x's.
    """
    no_plain_floats("scatter_add", src)
    items, shape, arrivals = _arrivals("scatter_add", x, dim, index, src)
    terms = [[item] for item in items]
    for place, item in arrivals:
        terms[place].append(item)
    sums: dict[type[Any], Callable[..., Any]] = {float: scalar.total, int: sum, bool: any}
    add = sums[kind(items)]
    return nest(owned([row[0] if len(row) == 1 else add(row) for row in terms]), shape)


def take_along_dim(x: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """gather, but the other dims broadcast, and an index may count from the end.

    dim None: as if x and indices were flattened, and then no index may count from the end.
    """
    op = "take_along_dim"
    items, shape = unnest(x, op)
    chosen, index_shape = ids(op, "indices", indices)
    if dim is None:
        shape, index_shape, along = (len(items),), (len(chosen),), 0
    else:
        along = present_axis(op, dim, shape)
        chosen = [i + shape[along] if -shape[along] <= i < 0 else i for i in chosen]
    if len(shape) != len(index_shape):
        raise ValueError(f"{op}: indices of shape {index_shape} for shape {shape}")
    n, count = shape[along], index_shape[along]
    before, after = slice(None, along), slice(along + 1, None)
    others = broadcast_shapes(
        op,
        (*shape[before], 1, *shape[after]),
        (*index_shape[before], 1, *index_shape[after]),
    )
    full, index_full = ((*others[before], m, *others[after]) for m in (n, count))
    items, chosen = stretch(items, shape, full), stretch(chosen, index_shape, index_full)
    places = _places(op, full, along, chosen, index_full)
    return nest(owned([items[place] for place in places]), index_full)


def topk(x: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Found:
    """The pair (k largest elements along dim, their indices), or of the k smallest.

    Always sorted, whatever sorted says; equals keep their order, and nan counts as largest.
    """
    return _ordered("topk", x, dim, largest, whole("topk", "k", k, least=0))


def sort(x: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Found:
    """The pair (elements in order along dim, their indices); nan counts as largest.

    Equals keep their order, whatever stable says.
    """
    return _ordered("sort", x, dim, descending)


def argsort(x: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
    """The indices that sort x along dim, as sort returns them."""
    return _ordered("argsort", x, dim, descending)[1]


def one_hot(x: Tensor, num_classes: int = -1) -> Tensor:
    """For every int in x, num_classes zeros, but a 1 at that index; -1 means max(x) + 1 classes.

    Raises IndexError for an int outside [0, num_classes).
    """
    items, shape = ids("one_hot", "x", x)
    if whole("one_hot", "num_classes", num_classes, least=-1) == -1:
        if not items:
            raise ValueError("one_hot: without an index, the number of classes must be given")
        num_classes = max(items) + 1
    elif num_classes == 0:
        raise ValueError("one_hot: num_classes must not be 0")
    hot = [in_range("one_hot", "class", i, num_classes) for i in items]
    return nest([int(j == i) for i in hot for j in range(num_classes)], (*shape, num_classes))


def _places(op: str, shape: Shape, dim: int, index: Sequence[int], index_shape: Shape) -> list[int]:
    """The positions in x's flat items that gather reads for these indices."""
    along = axis(op, dim, len(shape))
    steps = spans(shape or (1,))
    line, steps[along] = steps[along], [0] * len(index)  # along dim an index may be of any length
    starts = _front(op, "index", index_shape, steps, shape) if index else []
    return [
        start + line[in_range(op, "index", i, len(line))]
        for start, i in zip(starts, index, strict=True)
    ]


def _front(
    op: str, name: str, part: Shape, steps: Sequence[Sequence[int]], shape: Shape
) -> list[int]:
    """The positions of the first part[d] elements along each dim d of a tensor with these steps."""
    lengths = part or (1,)
    fits = len(lengths) == len(steps) and all(
        n <= len(offsets) for n, offsets in zip(lengths, steps, strict=True)
    )
    if not fits:
        raise ValueError(f"{op}: {name} of shape {part} for shape {shape}")
    return walk(offsets[:n] for n, offsets in zip(lengths, steps, strict=True))


def _arrivals(
    op: str, x: Tensor, dim: int, index: Tensor, src: Tensor
) -> tuple[list[Any], Shape, list[tuple[int, Any]]]:
    """The items of x, its shape, and pairs of a position in x and the element of src for it."""
    chosen, index_shape = ids(op, "index", index)
    kinds = [kind(items) for items in (unnest(x, op)[0], unnest(src, op)[0]) if items]
    if len(set(kinds)) > 1:
        raise TypeError(f"{op}: src must be of x's dtype")
    [(items, shape), (given, src_shape)], _ = operands(op, x, src)
    places = _places(op, shape, dim, chosen, index_shape)
    front = _front(op, "index", index_shape, spans(src_shape or (1,)), src_shape) if chosen else []
    arriving = [given[position] for position in front]
    return list(items), shape, list(zip(places, arriving, strict=True))


def _ordered(op: str, x: Tensor, dim: int, descending: bool, k: int | None = None) -> Found:
    """The first k elements of each row along dim, once sorted, and their indices."""
    flag(op, "descending" if k is None else "largest", descending)
    [(items, shape)], _ = operands(op, x)
    [(plain, _)] = numbers(op, x)
    along = axis(op, dim, len(shape))
    n = shape[along] if shape else 1
    k = n if k is None else k
    if k > n:
        raise ValueError(f"{op}: no {k} elements along dim {dim} of shape {shape}")
    dims, cut = ([along], (*shape[:along], k, *shape[along + 1 :])) if shape else ([], shape)
    starts, offsets = partition(shape, dims)
    new_starts, new_offsets = partition(cut, dims)
    values, indices = [None] * math.prod(cut), [0] * math.prod(cut)
    for start, new_start in zip(starts, new_starts, strict=True):
        found = order([plain[start + offset] for offset in offsets], descending)
        for i, new_offset in zip(found, new_offsets, strict=False):
            values[new_start + new_offset] = items[start + offsets[i]]
            indices[new_start + new_offset] = i
    return Found(nest(owned(values), cut), nest(indices, cut))


def _entries(index: Any, shape: Shape) -> list[Any]:
    """The entries of index, with full slices in place of Ellipsis or, without one, at the end."""
    entries = list(index) if isinstance(index, tuple) else [index]
    missing = len(shape) - sum(map(_consumed, entries))
    if missing < 0:
        raise IndexError(f"getitem: too many indices for shape {shape}")
    gaps = [i for i, entry in enumerate(entries) if entry is Ellipsis]
    if len(gaps) > 1:
        raise IndexError(f"getitem: more than one Ellipsis, for shape {shape}")
    gap = gaps[0] if gaps else len(entries)
    return [*entries[:gap], *[slice(None)] * missing, *entries[gap + 1 :]]


def _consumed(entry: Any) -> int:
    """How many dims of x an entry uses up: a mask as many as it has, None none."""
    if entry is None or entry is Ellipsis:
        return 0
    if isinstance(entry, list | bool):
        items, shape = unnest(entry, "getitem")
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
    """The offsets that a list of ints picks from one dim, or a mask from as many as it has."""
    items, own = unnest(entry, "getitem")
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
        shape = broadcast_shapes("getitem", *(own for _, own in gathered))
    except ValueError as error:
        raise IndexError(str(error)) from None
    columns = [stretch(offsets, own, shape) for offsets, own in gathered]
    return [sum(column) for column in zip(*columns, strict=True)], shape
