"""Arrays that remember who has accessed which element, and report a race between two threads.

An element remembers its last writer, and the last access of every thread that has read it, or
changed it by an atomic, since. Each new access is compared with all of these. That is enough: what
a thread did before its last access, and what came before the last write, was either ordered before
them or has been reported. So of the accesses that a launch makes no race is missed, and every
reported race is one.

Where elements of several sizes overlap, because memory is looked at as one dtype and as another,
each byte remembers that much for itself.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ..emulator import refusals
from ..emulator.array import DeviceArray
from ..emulator.array import empty as poisoned
from ..emulator.errors import UnsupportedError
from .errors import RaceError, UninitializedError
from .numbers import kind_of, reduced
from .places import Place
from .threads import Block, Thread, joined, now

Memory = np.ndarray[Any, Any]
WRITTEN = {size: b"\1" * size for size in (1, 2, 4, 8, 16)}
INTEGERS = (np.integer, int)
READ, WRITE, ATOMIC = "reads", "writes", "atomically changes"
CONSTANT = "constant"  # the kind of memory of arrays from around a kernel
SAFE = ("local", CONSTANT)  # from races


class Access(NamedTuple):
    """What a thread did, and when: in which epoch of its block, in which step of its own."""

    thread: Thread
    epoch: int
    step: int
    place: Place
    verb: str


class Cell:
    """What an element remembers; size: its bytes."""

    __slots__ = ("atomics", "reads", "released", "size", "write")

    def __init__(self, size: int) -> None:
        self.size = size
        self.write: Access | None = None
        self.reads: dict[Thread, Access] = {}
        self.atomics: dict[Thread, Access] = {}
        # What those knew that an atomic let go, by the block that may know it; None: everybody.
        self.released: dict[Block | None, dict[Any, int]] | None = None

    def of_byte(self) -> Cell:
        """What one of its bytes remembers, from now on for itself."""
        byte = Cell(1)
        byte.write, byte.released = self.write, self.released
        byte.reads, byte.atomics = dict(self.reads), dict(self.atomics)
        return byte


class Storage:
    """Memory that arrays are views of; elements go by their offsets in bytes."""

    __slots__ = ("cells", "coming", "kind", "sizes", "written")

    def __init__(self, kind: str, written: bytearray | None = None) -> None:
        self.kind = kind  # global, shared, dynamic shared, local or constant
        self.written = written  # which bytes have been; None: all
        self.cells: dict[int, Cell] = {}
        self.sizes: set[int] = set()  # of all elements that have been accessed
        self.coming: dict[int, Place] = {}  # to which bytes a copy is on its way, by its call

    def at(self, offset: int, size: int) -> Sequence[Cell]:
        """The cell of an element; those of its bytes, where it overlaps with others."""
        cell = self.cells.get(offset)
        if cell is not None and cell.size == size:
            return (cell,)
        self.sizes.add(size)
        if len(self.sizes) > 1:
            before = range(offset + 1 - max(self.sizes), offset)
            around = [at for at in (*before, *range(offset, offset + size)) if at in self.cells]
            over = [at for at in around if at + self.cells[at].size > offset]
            for at in over:
                cell = self.cells[at]
                self.cells |= {at + k: cell.of_byte() for k in range(cell.size)}
            if over:
                places = range(offset, offset + size)
                return [self.cells.setdefault(at, Cell(1)) for at in places]
        cell = self.cells[offset] = Cell(size)
        return (cell,)


# Which bytes of memory have been written, by the number of the array that owns it: of what `forget`
# was told of. Of all other memory everything has been.
_written: dict[int, bytearray] = {}


def owner(memory: Memory) -> Memory:
    """The array of whose memory this one is a part."""
    while isinstance(memory.base, np.ndarray):
        memory = memory.base
    return memory


def written(memory: Memory) -> bytearray | None:
    """Which bytes of an owner's memory have been written; None for all."""
    return _written.get(id(memory))


def forget(memory: Memory) -> None:
    """From now on nobody has written these elements."""
    root = owner(memory)
    if id(root) not in _written:
        _written[id(root)] = bytearray(b"\1" * root.nbytes)
        weakref.finalize(root, _written.pop, id(root), None)
    _mark(memory, b"\0")


def remember(memory: Memory) -> None:
    """These elements have been written."""
    if id(owner(memory)) in _written:
        _mark(memory, b"\1")


def _mark(memory: Memory, byte: bytes) -> None:
    root = owner(memory)
    start = address(memory) - address(root)
    _written[id(root)][start : start + memory.nbytes] = byte * memory.nbytes


