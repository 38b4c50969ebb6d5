"""A table of vectors, looked up by integer ids."""

from __future__ import annotations

from .. import arrays
from ..arguments import indices, tensors
from ..engine import Operand, Output, op


@op
def embedding(x: Operand, weight: Operand) -> Output:
    """The rows of weight that the ids x name: (...) int -> (..., n), weight (ids, n).

    For its gradient each row of weight is looked for among all ids: of many rows and many ids it
    takes as long as their product.
    """
    tensors("embedding", weight)
    if weight.ndim != 2:
        raise ValueError(f"embedding: weight must be a matrix, not of shape {weight.shape}")
    size, n = weight.shape
    ids = arrays.flat(indices("embedding", x, size, "id"))

    def dweight(dout):
        dtable = arrays.add_at(arrays.reshape(dout, (1, ids.size, n)), ids, size)
        return arrays.reshape(dtable, (size, n))

    taken = arrays.take(arrays.reshape(weight, (1, size, n)), ids)
    return arrays.reshape(taken, (*x.shape, n)), (None, dweight)
