"""Products of matrices: every element is one dot product, and one Value."""

from __future__ import annotations

import math
from itertools import cycle

from .. import scalar
from ..arguments import broadcast_shape, floating
from ..lists import Tensor, nest, rows, stretch, values


def matmul(x: Tensor, other: Tensor) -> Tensor:
    """The matrix product, as torch.matmul.

    (..., n, k) and (..., k, m) -> (..., n, m), the leading dims broadcast; (k,) on the left is a
    row, on the right a column, and its dim does not appear in the result.
    """
    (xs, left), (ys, right) = floating("matmul", x), floating("matmul", other)
    if not left or not right or left[-1] != right[-2:][0]:
        raise ValueError(f"matmul: shapes {left} and {right} do not fit")
    kept = left[-2:-1] + (right[-1:] if len(right) > 1 else ())
    left = left if len(left) > 1 else (1, *left)
    right = right if len(right) > 1 else (*right, 1)
    batch = broadcast_shape("matmul", left[:-2], right[:-2])
    n, m = left[-2], right[-1]
    xs = stretch(xs, left, (*batch, *left[-2:]))
    ys = stretch(ys, right, (*batch, *right[-2:]))
    xs_rows = rows(xs, (*batch, *left[-2:]), [len(batch) + 1])
    ys_columns = rows(ys, (*batch, *right[-2:]), [len(batch)])
    products = [
        scalar.dot(xs_rows[b * n + i], ys_columns[b * m + j])
        for b in range(math.prod(batch))
        for i in range(n)
        for j in range(m)
    ]
    return nest(products, (*batch, *kept))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x weightᵀ + bias: (..., n), (m, n), (m,) -> (..., m); with a weight (n,) -> (...)."""
    (xs, shape), (ws, weight_shape) = floating("linear", x), floating("linear", weight)
    if not shape or len(weight_shape) not in (1, 2) or shape[-1] != weight_shape[-1]:
        raise ValueError(f"linear: shapes {shape} and {weight_shape} do not fit")
    out = weight_shape[:-1]
    weights = rows(ws, weight_shape, [len(out)])
    result = [
        scalar.dot(row, weight_row)
        for row in rows(xs, shape, [len(shape) - 1])
        for weight_row in weights
    ]
    if bias is not None:
        biases, bias_shape = values(bias)
        if bias_shape != out:
            raise ValueError(f"linear: shapes {weight_shape} and {bias_shape} of weight and bias")
        result = [scalar.add(product, b) for product, b in zip(result, cycle(biases), strict=False)]
    return nest(result, (*shape[:-1], *out))
