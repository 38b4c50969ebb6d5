"""Products of matrices: every element is one dot product, and one Value."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

from .. import scalar
from ..arguments import alike, broadcast_shape
from ..lists import Tensor, nest, rows, stretch


def matmul(x: Tensor, other: Tensor) -> Tensor:
    """The matrix product, as torch.matmul.

    (..., n, k) and (..., k, m) -> (..., n, m), the leading dims broadcast; (k,) on the left is a
    row, on the right a column, and its dim does not appear in the result. Of ints an int.
    """
    ((xs, left), (ys, right)), integers = alike("matmul", x, other)
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
    dot: Callable[..., Any] = _integer_dot if integers else scalar.dot
    products = [
        dot(xs_rows[b * n + i], ys_columns[b * m + j])
        for b in range(math.prod(batch))
        for i in range(n)
        for j in range(m)
    ]
    return nest(products, (*batch, *kept))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x weightᵀ + bias: (..., n), (m, n), (m,) -> (..., m); of ints an int."""
    given = (x, weight) if bias is None else (x, weight, bias)
    ((xs, shape), (ws, weight_shape), *biases), integers = alike("linear", *given)
    if not shape or len(weight_shape) != 2 or shape[-1] != weight_shape[1]:
        raise ValueError(f"linear: shapes {shape} and {weight_shape} do not fit")
    dot: Callable[..., Any] = _integer_dot if integers else scalar.dot
    add: Callable[..., Any] = operator.add if integers else scalar.add
    weights = rows(ws, weight_shape, [1])
    result = [
        dot(row, weight_row) for row in rows(xs, shape, [len(shape) - 1]) for weight_row in weights
    ]
    for bs, bias_shape in biases:
        if bias_shape != weight_shape[:1]:
            raise ValueError(f"linear: shapes {weight_shape} and {bias_shape} of weight and bias")
        result = list(map(add, result, cycle(bs)))
    return nest(result, (*shape[:-1], weight_shape[0]))


def _integer_dot(xs: Sequence[int], ys: Sequence[int]) -> int:
    return sum(map(operator.mul, xs, ys))
