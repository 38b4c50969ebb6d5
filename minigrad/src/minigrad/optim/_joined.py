"""Many arrays as one vector, so that one pass over it is a pass over all of them."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Joined:
    """A vector of several arrays end to end, and views of it in their shapes."""

    def __init__(self, vector: Array, shapes: tuple[tuple[int, ...], ...]) -> None:
        self.vector, self.shapes = vector, shapes
        places = zip(_places(shapes), shapes, strict=True)
        self.views = [vector[place].reshape(shape) for place, shape in places]

    @classmethod
    def of(cls, arrays: Sequence[Array], known: Joined | None = None) -> Joined:
        """known if arrays are its very views; else a new one, with copies, all of one dtype."""
        if known is not None and [*map(id, arrays)] == [*map(id, known.views)]:
            return known
        return cls(np.concatenate(arrays, axis=None), tuple(array.shape for array in arrays))


@functools.lru_cache(maxsize=64)
def _places(shapes: tuple[tuple[int, ...], ...]) -> tuple[slice, ...]:
    """The slices of the vector that hold arrays of these shapes."""
    ends = itertools.accumulate(map(math.prod, shapes), initial=0)
    return tuple(itertools.starmap(slice, itertools.pairwise(ends)))
