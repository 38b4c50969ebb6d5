"""Arrays as a checked kernel sees them: every element remembers who read and wrote it, and when."""

from __future__ import annotations

import operator
import sys
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..emulator import wide
from .errors import RaceError, UninitializedError
from .names import Thread, cast, now

Array = np.ndarray[Any, Any]
READS, WRITES, CHANGES = "reads", "writes", "atomically changes"


class Access(NamedTuple):
    """What a thread did to an element, and how many barriers had been passed before."""

    thread: Thread
    how: str
    grid: int
    block: int
    warp: int
    where: tuple[str, int]


class Cell:
    """The accesses of one element since it was last written: the latest one of each thread."""

    __slots__ = ("changes", "reads", "writes")

    def __init__(self) -> None:
        self.reads: dict[Thread, Access] = {}
        self.writes: dict[Thread, Access] = {}
        self.changes: dict[Thread, Access] = {}


def ordered(earlier: Access, thread: Thread) -> bool:
    """Whether something makes thread come after an access."""
    other = earlier.thread
    if other is thread or earlier.grid != thread.block.grid.epoch:
        return True
    if other.block is not thread.block:
        return False
    if earlier.block != thread.block.epoch:
        return True
    both = other.bit | thread.bit
    return other.warp is thread.warp and any(
        lanes & both == both for lanes in thread.warp.syncs[earlier.warp :]
    )


# Which bytes of memory have been written, by the number of the array that owns it: of what `forget`
# was told of. Of all other memory everything has been.
_written: dict[int, Array] = {}


def owner(memory: Array) -> Array:
    """The array of whose memory this one is a part."""
    while isinstance(memory.base, np.ndarray):
        memory = memory.base
    return memory


def forget(memory: Array) -> None:
    """From now on nobody has written these elements."""
    root = owner(memory)
    if id(root) not in _written:
        _written[id(root)] = np.ones(root.nbytes, bool)
        weakref.finalize(root, _written.pop, id(root), None)
    _set(memory, False)


def remember(memory: Array) -> None:
    """These elements have been written."""
    if id(owner(memory)) in _written:
        _set(memory, True)


def written(memory: Array) -> Array | None:
    """Which bytes of the owner have been written; None for all."""
    return _written.get(id(owner(memory)))


def _set(memory: Array, value: bool) -> None:
    root = owner(memory)
    start = address(memory) - address(root)
    _written[id(root)][start : start + memory.nbytes] = value


class Tracked:
    """An array, or a part of one, whose elements a kernel reads and writes.

    cells: who reached for which address; None for an array of one thread alone. written: which
    bytes of the owner have been written; None where all have.
    """

    def __init__(
        self, array: Array, name: str, cells: dict[int, Cell] | None, written: Array | None
    ) -> None:
        self.array, self.name, self.cells, self.written = array, name, cells, written
        self.shape, self.size, self.ndim = array.shape, array.size, array.ndim
        self.dtype, self.strides, self.itemsize = array.dtype, array.strides, array.itemsize
        self.start = address(array)
        self.owner_start = address(owner(array))

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: Any) -> Any:
        index = self._index(index)
        if len(index) < self.ndim or any(isinstance(part, slice) for part in index):
            return Tracked(self.array[index], self.name, self.cells, self.written)
        where = self._address(index)
        if self.written is not None and not self.written[self._byte(where)]:
            raise UninitializedError(
                f"{now.thread} reads {self._named(index)} at {place(_where(2))}, "
                "which nobody has written"
            )
        self._meet(where, index, READS)
        return self.array[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        index = self._index(index)
        if len(index) < self.ndim or any(isinstance(part, slice) for part in index):
            part = Tracked(self.array[index], self.name, self.cells, self.written)
            for each in np.ndindex(part.shape):
                part[each] = value[each] if isinstance(value, Tracked) else value
            return
        where = self._address(index)
        self._meet(where, index, WRITES)
        if self.written is not None:
            self.written[self._byte(where)] = True
        self.array[index] = self._fitting(value)

    def atomic(self, index: Any, change: Callable[[Any], Any]) -> Any:
        """Change an element at once; what it was."""
        index = self._index(index)
        where = self._address(index)
        if self.written is not None and not self.written[self._byte(where)]:
            raise UninitializedError(
                f"{now.thread} changes {self._named(index)}, which nobody has written"
            )
        self._meet(where, index, CHANGES, 4)
        old = self.array[index]
        self.array[index] = self._fitting(change(old))
        return old

    def reshape(self, *shape: Any) -> Tracked:
        array = self.array.reshape(*shape)
        return Tracked(array, self.name, self.cells, self.written)

    def _index(self, index: Any) -> tuple[Any, ...]:
        """The index as a tuple, every number of it inside."""
        parts = index if isinstance(index, tuple) else (index,)
        if len(parts) > self.ndim:
            raise IndexError(f"{self.name} has {self.ndim} dims, not {len(parts)}")
        found = []
        for axis, (part, size) in enumerate(zip(parts, self.shape, strict=False)):
            if not isinstance(part, slice):
                part = operator.index(part)
                if not 0 <= part < size:
                    raise IndexError(
                        f"{now.thread}: {self.name} at {place(_where(3))}: "
                        f"index {part} on axis {axis} of size {size}"
                    )
            found.append(part)
        return tuple(found)

    def _address(self, index: tuple[int, ...]) -> int:
        return self.start + sum(map(operator.mul, index, self.strides))

    def _byte(self, where: int) -> int:
        return where - self.owner_start

    def _fitting(self, value: Any) -> Any:
        """A value as an assignment makes it: an integer wraps around, as on a GPU."""
        return cast(self.dtype, value) if self.dtype.kind in "iu" else value

    def _named(self, index: tuple[int, ...]) -> str:
        return f"{self.name}[{', '.join(map(str, index))}]"

    def _meet(self, address: int, index: tuple[int, ...], how: str, depth: int = 3) -> None:
        """Note an access, and raise RaceError if another is in no order with it."""
        if self.cells is None:  # no other thread sees it
            return
        thread, where = now.thread, _where(depth)
        cell = self.cells.get(address)
        if cell is None:
            cell = self.cells[address] = Cell()
        against = [cell.writes]
        if how != CHANGES:
            against.append(cell.changes)
        if how != READS:
            against.append(cell.reads)
        for others in against:
            for other in others.values():
                if not ordered(other, thread):
                    raise RaceError(
                        f"race for {self._named(index)}: {other.thread} {other.how} it at "
                        f"{place(other.where)}, {thread} {how} it at {place(where)}, "
                        "and nothing says which comes first"
                    )
        block = thread.block
        epochs = block.grid.epoch, block.epoch, len(thread.warp.syncs)
        access = Access(thread, how, *epochs, where)
        if how == WRITES:
            cell.reads.clear()
            cell.writes.clear()
            cell.changes.clear()
            cell.writes[thread] = access
        elif how == READS:
            cell.reads[thread] = access
        else:
            cell.changes[thread] = access


def address(array: Array) -> int:
    start: int = array.__array_interface__["data"][0]
    return start


def _where(depth: int) -> tuple[str, int]:
    """The file and line of the kernel, so many calls up, or more: of four accesses at once."""
    frame = sys._getframe(depth)
    while frame.f_code.co_filename == wide.__file__ and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def place(where: tuple[str, int]) -> str:
    return f"{where[0]}:{where[1]}"
