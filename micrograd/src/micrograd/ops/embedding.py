"""A table of vectors, looked up by integer ids."""

from __future__ import annotations

from ..arguments import ids, in_range
from ..lists import Tensor, nest, operands, rows
from ..rowwise import owned


def embedding(x: Tensor, weight: Tensor) -> Tensor:
    """Row x of weight, for every integer id in x: (...), (n, m) -> (..., m).

    Raises IndexError for an id outside [0, n).
    """
    items, shape = ids("embedding", "ids", x)
    [(weights, weight_shape)], _ = operands("embedding", weight)
    if len(weight_shape) != 2:
        raise ValueError(f"embedding: weight must be a matrix, not of shape {weight_shape}")
    table = rows(weights, weight_shape, [1])
    found = [number for i in items for number in table[in_range("embedding", "id", i, len(table))]]
    return nest(owned(found), (*shape, weight_shape[1]))
