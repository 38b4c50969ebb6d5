"""Scaled dot-product attention: every query takes a weighted mean of the values."""

from __future__ import annotations

import math
from typing import Any

from .. import arrays
from ..arguments import broadcast_shapes, floats, number, probability, tensors
from ..arrays import BOOL, apply
from ..engine import Operand, Output, op
from ..kernels import functions as f
from ..kernels import softmax as kernels
from .activation import by_row
from .regularization import keep_mask


@op
def scaled_dot_product_attention(
    query: Operand,
    key: Operand,
    value: Operand,
    attn_mask: Operand | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Output:
    """softmax(query keyᵀ · scale + mask) value, over the keys.

    query (..., L, E), key (..., S, E), value (..., S, Ev) -> (..., L, Ev). attn_mask broadcasts
    to (..., L, S): bool, True takes part, or floating, added. scale None: 1/√E. A query that may
    see nothing gets 0. enable_gqa: query (..., H, L, E) may have a multiple of the heads of key and
    value, each of which serves several queries in a row.

    Vaswani et al. 2017, https://arxiv.org/abs/1706.03762
    """
    name = "scaled_dot_product_attention"
    tensors(name, query, key, value)
    floats(name, query, key, value)
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ValueError(f"{name}: query, key and value need at least 2 dims")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"{name}: query {query.shape}, key {key.shape} and value {value.shape} do not fit"
        )
    if enable_gqa:
        n_key, n_value = _queries_per_head(query, key), _queries_per_head(query, value)
        key, value = _repeated(key, n_key), _repeated(value, n_value)
    broadcast_shapes(name, *(a.shape[:-2] for a in (query, key, value)))
    if is_causal and attn_mask is not None:
        raise ValueError(f"{name}: attn_mask and is_causal exclude each other")
    probability(name, dropout_p)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0
    number(name, "scale", scale)

    scaled = apply(f.mul, query, scale)
    scores = arrays.matmul(scaled, key, b_swapped=True)  # (..., L, S)
    shape = scores.shape
    if attn_mask is not None:
        tensors(name, attn_mask)
        if broadcast_shapes(name, shape, attn_mask.shape) != shape:
            raise ValueError(f"{name}: attn_mask {attn_mask.shape} for scores {shape}")
        if attn_mask.dtype == BOOL:
            scores = apply(f.masked, scores, attn_mask)
        else:
            floats(name, query, attn_mask)
            scores = apply(f.add, scores, attn_mask)

    last, rows = len(shape) - 1, (math.prod(shape[:-1]), shape[-1])
    p = arrays.empty(shape, scores.dtype)
    args = arrays.reshape(scores, rows), shape[-2], bool(is_causal), arrays.reshape(p, rows)
    arrays.launch_rows(kernels.attention(p.dtype.type), *rows, *args)
    keep = keep_mask(p, dropout_p) if dropout_p else None
    weights = p if keep is None else apply(f.mul, p, keep)

    def pullback(dout):
        dweights = arrays.matmul(dout, value, b_swapped=True)  # (..., L, S)
        dp = dweights if keep is None else apply(f.mul, dweights, keep)
        dscores = by_row(kernels.softmax_dx, last, p, dp)
        dquery = apply(f.mul, arrays.matmul(dscores, key), scale)
        dkey = arrays.matmul(dscores, scaled, a_swapped=True)
        dvalue = arrays.matmul(weights, dout, a_swapped=True)
        if enable_gqa:
            dkey, dvalue = _sum_of_queries(dkey, n_key), _sum_of_queries(dvalue, n_value)
        return dquery, dkey, dvalue, dscores

    return arrays.matmul(weights, value), pullback


def _queries_per_head(query: Any, shared: Any) -> int:
    """How many heads of query each head of key or value serves."""
    some = min(query.ndim, shared.ndim) > 2 and query.shape[-3] and shared.shape[-3]
    if not some or query.shape[-3] % shared.shape[-3]:
        raise ValueError(
            "scaled_dot_product_attention: enable_gqa needs query's heads to be a multiple of "
            f"those of key and value, not {query.shape} and {shared.shape}"
        )
    return query.shape[-3] // shared.shape[-3]


def _repeated(x: Any, n: int) -> Any:
    """(..., H, S, E) -> (..., H n, S, E): each head n times in a row."""
    *batch, heads, length, width = x.shape
    each = arrays.reshape(x, (*batch, heads, 1, length, width))
    copies = arrays.expand(each, (*batch, heads, n, length, width))
    return arrays.reshape(copies, (*batch, heads * n, length, width))


def _sum_of_queries(grad: Any, n: int) -> Any:
    """(..., H n, S, E) -> (..., H, S, E), the gradient of _repeated."""
    *batch, heads, length, width = grad.shape
    copies = arrays.reshape(grad, (*batch, heads // n, n, length, width))
    return arrays.total(copies, (len(batch) + 1,))
