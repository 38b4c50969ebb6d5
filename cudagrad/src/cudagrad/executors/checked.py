"""Device memory and launches under the checker: those of the CPU, and what has been written."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..allocator import Lease
from ..checker import memory
from .emulated import Array, Emulated, Shape


class Checked(Emulated):
    """The executor whose kernels are checked."""

    def array(self, shape: Shape, dtype: Any, lease: Lease) -> Array:
        """An array at the start of a leased block, of which nobody has written anything."""
        array = super().array(shape, dtype, lease)
        memory.forget(array.memory)
        return array

    def upload(self, host: np.ndarray[Any, Any], array: Array) -> None:
        super().upload(host, array)
        memory.remember(array.memory)
