"""A table of vectors, looked up by integer ids."""

from __future__ import annotations

import numpy as np

from ..arguments import indices, same
from ..engine import Operand, Output, op


@op
def embedding(x: Operand, weight: Operand) -> Output:
    """The rows of weight that the ids x name: (...) int -> (..., n), weight (ids, n)."""
    same("embedding", weight)
    if weight.ndim != 2:
        raise ValueError(f"embedding: weight must be a matrix, not of shape {weight.shape}")
    indices("embedding", x, weight.shape[0], "id")

    def dweight(dout):
        grad = np.zeros_like(weight)
        if x.size:
            # Equal ids side by side, then one sum for each: np.add.at would go one by one.
            order = np.argsort(x, axis=None, kind="stable")
            ids = x.reshape(-1)[order]
            starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
            grad[ids[starts]] = np.add.reduceat(dout.reshape(x.size, -1)[order], starts)
        return grad

    return weight[x], (None, dweight)
