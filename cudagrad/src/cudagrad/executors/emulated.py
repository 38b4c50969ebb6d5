"""Device memory and launches on the CPU: a call returns when its work is done; nothing waits."""

from __future__ import annotations

import ctypes
import itertools
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dlpack, emulator
from ..allocator import Block, Lease
from ..emulator.array import poison_byte
from ..storage import BFLOAT16

Array = emulator.DeviceArray
Shape = tuple[int, ...]

ALIGNMENT = 256  # bytes, of what a GPU allocates


class Bytes(np.ndarray[Any, Any]):
    """A segment of memory, or a block of it, through which arrays keep the block's lease alive.

    A class of its own, because NumPy makes the base of a view the array that owns the memory, and
    skips plain ndarrays in between.
    """

    lease: Lease | None = None


class Emulated:
    """The executor without a GPU."""

    def __init__(self) -> None:
        self.stream = 0
        self._streams = itertools.count(1)
        self._capsule: Any = None  # the latest of bfloat16

    # Memory

    def reserve(self, size: int) -> Any:
        memory = np.empty(size + ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % ALIGNMENT
        return memory[start : start + size].view(Bytes)

    def release(self, memory: Any) -> None:
        """Nothing to do: memory goes with the last reference to it."""

    def total_memory(self) -> int:
        if sys.platform == "win32":
            return 2**37  # unknown without a call of Windows; its own refusal comes first
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    def array(self, shape: Shape, dtype: np.dtype[Any], lease: Lease) -> Array:
        """An array at the start of a leased block, filled with poison (see poison_byte)."""
        leased = _bytes_of(lease.block)
        leased.lease = lease
        leased.fill(poison_byte(dtype))
        return Array(np.ndarray(shape, dtype, leased))

    def without_memory(self, shape: Shape, dtype: np.dtype[Any]) -> Array:
        """An array without elements."""
        return Array(np.empty(shape, dtype))

    def borrowed(self, array: Array, block: Block) -> Array:
        """The same array, without a hold on its block."""
        memory = block.segment.memory
        offset = self.address(array) - memory.__array_interface__["data"][0]
        return Array(np.ndarray(array.shape, array.dtype, memory, offset))

    def part(self, array: Array, start: int, shape: Shape) -> Array:
        """The elements of a one-dimensional array from start on, in a shape, not a copy."""
        return Array(array.memory[start : start + math.prod(shape)].reshape(shape))

    def lease(self, array: Array) -> Lease | None:
        """That of the block in which an array lies; None for memory of others."""
        base: Any = array.memory
        while isinstance(base, np.ndarray) and not isinstance(base, Bytes):
            base = base.base
        return getattr(base, "lease", None)

    def address(self, array: Array) -> int:
        memory: Any = array.memory
        if array.size:  # three times as fast as NumPy's own answer
            return ctypes.addressof(ctypes.c_char.from_buffer(memory))
        address: int = memory.__array_interface__["data"][0]
        return address

    def upload(self, host: np.ndarray[Any, Any], array: Array) -> None:
        array.memory[...] = host

    def download(self, array: Array) -> np.ndarray[Any, Any]:
        return array.memory.copy()

    # Arrays of other packages

    def interface(self, array: Array) -> dict[str, Any]:
        raise AttributeError("there is no __cuda_array_interface__ without a GPU")

    def device(self) -> tuple[int, int]:
        """The CPU, in DLPack's numbers."""
        return dlpack.CPU, 0

    def capsule(self, array: Array, stream: int | None, max_version: Any = None) -> Any:
        """DLPack's; there is no stream to wait for."""
        if array.dtype == BFLOAT16:  # which NumPy does not know
            place, memory = self.address(array), array.memory
            made = dlpack.capsule(place, array.shape, array.dtype, self.device(), memory)
            # NumPy refuses it: sets an error and drops the capsule, whose destructor is Python code
            # that must not run while an error is set. So it is kept until the next one.
            self._capsule = made
            return made
        return array.memory.__dlpack__(max_version=max_version)

    def from_dlpack(self, x: Any) -> tuple[Array, Any]:
        """The array of an object that gives DLPack's capsule, not a copy, and a tensor's dtype."""
        if tuple(map(int, x.__dlpack_device__())) != self.device():
            raise BufferError(f"the array is not in this memory, but on {x.__dlpack_device__()}")
        found = dlpack.opened(x.__dlpack__())
        dtype = np.dtype(found.dtype)
        if not math.prod(found.shape):
            return Array(np.empty(found.shape, dtype)), found.dtype
        if found.pointer % dtype.itemsize:
            raise BufferError(f"the array does not begin at a multiple of {dtype.itemsize} bytes")
        size = math.prod(found.shape) * dtype.itemsize
        memory = (ctypes.c_char * size).from_address(found.pointer)
        memory.keep = found.keep  # as long as an array has the memory
        return Array(np.frombuffer(memory, dtype).reshape(found.shape)), found.dtype

    def adopt(self, x: Any) -> Array | None:
        """The array of a NumPy array that kernels can have as it is, not a copy; else None."""
        is_plain = type(x) is np.ndarray and x.dtype.isnative
        fits = is_plain and x.flags.c_contiguous and x.flags.aligned and x.flags.writeable
        return Array(x) if fits else None

    # Launches

    def launcher(self, kernel: Any, configuration: Any) -> Callable[..., None]:
        run: Callable[..., None] = kernel[configuration]
        return run

    def graph(self, launches: Sequence[tuple[Callable[..., None], tuple[Any, ...]]]) -> Graph:
        return Graph(launches)

    # Streams and events

    def create_stream(self) -> int:
        return next(self._streams)

    def destroy_stream(self, stream: int) -> None:
        """Nothing to do: a stream is a number."""

    def synchronize(self, stream: int | None = None) -> None:
        """Nothing to do: what was launched is done."""

    def stream_is_done(self, stream: int) -> bool:
        return True

    def wait_for(self, stream: int, event: float) -> None:
        """Nothing to do: what the event stands for is done."""

    def record_event(self, stream: int) -> float:
        """An event: when it was."""
        return time.perf_counter()

    def event_is_over(self, event: float) -> bool:
        return True

    def wait_for_event(self, event: float) -> None:
        """Nothing to do: it is over."""

    def milliseconds(self, start: float, end: float) -> float:
        return (end - start) * 1000


class Graph:
    """Launches, to be made again with the same arguments."""

    def __init__(self, launches: Sequence[tuple[Callable[..., None], tuple[Any, ...]]]) -> None:
        self.launches = list(launches)

    def update(self, index: int, args: tuple[Any, ...]) -> None:
        """Let a launch have other arguments from now on."""
        self.launches[index] = (self.launches[index][0], args)

    def replay(self) -> None:
        for run, args in self.launches:
            run(*args)


def _bytes_of(block: Block) -> Bytes:
    memory: Bytes = block.segment.memory[block.offset : block.offset + block.size]
    return memory
