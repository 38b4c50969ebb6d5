"""Memory as it looks from the host of a GPU: shape and dtype, but no elements."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np


@functools.cache
def poison_byte(dtype: np.dtype[Any]) -> int:
    """What fills memory that nobody has written: NaN, an odd number (0x6D6D…), or True."""
    return {"f": 0xFF, "c": 0xFF, "b": 1}.get(dtype.kind, 0x6D)


class DeviceArray:
    """A C-contiguous array that only kernels, to_device and to_host read and write."""

    __slots__ = ("dtype", "kind", "memory", "ndim", "shape", "size")

    def __init__(self, memory: np.ndarray[Any, Any]) -> None:
        self.memory = memory
        self.shape = memory.shape
        self.dtype = memory.dtype
        self.ndim = memory.ndim
        self.size = memory.size
        self.kind = (memory.dtype.char, memory.ndim)  # what a kernel is compiled for

    def reshape(self, shape: tuple[int, ...]) -> DeviceArray:
        """The same elements in another shape, not a copy."""
        return self if shape == self.shape else DeviceArray(self.memory.reshape(shape))

    def __repr__(self) -> str:
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype})"


def empty(shape: tuple[int, ...], dtype: Any) -> DeviceArray:
    """Memory that nobody has written: NaN, or integers that nobody expects."""
    memory = np.empty(shape, dtype)
    memory.ravel().view(np.uint8).fill(poison_byte(memory.dtype))
    return DeviceArray(memory)
