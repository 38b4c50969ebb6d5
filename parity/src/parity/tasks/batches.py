"""Rows of arrays in mini-batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Epochs:
    """Mini-batches of rows; an epoch has each row once, in an order that its number decides.

    arrays: as many rows each. len() is the number of batches in an epoch; its last may be smaller.
    """

    def __init__(self, arrays: Sequence[Array], batch_size: int, seed: int) -> None:
        self._arrays = tuple(arrays)
        self._size = batch_size
        self._seed = seed
        self._epoch = -1  # that of _shuffled
        self._shuffled: tuple[Array, ...] = ()

    def __len__(self) -> int:
        return -(-len(self._arrays[0]) // self._size)

    def batch(self, number: int) -> tuple[Array, ...]:
        """The batch of this number, counted from 0 and on through all epochs."""
        epoch, position = divmod(number, len(self))
        if epoch != self._epoch:
            # All rows are gathered once an epoch: a batch is then a slice.
            order = np.random.default_rng((self._seed, epoch)).permutation(len(self._arrays[0]))
            self._shuffled = tuple(array[order] for array in self._arrays)
            self._epoch = epoch
        start = position * self._size
        return tuple(array[start : start + self._size] for array in self._shuffled)