def empty(shape: int | tuple[int, ...], dtype: Any) -> DeviceArray:
    """An array that nobody has written, for a kernel that is checked: to read it is an error."""
    array = poisoned((shape,) if isinstance(shape, int) else shape, dtype)
    forget(array.memory)
    return array


def unwritten(name: str, kind: str, shape: tuple[int, ...], dtype: Any) -> Array:
    """A new array in shared or local memory."""
    memory = poisoned(shape, dtype).memory
    return Array(name, memory, Storage(kind, bytearray(memory.nbytes)))


class Array:
    """An array as a kernel sees it; load and store look into it.

    whole: of which it is a view, in whose terms messages name its elements.
    """

    __slots__ = ("memory", "name", "of_records", "sizes", "start", "steps", "storage", "whole")

    def __init__(
        self,
        name: str,
        memory: Memory,
        storage: Storage,
        start: int = 0,
        whole: Array | None = None,
    ) -> None:
        self.name = name
        self.whole = whole or self
        self.memory = memory
        self.storage = storage
        self.start = start  # the offset of its first element
        self.sizes = memory.shape
        self.steps = memory.strides
        self.of_records = memory.dtype.names is not None

    shape = property(lambda self: tuple(map(np.int64, self.sizes)))
    strides = property(lambda self: tuple(map(np.int64, self.steps)))
    size = property(lambda self: np.int64(self.memory.size))
    ndim = property(lambda self: np.int64(self.memory.ndim))
    itemsize = property(lambda self: np.int64(self.memory.itemsize))
    nbytes = property(lambda self: np.int64(self.memory.nbytes))
    dtype = property(lambda self: self.memory.dtype)
    T = property(lambda self: self.part(self.memory.T))

    def __len__(self) -> int:
        return self.sizes[0]

    def reshape(self, *shape: Any) -> Array:
        made = self.memory.reshape(*shape)
        if made.size and not np.may_share_memory(made, self.memory):
            raise UnsupportedError(
                f"{now.kernel}: .reshape of {self.name}, whose elements do not lie one behind the "
                f"other, makes a new array, for which a kernel has no memory; {now.thread}"
            )
        return self.part(made)

    def transpose(self) -> Array:
        return self.part(self.memory.T)

    def view(self, dtype: Any) -> Array:
        return self.part(self.memory.view(dtype))

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in (self.memory.dtype.names or ()):
            raise UnsupportedError(
                f"{now.kernel}: the checker knows no .{name} of records such as {self.name}: "
                f"say {self.name}[{name!r}]; {now.thread}"
            )
        on_gpu = name in refusals.ATTRIBUTES
        who = "the checker knows" if on_gpu else "numba knows, on a GPU,"
        raise UnsupportedError(
            f"{now.kernel}: {who} no .{name} of arrays such as {self.name}: "
            f"a kernel goes over the elements one by one; {now.thread}"
        )

    def __iter__(self) -> NoReturn:
        raise UnsupportedError(
            f"{now.kernel}: of arrays such as {self.name} only a loop goes over the elements, "
            f"with enumerate or zip, too; {now.thread}"
        )

    def part(self, memory: Memory) -> Array:
        """A view of some of the elements."""
        start = self.start + address(memory) - address(self.memory)
        whole = self.whole if memory.dtype == self.memory.dtype else None
        return Array(self.name, memory, self.storage, start, whole)

    def field(self, name: str, place: Place) -> Array:
        """A field of a record, or of all of them."""
        if name not in (self.memory.dtype.names or ()):
            why = f"{self.name} has no field {name!r}"
            raise refused(place, why)
        found = self.part(self.memory[name])
        found.name = f"{self.name}[{name!r}]"
        return found

    def record(self, index: Any, offset: int) -> Array:
        """A record of an array of such, which is accessed field by field."""
        parts = index if type(index) is tuple else (index,)
        found = self.part(self.memory[(*parts, ...)])
        found.name = where(self, offset)
        return found

    def find(self, index: Any, place: Place) -> int | None:
        """The offset of an element; None if the index is of several."""
        if type(index) is not tuple:
            index = (index,)
        if len(index) > len(self.sizes):
            raise IndexError(
                f"{now.kernel}: {place}: {len(index)} indices into {self.name}, of ndim "
                f"{len(self.sizes)}"
            )
        offset, is_one = self.start, len(index) == len(self.sizes)
        for axis, i in enumerate(index):
            if type(i) is slice:
                is_one = False
                continue
            size = self.sizes[axis]
            if type(i) is bool or not isinstance(i, INTEGERS):
                why = refusals.why_no_index(kind_of(i))
                raise refused(place, why)
            # A number of Python's stands in the source: it may count from the end.
            at = i + size if type(i) is int and i < 0 else int(i)
            if not 0 <= at < size:
                raise IndexError(
                    f"{now.kernel}: {place}: index {i} on axis {axis} of size {size} of "
                    f"{self.name}, in {self.storage.kind} memory; {now.thread}"
                )
            offset += at * self.steps[axis]
        return offset if is_one else None


