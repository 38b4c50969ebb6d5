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
    """A vector, and views of it, end to end, in the shapes of the arrays that it was made of."""

    def __init__(self, vector: Array, shapes: tuple[tuple[int, ...], ...]) -> None:
        self.vector, self.shapes = vector, shapes
        places = zip(_places(shapes), shapes, strict=True)
        self.views = [vector[place].reshape(shape) for place, shape in places]

    @classmethod
    def of(cls, arrays: Sequence[Array], known: Joined | None = None) -> Joined:
        """known, if arrays are its very views; else new, with copies of arrays of one dtype."""
        if known is not None and [*map(id, arrays)] == [*map(id, known.views)]:
            return known
        return cls(np.concatenate(arrays, axis=None), tuple(array.shape for array in arrays))


@functools.lru_cache(maxsize=64)
def _places(shapes: tuple[tuple[int, ...], ...]) -> tuple[slice, ...]:
    """Where in the vector the arrays of these shapes are."""
    ends = itertools.accumulate(map(math.prod, shapes), initial=0)
    return tuple(itertools.starmap(slice, itertools.pairwise(ends)))
