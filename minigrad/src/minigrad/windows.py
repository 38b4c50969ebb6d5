"""Windows that slide over images: where they are, and what all of them see at each position."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def positions(
    kernel: Sequence[int], counts: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Yield each position in a window, and the slices that select what all windows have there."""
    for position in itertools.product(*map(range, kernel)):
        steps = zip(position, dilation, counts, stride, strict=True)
        yield position, tuple(slice(i * d, i * d + (n - 1) * s + 1, s) for i, d, n, s in steps)


class Windows:
    """Windows of images (C, N, …) that are padded with zeros.

    pairs: how many zeros before and after each dim. in_line, for a stride of 1: let a window begin
    at every element, as if the images were one long line, so that what all windows see at one
    position is a single piece of it. Windows that run past an end of their image are then
    meaningless: cut() drops them, and spread() fills them with zeros.
    """

    def __init__(
        self,
        shape: Sequence[int],
        kernel: Sequence[int],
        pairs: Sequence[tuple[int, int]],
        strides: Sequence[int],
        dilations: Sequence[int],
        in_line: bool,
    ) -> None:
        self.channels, self.images, *lengths = shape
        ends = list(zip(lengths, pairs, strict=True))
        self.around = [before + length + after for length, (before, after) in ends]
        self.inner: Any = (..., *(slice(b, b + length) for length, (b, _) in ends))
        spans = zip(self.around, kernel, strides, dilations, strict=True)
        self.counts = [(length - (k - 1) * d - 1) // s + 1 for length, k, s, d in spans]
        self.sound: Any = (..., *map(slice, self.counts))
        self.parts = list(positions(kernel, self.counts, strides, dilations))
        self.in_line = in_line
        self.grid = self.around if in_line else self.counts
        self.total = self.images * math.prod(self.grid)  # windows, meaningless ones included
        # The distance in the line from the first position of a window to its last.
        self.beyond = 0
        for length, k, d in zip(self.around, kernel, dilations, strict=True):
            self.beyond = self.beyond * length + (k - 1) * d

    def line(self, dtype: Any) -> Array:
        """Zeros for all images, and for what the last windows see beyond them."""
        size = self.images * math.prod(self.around)
        return np.zeros((self.channels, size + self.beyond), dtype)

    def within(self, line: Array) -> Array:
        """The images in a line, without the zeros around them. -> (C, N, …)"""
        return self._whole(line)[self.inner]

    def pieces(self, line: Array) -> list[Array]:
        """What all windows see at each position: (C, windows), or (C, N, …) if not in_line."""
        if not self.in_line:
            return [self._whole(line)[:, :, *part] for _, part in self.parts]
        shifts = []
        for _, part in self.parts:
            shift = 0
            for length, along in zip(self.around, part, strict=True):
                shift = shift * length + along.start
            shifts.append(shift)
        return [line[:, shift : shift + self.total] for shift in shifts]

    def cut(self, columns: Array) -> Array:
        """Columns, one for each window, without the meaningless ones. -> (..., N, …)"""
        return columns.reshape(*columns.shape[:-1], self.images, *self.grid)[self.sound]

    def spread(self, values: Array) -> Array:
        """The inverse of cut(): meaningless windows become 0. (O, N, …) -> (O, windows)"""
        if self.in_line:
            values, sound = np.zeros((len(values), self.images, *self.grid), values.dtype), values
            values[self.sound] = sound
        return values.reshape(len(values), self.total)

    def _whole(self, line: Array) -> Array:
        size = line.shape[1] - self.beyond
        return line[:, :size].reshape(self.channels, self.images, *self.around)
