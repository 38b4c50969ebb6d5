"""A caching allocator: freed blocks are kept, and handed out again without asking the driver.

Sizes are rounded up to classes, four to each power of two, so that a freed block fits what is
wanted next. Blocks of small classes are cut from segments of 2 MiB; a large block is a segment of
its own. Blocks are never split or merged, which bounds fragmentation.

A block belongs to the stream on which it was allocated. When it is freed, that stream may use it at
once, because what is launched there runs after what used it; no other stream ever gets it. If
another stream has used it too (see `record`), it is held back until that stream has done what it
had to do at that moment.
"""

from __future__ import annotations

import functools
import gc
import threading
from dataclasses import dataclass, field
from typing import Any, Protocol

SMALL = 1 << 20  # bytes: blocks up to here are cut from segments
SEGMENT = 2 << 20
SMALLEST = 512
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


class OutOfMemoryError(RuntimeError):
    """The device has no room for an array, even after the cache was given back."""


class Source(Protocol):
    """Where memory comes from, in segments, and how streams tell how far they are."""

    stream: int  # the current one

    def reserve(self, size: int) -> Any:
        """A segment of so many bytes, or MemoryError."""

    def release(self, memory: Any) -> None: ...

    def total_memory(self) -> int: ...

    def record_event(self, stream: int) -> Any:
        """An event that is over when all is done that the stream has to do by now."""

    def event_is_over(self, event: Any) -> bool: ...

    def synchronize(self) -> None:
        """Wait until all is done that any stream has to do."""


@dataclass(eq=False, slots=True)
class Segment:
    """Memory of the source, which blocks of one class share."""

    memory: Any
    size: int
    blocks: int
    free: int = 0


@dataclass(eq=False, slots=True)
class Block:
    """size bytes of a segment from offset on, of which an array asked for wanted."""

    segment: Segment
    offset: int
    size: int
    stream: int
    pool: Pool
    wanted: int = 0
    users: set[int] = field(default_factory=set)  # other streams that have used it


class Pool:
    """The free blocks of one owner: a captured graph, or everybody else."""

    def __init__(self) -> None:
        self.free: dict[tuple[int, int], list[Block]] = {}
        self.heir: Pool | None = None  # whose the blocks are once the owner is gone


@dataclass
class Statistics:
    """Bytes and counts, now and, where the name says so, at their highest since the last reset."""

    allocated: int = 0  # bytes of blocks that arrays hold
    peak_allocated: int = 0
    requested: int = 0  # the same, before rounding
    reserved: int = 0  # bytes of the source, held by arrays or cached
    peak_reserved: int = 0
    live: int = 0  # blocks that arrays hold
    hits: int = 0  # allocations served from the cache
    misses: int = 0  # and by the source, or from a segment just got there


class Lease:
    """Held by every array that shares a block: with the last of them the block comes back."""

    __slots__ = ("allocator", "block")

    def __init__(self, allocator: Allocator, block: Block) -> None:
        self.allocator = allocator
        self.block = block

    def __del__(self) -> None:
        self.allocator.free(self.block)