def address(memory: Memory) -> int:
    return int(memory.__array_interface__["data"][0])


def load(array: Any, index: Any, place: Place) -> Any:
    """array[index], in a kernel."""
    if type(array) is not Array:
        if type(array) is not tuple:
            raise no_elements(array, place)
        return array[index]
    if type(index) is str:
        array, index = array.field(index, place), ()
    offset = array.find(index, place)
    if offset is None:
        return array.part(array.memory[index])
    if array.of_records:
        return array.record(index, offset)
    storage, size = array.storage, array.memory.itemsize
    if storage.written is not None and storage.written.find(0, offset, offset + size) >= 0:
        not_written(array, offset, place)
    if storage.kind not in SAFE:
        thread = now.thread
        access = Access(thread, thread.block.epoch, thread.step, place, READ)
        for cell in storage.at(offset, size):
            write = cell.write
            if write is not None and write.thread is not thread and not ordered(write, thread):
                race(array, offset, access, write)
            if cell.atomics:
                compare(array, offset, access, cell.atomics)
            cell.reads[thread] = access
    return array.memory[index]


def no_elements(value: Any, place: Place) -> TypeError:
    return TypeError(f"{now.kernel}: {place}: a {kind_of(value)} has no elements; {now.thread}")


def refused(place: Place, why: str) -> UnsupportedError:
    """The error of what a kernel cannot do with an array."""
    return UnsupportedError(f"{now.kernel}: {place}: {why}; {now.thread}")


def elements(values: Any, place: Place) -> Any:
    """What a loop goes over: of an array its elements, or rows, loaded one after the other."""
    if type(values) is not Array:
        return values
    return (load(values, np.int64(i), place) for i in range(len(values)))


def call_method(name: str, array: Any, place: Place, *args: Any) -> Any:
    """What a method makes of all elements: a number, or nothing if it is fill."""
    if type(array) is not Array:
        return getattr(array, name)(*args)
    fills = name == "fill"
    if len(args) != fills:
        why = "takes a number" if fills else "makes a new array, for which a kernel has no memory"
        raise refused(place, f".{name} {why}")
    for at in np.ndindex(array.memory.shape):
        index = tuple(map(np.int64, at))
        if fills:
            store(args[0], array, index, place)
        else:
            load(array, index, place)
    return None if fills else reduced(name, array.memory)


def type_of(array: Any, index: Any) -> Any:
    """The type of array[index], which is not read; numba does not read it, either."""
    return array.memory.dtype.type if type(array) is Array else type(array[index])


def store(value: Any, array: Any, index: Any, place: Place) -> None:
    """array[index] = value, in a kernel."""
    if type(array) is not Array:
        raise no_elements(array, place)
    if type(index) is str:
        array, index = array.field(index, place), ()
    if array.of_records:
        why = "a record is stored field by field"
        raise refused(place, why)
    offset = array.find(index, place)
    if offset is None:
        store_slice(value, array, index, place)
        return
    kind = array.memory.dtype.type
    if type(value) is not kind:
        value = converted(value, array, place)
    note_write(array, offset, place)
    array.memory[index] = value


def converted(value: Any, array: Array, place: Place) -> Any:
    """A number as an element of an array; NumPy itself refuses one that is too large."""
    dtype, is_number = array.memory.dtype, isinstance(value, bool | np.generic)
    is_complex = isinstance(value, np.complexfloating) and dtype.kind != "c"
    if is_complex or not is_number:
        instead = ": say .real" if is_complex else ""
        why = f"numba knows no setitem({dtype} array, {kind_of(value)}){instead}"
        raise refused(place, why)
    return dtype.type(value)


def note_write(array: Array, offset: int, place: Place) -> None:
    """Note that the thread at hand writes an element."""
    storage, size = array.storage, array.memory.itemsize
    if storage.kind == CONSTANT:
        raise UnsupportedError(f"{now.kernel}: {place}: {array.name} {refusals.CONSTANT}")
    for at in range(offset, offset + size) if storage.coming else ():
        if at in storage.coming:
            raise RaceError(
                f"{now.kernel}: race for {where(array, offset)}, in {storage.kind} memory: "
                f"a copy is on its way there, {storage.coming[at]}, and {now.thread} writes it, "
                f"{place}; nothing says which comes first"
            )
    if storage.written is not None:
        storage.written[offset : offset + size] = WRITTEN[size]
    if storage.kind == "local":
        return
    thread = now.thread
    access = Access(thread, thread.block.epoch, thread.step, place, WRITE)
    for cell in storage.at(offset, size):
        write = cell.write
        if write is not None and write.thread is not thread and not ordered(write, thread):
            race(array, offset, access, write)
        for others in (cell.reads, cell.atomics):
            if others:
                compare(array, offset, access, others)
        cell.write = access
        cell.reads.clear()
        cell.atomics.clear()


