"""Products of matrices: nearly all of a GPT's arithmetic."""

from __future__ import annotations

import math

from .. import arrays
from ..arguments import broadcast_shapes, same
from ..engine import Operand, Output, op


@op
def matmul(x: Operand, other: Operand) -> Output:
    """Matrix product: (..., n, k) @ (..., k, m) -> (..., n, m), the leading dims broadcast.

    A vector on the left is a row, on the right a column, and its dim of length 1 is dropped again.
    """
    same("matmul", x, other)
    if not x.ndim or not other.ndim or x.shape[-1] != other.shape[-2:][0]:
        raise ValueError(f"matmul: shapes {x.shape} and {other.shape} do not multiply")
    a = x if x.ndim > 1 else arrays.reshape(x, (1, *x.shape))  # (..., n, k)
    b = other if other.ndim > 1 else arrays.reshape(other, (*other.shape, 1))  # (..., k, m)
    broadcast_shapes("matmul", a.shape[:-2], b.shape[:-2])
    product = arrays.matmul(a, b)  # (..., n, m)
    shape = product.shape
    dropped = [i for i, vector in ((-2, x), (-1, other)) if vector.ndim == 1]
    kept = tuple(n for i, n in enumerate(shape, -len(shape)) if i not in dropped)

    def dx(dout):
        return arrays.matmul(arrays.reshape(dout, shape), b, b_swapped=True)

    def dother(dout):
        grad = arrays.matmul(a, arrays.reshape(dout, shape), a_swapped=True)
        return grad if other.ndim > 1 else arrays.reshape(grad, grad.shape[:-1])

    return arrays.reshape(product, kept), (dx, dother)


@op
def linear(x: Operand, weight: Operand, bias: Operand | None = None) -> Output:
    """x weightᵀ + bias: (..., n_in) -> (..., n_out), weight (n_out, n_in), bias (n_out)."""
    same("linear", x, weight, bias)
    if weight.ndim != 2 or not x.ndim or x.shape[-1] != weight.shape[1]:
        raise ValueError(f"linear: shapes {x.shape} and {weight.shape} do not multiply")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: bias of shape {bias.shape} for weight {weight.shape}")
    n_out, n_in = weight.shape
    n_rows = math.prod(x.shape[:-1])
    rows = arrays.reshape(x, (n_rows, n_in))
    out = arrays.matmul(rows, weight, b_swapped=True, bias=bias)  # (n_rows, n_out)

    def dx(dout):
        drows = arrays.reshape(dout, (n_rows, n_out))
        return arrays.reshape(arrays.matmul(drows, weight), x.shape)

    def dweight(dout):
        return arrays.matmul(arrays.reshape(dout, (n_rows, n_out)), rows, a_swapped=True)

    return arrays.reshape(out, (*x.shape[:-1], n_out)), (dx, dweight, lambda dout: dout)