class Allocator:
    """Blocks of a source's memory.

    limit: bytes that it may reserve at most; None: as many as there are.
    """

    def __init__(self, source: Source, limit: int | None = None) -> None:
        self.source = source
        self.limit = limit
        self.general = Pool()
        self.statistics = Statistics()
        self._busy: list[tuple[Block, list[Any]]] = []  # free, once these events are over
        # Reentrant: the garbage collector may free an array in the middle of an allocation.
        self._lock = threading.RLock()

    def allocate(self, wanted: int, pool: Pool | None = None) -> Lease:
        """A block for so many bytes, 1 at least; OutOfMemoryError if there is none.

        pool: whose blocks it is taken from; None: those of all who have no pool of their own.
        """
        pool = self.general if pool is None else pool
        with self._lock:
            if self._busy:
                self._collect()
            statistics, size = self.statistics, size_class(wanted)
            key = self.source.stream, size
            cached = pool.free.get(key)
            if cached:
                statistics.hits += 1
            else:
                new = self._reserve(*key, wanted, pool)
                cached = pool.free.setdefault(key, [])
                cached += new
                statistics.misses += 1
            block = cached.pop()
            block.segment.free -= 1
            block.wanted = wanted
            statistics.live += 1
            statistics.requested += wanted
            statistics.allocated += size
            if statistics.allocated > statistics.peak_allocated:
                statistics.peak_allocated = statistics.allocated
        return Lease(self, block)

    def free(self, block: Block) -> None:
        """Take a block back; a Lease calls this."""
        with self._lock:
            statistics = self.statistics
            statistics.live -= 1
            statistics.requested -= block.wanted
            statistics.allocated -= block.size
            if block.users:
                try:
                    events = [self.source.record_event(stream) for stream in block.users]
                except RuntimeError:  # the stream of another package that is gone
                    self.source.synchronize()
                    events = []
                block.users = set()
                self._busy.append((block, events))
            else:
                self._keep(block)

    def record(self, block: Block, stream: int) -> None:
        """Note that a stream uses a block, which may belong to another stream."""
        if stream != block.stream:
            block.users.add(stream)

    def retire(self, pool: Pool) -> None:
        """Give each of a pool's segments back to the source, once no array has a part of it.

        Kept, they would add up from graph to graph, as each begins with segments of its own. Until
        then the general pool has their free blocks.
        """
        with self._lock:
            pool.heir = self.general
            for key in pool.free:
                self._give_back(pool, key)
                self.general.free.setdefault(key, []).extend(pool.free[key])
            pool.free.clear()

    def empty_cache(self) -> None:
        """Give every segment back to the source that no array, and no other pool, has a part of.

        Waits for the streams that still use one.
        """
        with self._lock:
            if self._busy:
                self.source.synchronize()
                self._collect()
            # A graph's pool stays as it is: its blocks are written again with every replay.
            for key in self.general.free:
                self._give_back(self.general, key)

    def reset_peak(self) -> None:
        """Let the peaks begin anew, from what there is now."""
        statistics = self.statistics
        statistics.peak_allocated = statistics.allocated
        statistics.peak_reserved = statistics.reserved

    def _give_back(self, pool: Pool, key: tuple[int, int]) -> None:
        """Give the segments of a class back to the source that no array has a part of."""
        blocks = pool.free[key]
        idle = {id(b.segment): b.segment for b in blocks if b.segment.free == b.segment.blocks}
        pool.free[key] = [block for block in blocks if id(block.segment) not in idle]
        for segment in idle.values():
            self.source.release(segment.memory)
            self.statistics.reserved -= segment.size

    def _keep(self, block: Block) -> None:
        heir, key = block.pool.heir, (block.stream, block.size)
        if heir is not None:
            block.pool = heir
        block.segment.free += 1
        block.pool.free.setdefault(key, []).append(block)
        if heir is not None and block.segment.free == block.segment.blocks:
            self._give_back(heir, key)

    def _collect(self) -> None:
        """Keep the blocks whose other users are done."""
        busy, self._busy = self._busy, []
        for block, events in busy:
            if all(map(self.source.event_is_over, events)):
                self._keep(block)
            else:
                self._busy.append((block, events))

    def _reserve(self, stream: int, size: int, wanted: int, pool: Pool) -> list[Block]:
        """New blocks of a size."""
        length = SEGMENT if size <= SMALL else size
        memory = self._segment(length)
        if memory is None:
            gc.collect()
            self.empty_cache()
            memory = self._segment(length)
        if memory is None:
            raise OutOfMemoryError(self._explain(wanted, length))
        statistics = self.statistics
        statistics.reserved += length
        statistics.peak_reserved = max(statistics.peak_reserved, statistics.reserved)
        count = length // size
        segment = Segment(memory, length, count, count)
        return [Block(segment, i * size, size, stream, pool) for i in reversed(range(count))]

    def _segment(self, length: int) -> Any:
        """Memory of the source, or None."""
        if self.limit is not None and self.statistics.reserved + length > self.limit:
            return None
        try:
            return self.source.reserve(length)
        except MemoryError:
            return None

    def _explain(self, wanted: int, length: int) -> str:
        statistics, limit = self.statistics, self.limit
        total = self.source.total_memory()
        room = f"{readable(total)} in all" if limit is None else f"a limit of {readable(limit)}"
        return (
            f"out of memory: {readable(wanted)} are wanted, and no {readable(length)} can be "
            f"reserved, although the cache was given back: arrays hold "
            f"{readable(statistics.allocated)} of {readable(statistics.reserved)} reserved, with "
            f"{room}; use smaller batches, or delete what is not needed"
        )


@functools.lru_cache(maxsize=4096)
def size_class(wanted: int) -> int:
    """The size of the block for so many bytes: a quarter more at most, from 2 KiB on."""
    step = max(SMALLEST, 1 << max((wanted - 1).bit_length() - 3, 0))
    return -(-wanted // step) * step


def readable(size: int) -> str:
    """A number of bytes, as people read it: 1.50 MiB."""
    power = max(min((size.bit_length() - 1) // 10, len(UNITS) - 1), 0)
    if not power:
        return counted(size, "byte")
    return f"{size / 1024**power:.2f} {UNITS[power]}"


def counted(count: int, what: str, ending: str = "s") -> str:
    """1 byte, 2 bytes."""
    return f"{count} {what}{'' if count == 1 else ending}"
