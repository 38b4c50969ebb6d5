"""Faults of embedding."""

from __future__ import annotations

from typing import Any

import numpy as np

from .catalogue import fault, right


@fault("embedding", "backward", "differences", rule=7)
def loses_repeated_ids(x: Any, weight: Any) -> Any:
    """Assigns gradients where it should add them."""
    value, _ = right.embedding(x, weight)

    def dweight(dout):
        grad = np.zeros_like(weight)
        grad[x] = dout
        return grad

    return value, (None, dweight)


@fault("embedding", "rejects")
def takes_negative_ids_from_the_end(x: Any, weight: Any) -> Any:
    """Counts negative ids from the end, as NumPy's indexing does; torch refuses them."""
    return right.embedding(np.where(x < 0, x + weight.shape[0], x), weight)
