"""Products of matrices: nearly all of a GPT's arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np

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
    a = x if x.ndim > 1 else x[None, :]  # (..., n, k)
    b = other if other.ndim > 1 else other[:, None]  # (..., k, m)
    broadcast_shapes("matmul", a.shape[:-2], b.shape[:-2])
    product = a @ b  # (..., n, m)
    shape = product.shape
    dropped = tuple(i for i, vector in ((-2, x), (-1, other)) if vector.ndim == 1)

    def dx(dout):
        return dout.reshape(shape) @ _swap(b)

    def dother(dout):
        grad = _swap(a) @ dout.reshape(shape)
        return grad if other.ndim > 1 else grad[..., 0]

    return product.squeeze(dropped), (dx, dother)


@op
def linear(x: Operand, weight: Operand, bias: Operand | None = None) -> Output:
    """x weightᵀ + bias: (..., n_in) -> (..., n_out), weight (n_out, n_in), bias (n_out)."""
    same("linear", x, weight, bias)
    if weight.ndim != 2 or not x.ndim or x.shape[-1] != weight.shape[1]:
        raise ValueError(f"linear: shapes {x.shape} and {weight.shape} do not multiply")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: bias of shape {bias.shape} for weight {weight.shape}")
    n_out, n_in = weight.shape
    rows = x.reshape(-1, n_in) if x.size else np.zeros((int(np.prod(x.shape[:-1])), n_in), x.dtype)
    out = rows @ weight.T  # (rows, n_out)
    if bias is not None:
        out += bias
    return out.reshape(*x.shape[:-1], n_out), (
        lambda dout: (_rows(dout, n_out) @ weight).reshape(x.shape),
        lambda dout: _rows(dout, n_out).T @ rows,
        lambda dout: dout,
    )


def _swap(matrix: Any) -> Any:
    return matrix.swapaxes(-1, -2)


def _rows(dout: Any, n: int) -> Any:
    return dout.reshape(dout.size // n if n else int(np.prod(dout.shape[:-1])), n)
