"""What x[index] means, worked out on the host: first a strided view, then positions picked from it.

NumPy's advanced indexing as torch reads it: an int, even beside index arrays, first selects.
https://numpy.org/doc/stable/user/basics.indexing.html
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import arrays
from .arrays import BOOL, INT, Array, Shape
from .dtypes import to_device
from .kernels import functions as f


@dataclass
class Place:
    """x[index]: a strided view of x, given by offset, lengths and steps, in which ids pick.

    picked: the dims of the view that index arrays replace, next to each other. ids: positions in
    these dims, flattened to one, in the shape that replaces them; None without index arrays.
    distinct: whether no position appears twice, as is certain of a single mask.
    """

    offset: int = 0
    lengths: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    picked: range = range(0)
    ids: Array = None
    distinct: bool = False

    def is_all_of(self, shape: Shape) -> bool:
        """Whether the view is the whole array, in order."""
        return tuple(self.lengths) == shape and tuple(self.steps) == arrays.strides(shape)

    def around(self) -> tuple[Shape, Shape]:
        """The dims before and behind the picked ones."""
        lengths = tuple(self.lengths)
        return lengths[: self.picked.start], lengths[self.picked.stop :]

    def middle(self) -> tuple[int, int, int]:
        """The shape of the view as (outer, n, inner), n being the picked dims."""
        before, behind = self.around()
        picked = self.lengths[self.picked.start : self.picked.stop]
        return math.prod(before), math.prod(picked), math.prod(behind)


def locate(x: Array, index: tuple[Any, ...]) -> Place:
    """Read an index of ints, slices, None, Ellipsis, lists, integer and bool arrays.

    Raises IndexError for too many or for what is out of range, ValueError for a slice whose step
    is not positive, TypeError for anything else.
    """
    items = [_item(item) for item in index]
    used = sum(_dims_of(item) for item in items)
    if used > x.ndim:
        raise IndexError(f"getitem: {used} indices for shape {x.shape}")
    dots = [i for i, item in enumerate(items) if item is Ellipsis] or [len(items)]
    if len(dots) > 1:
        raise IndexError(f"getitem: more than one Ellipsis, for shape {x.shape}")
    rest = [slice(None)] * (x.ndim - used)
    items = [*items[: dots[0]], *rest, *items[dots[0] + 1 :]]

    place, strides, dim = Place(), arrays.strides(x.shape), 0
    found: list[tuple[list[int], Array]] = []  # dims of the view, and ids for them as one dim
    for item in items:
        if item is None:
            place.lengths.append(1)
            place.steps.append(0)
        elif isinstance(item, int):
            place.offset += _position(item, x.shape, dim) * strides[dim]
        elif isinstance(item, slice):
            start, stop, step = item.indices(x.shape[dim])
            place.offset += start * strides[dim]
            place.lengths.append(len(range(start, stop, step)))
            place.steps.append(step * strides[dim])
        else:
            end, first = dim + _dims_of(item), len(place.lengths)
            place.lengths += x.shape[dim:end] or (1,)  # a lone bool picks from a new dim
            place.steps += strides[dim:end] or (0,)
            ids = _ids(item, x.shape, range(dim, end))
            found.append(([*range(first, len(place.lengths))], ids))
        dim += _dims_of(item)
    if found:
        _pick(place, found)
        place.distinct = [item.dtype for item in items if hasattr(item, "dtype")] == [BOOL]
    return place


def _pick(place: Place, found: list[tuple[list[int], Array]]) -> None:
    """Bring the picked dims side by side, and combine their ids to positions in them as one dim."""
    dims = [dim for own, _ in found for dim in own]
    if dims != list(range(dims[0], dims[0] + len(dims))):  # then they come first in the result
        order = [*dims, *(i for i in range(len(place.lengths)) if i not in dims)]
        place.lengths = [place.lengths[i] for i in order]
        place.steps = [place.steps[i] for i in order]
        dims = list(range(len(dims)))
    place.picked = range(dims[0], dims[-1] + 1)
    try:
        np.broadcast_shapes(*(ids.shape for _, ids in found))
    except ValueError:
        shapes = " and ".join(str(ids.shape) for _, ids in found)
        raise IndexError(f"getitem: indices of shapes {shapes} do not broadcast") from None
    place.ids, at = None, dims[0]
    for own, ids in found:
        size = math.prod(place.lengths[at : at + len(own)])
        place.ids = ids if place.ids is None else arrays.apply(f.multiply_add, place.ids, size, ids)
        at += len(own)


def _item(item: Any) -> Any:
    """item as an int, a slice, None, Ellipsis, an int64 or a bool array."""
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        if item.step is not None and item.step <= 0:
            raise ValueError(f"getitem: a slice needs a positive step, not {item.step}")
        return item
    if isinstance(item, bool | np.bool_):
        return to_device(np.array(item))
    if isinstance(item, int | np.integer):
        return int(item)
    if isinstance(item, list):
        item = to_device(np.asarray(item, None if item else INT))
    if not hasattr(item, "dtype"):
        raise TypeError(f"getitem: {type(item).__name__} is not an index")
    if item.dtype.kind not in "bi":  # torch takes uint8 for a mask, and warns
        raise TypeError(f"getitem: an index tensor must be integers or bool, not {item.dtype}")
    if item.dtype == BOOL:
        return item
    return arrays.cast(item, INT) if item.ndim else int(arrays.item(item))


def _dims_of(item: Any) -> int:
    """How many dims of x an item speaks of."""
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if hasattr(item, "dtype") and item.dtype == BOOL else 1


def _position(index: int, shape: Shape, dim: int) -> int:
    if not -shape[dim] <= index < shape[dim]:
        raise IndexError(f"getitem: {index} is out of range for dim {dim} of shape {shape}")
    return index % shape[dim]


def _ids(item: Array, shape: Shape, dims: range) -> Array:
    """Checked positions in some neighbouring dims of this shape, taken as one."""
    lengths = shape[dims.start : dims.stop]
    if item.dtype == BOOL:
        if item.shape != lengths:
            raise IndexError(
                f"getitem: a mask of shape {item.shape} for dims {lengths} of shape {shape}"
            )
        return arrays.positions(item)
    (size,) = lengths
    ids = arrays.apply(f.from_front, item, size)
    message = f"getitem: an index is out of range for dim {dims.start} of shape {shape}"
    arrays.refuse_outside(ids, size, message)
    return ids
