"""Which memory was written over in place, and when, so that backward() does not take new numbers.

A tensor, its detach(), its views and a part of an optimizer's array share memory. So what is noted
of a write is its place, as addresses, and not the tensor. Whoever writes into an array that a
Tensor may hold calls overwritten. What other packages, and kernels that users launch, write into
memory that they were handed is not seen, unless they call it, too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from . import device
from .device import Array

Place = tuple[int, int]  # the address of the first byte, and that after the last
Write = tuple[int, int, int]  # a place, and the moment at which it was written over

# The order in which nodes were made and memory was written over.
moments = itertools.count()
# When each place was last written over, the latest at the end. Memory that has been freed may stay
# here: an array that a node keeps has had its memory since before the node.
_writes: dict[Place, int] = {}
_latest = -1


def overwritten(*arrays: Array) -> None:
    """Note that arrays have got new numbers, in the memory that they had."""
    note(place_of(array) for array in arrays if array.size)


def note(places: Iterable[Place]) -> None:
    """Note that these places have been written over."""
    global _latest
    for place in places:
        _writes.pop(place, None)
        _writes[place] = _latest = next(moments)


def since(moment: int) -> list[Write]:
    """What has been written over after a moment, the latest first."""
    if _latest < moment:
        return []
    found = []
    for place, when in reversed(list(_writes.items())):
        if when < moment:
            break
        found.append((*place, when))
    return found


def has_changed(array: Array, moment: int, among: Iterable[Write]) -> bool:
    """Whether a write after a moment, among those given, the latest first, went over an array."""
    if not array.size:
        return False
    first, last = place_of(array)
    for start, stop, when in among:
        if when < moment:
            return False
        if start < last and first < stop:
            return True
    return False


def place_of(array: Array) -> Place:
    start = device.executor.address(array)
    return start, start + array.size * array.dtype.itemsize