def begin_copy(value: Any, array: Array, index: Any, place: Place) -> tuple[Array, int]:
    """Begin to copy a value to an element of shared memory; end_copy() is to be told which it was.

    Until then nobody may read it, or write there: who knows when it comes?
    """
    offset = array.find(index, place)
    assert offset is not None
    note_write(array, offset, place)
    array.memory[index] = value
    storage, size = array.storage, array.memory.itemsize
    assert storage.written is not None
    storage.written[offset : offset + size] = bytes(size)
    storage.coming |= dict.fromkeys(range(offset, offset + size), place)
    return array, offset


def end_copy(array: Array, offset: int) -> None:
    """A copy is there, for the thread that has waited for it: as if this wrote it just now."""
    coming, size = array.storage.coming, array.memory.itemsize
    (place,) = {coming.pop(at) for at in range(offset, offset + size)}
    note_write(array, offset, place)


def store_slice(value: Any, array: Array, index: Any, place: Place) -> None:
    """array[index] = value, where that is more than one element."""
    if type(value) is Array:
        raise refused(place, refusals.BY_ELEMENTS)
    part = array.part(array.memory[index])
    for at in np.ndindex(part.memory.shape):
        store(value, part, tuple(map(np.int64, at)), place)


@contextlib.contextmanager
def changing(array: Array, index: Any, place: Place) -> Iterator[None]:
    """Around an atomic operation on array[index]."""
    offset = array.find(index, place)
    if offset is None:
        raise IndexError(f"{now.kernel}: {place}: an atomic changes one element")
    storage = array.storage
    if storage.kind == CONSTANT:
        raise UnsupportedError(f"{now.kernel}: {place}: {array.name} {refusals.CONSTANT}")
    size = array.memory.itemsize
    if storage.written is not None and storage.written.find(0, offset, offset + size) >= 0:
        not_written(array, offset, place)
    thread = now.thread
    access = Access(thread, thread.block.epoch, thread.step, place, ATOMIC)
    for cell in storage.at(offset, size):
        if cell.write is not None and not ordered(cell.write, thread):
            race(array, offset, access, cell.write)
        if cell.reads:
            compare(array, offset, access, cell.reads)
        cell.atomics[thread] = access
        if thread.fenced:
            old = cell.released or {}
            new = {who: joined(old.get(who), known) for who, known in thread.fenced.items()}
            cell.released = old | new
        if cell.released:
            for_all, for_block = map(cell.released.get, (None, thread.block))
            thread.known = joined(thread.known, for_all, for_block)
    yield


def ordered(access: Access, thread: Thread) -> bool:
    """Whether a thread comes after another's access for certain."""
    other = access.thread
    if other is thread:
        return True
    if other.block is thread.block and access.epoch != thread.block.epoch:
        return True
    known = thread.known
    if not known:
        return False
    return known.get(other, 0) > access.step or known.get(other.block, 0) > access.epoch


def compare(array: Array, offset: int, access: Access, others: dict[Thread, Access]) -> None:
    for other in others.values():
        if not ordered(other, access.thread):
            race(array, offset, access, other)


def race(array: Array, offset: int, second: Access, first: Access) -> NoReturn:
    raise RaceError(
        f"{now.kernel}: race for {where(array, offset)}, in {array.storage.kind} memory: "
        f"{first.thread} {first.verb} it, {first.place}, and {second.thread} {second.verb} it, "
        f"{second.place}; nothing says which comes first"
    )


def not_written(array: Array, offset: int, place: Place) -> NoReturn:
    coming = (array.storage.coming.get(offset + k) for k in range(array.memory.itemsize))
    copy = next(filter(None, coming), None)
    why = f"the copy to it has not been waited for, {copy}" if copy else "nobody has written it"
    raise UninitializedError(
        f"{now.kernel}: {now.thread} reads {where(array, offset)}, in {array.storage.kind} memory, "
        f"{place}; {why}"
    )


def where(array: Array, offset: int) -> str:
    """An element, as the kernel would write it."""
    array = array.whole
    rest, index = offset - array.start, [0] * len(array.sizes)
    for axis in sorted(range(len(index)), key=lambda axis: -abs(array.steps[axis])):
        if array.steps[axis]:
            index[axis], rest = divmod(rest, array.steps[axis])
    return f"{array.name}[{', '.join(map(str, index))}]" if index else array.name
