"""Many arrays as one vector, so that one pass over it is a pass over all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Joined:
    """A vector, and views of it, end to end, in the shapes of the arrays that it was made of."""

    def __init__(self, vector: Array, shapes: Sequence[tuple[int, ...]]) -> None:
        self.vector, self.shapes, self.views = vector, shapes, list[Array]()
        start = 0
        for shape in shapes:
            end = start + math.prod(shape)
            self.views.append(vector[start:end].reshape(shape))
            start = end

    @classmethod
    def of(cls, arrays: Sequence[Array], known: Joined | None = None) -> Joined:
        """known, if arrays are its very views; else new, with copies of arrays of one dtype."""
        if known is not None and [*map(id, arrays)] == [*map(id, known.views)]:
            return known
        vector = np.concatenate([array.reshape(-1) for array in arrays])
        return cls(vector, [array.shape for array in arrays])
