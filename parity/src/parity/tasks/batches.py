"""Shuffled mini-batches of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Epochs:
    """Mini-batches of rows; an epoch has each row once, in an order set by the seed and its number.

    arrays: of equal length. len() is the number of batches in an epoch; the last may be smaller.
    """

    def __init__(self, arrays: Sequence[Array], batch_size: int, seed: int) -> None:
        self._arrays = tuple(arrays)
        self._size = batch_size
        self._seed = seed
        self._epoch = -1  # the epoch that _shuffled belongs to
        self._shuffled: tuple[Array, ...] = ()

    def __len__(self) -> int:
        return -(-len(self._arrays[0]) // self._size)

    def batch(self, number: int) -> tuple[Array, ...]:
        """Batch number n, counted from 0 across epochs."""
        epoch, position = divmod(number, len(self))
        if epoch != self._epoch:
            # Gather all rows once per epoch, so that a batch is just a slice.
            order = np.random.default_rng((self._seed, epoch)).permutation(len(self._arrays[0]))
            self._shuffled = tuple(array[order] for array in self._arrays)
            self._epoch = epoch
        start = position * self._size
        return tuple(array[start : start + self._size] for array in self._shuffled)
