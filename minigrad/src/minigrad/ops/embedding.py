"""A table of vectors, looked up by integer ids."""

from __future__ import annotations

from ..arguments import indices, same
from ..engine import Operand, Output, op
from .indexing import summed_rows


@op
def embedding(x: Operand, weight: Operand) -> Output:
    """The rows of weight that the ids x name: (...) int -> (..., n), weight (ids, n)."""
    same("embedding", weight)
    if weight.ndim != 2:
        raise ValueError(f"embedding: weight must be a matrix, not of shape {weight.shape}")
    indices("embedding", x, weight.shape[0], "id")

    def dweight(dout):
        return summed_rows(dout.reshape(x.size, weight.shape[1]), x.reshape(-1), len(weight))

    return weight.take(x, axis=0), (None, dweight)
