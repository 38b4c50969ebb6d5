"""Scaled dot-product attention: every query takes a weighted mean of the values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arguments import broadcast, broadcast_shapes, floats, probability, same
from ..engine import Operand, Output, op
from ..rows import sum_of_rows
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
    floats(name, query, key, value)
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ValueError(f"{name}: query, key and value need at least 2 dims")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"{name}: query {query.shape}, key {key.shape} and value {value.shape} do not fit"
        )
    if enable_gqa:
        n_key, n_value = _queries_per_head(query, key), _queries_per_head(query, value)
        key, value = key.repeat(n_key, axis=-3), value.repeat(n_value, axis=-3)
    broadcast_shapes(name, *(a.shape[:-2] for a in (query, key, value)))
    if is_causal and attn_mask is not None:
        raise ValueError(f"{name}: attn_mask and is_causal exclude each other")
    probability(name, dropout_p)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0

    # Down the columns, a query to each, because sums and maxima go faster down than across.
    scaled = query * query.dtype.type(scale)
    scores = key @ _swap(scaled)  # (..., S, L)
    if is_causal:
        attn_mask = np.tri(*_swap(scores).shape[-2:], dtype=np.bool_)
    if attn_mask is not None:
        same(name, attn_mask)
        if broadcast(name, _swap(scores), attn_mask) != _swap(scores).shape:
            raise ValueError(f"{name}: attn_mask {attn_mask.shape} for scores {_swap(scores).shape}")
        if attn_mask.dtype == np.bool_:
            np.copyto(_swap(scores), -np.inf, where=~attn_mask)
        else:
            floats(name, query, attn_mask)
            scores += _swap(np.atleast_2d(attn_mask))

    p = _softmax_of_columns(scores)
    keep = _swap(keep_mask(_swap(p), dropout_p)) if dropout_p else None
    weights = p if keep is None else p * keep

    def pullback(dout):
        dp = value @ _swap(dout)  # (..., S, L)
        if keep is not None:
            dp *= keep
        dp -= sum_of_rows(dp * p)[..., None, :]
        dscores = np.multiply(dp, p, out=dp)
        dquery = _product_like(query, _swap(dscores), key)
        dquery *= query.dtype.type(scale)
        dkey = _product_like(key, dscores, scaled)
        dvalue = _product_like(value, weights, dout)
        if enable_gqa:
            dkey, dvalue = _sum_of_queries(dkey, n_key), _sum_of_queries(dvalue, n_value)
        return dquery, dkey, dvalue, _swap(dscores)

    return _product_like(query, _swap(weights), value), pullback


def _softmax_of_columns(scores: Any) -> Any:
    """softmax over dim -2, in place; a column of nothing but -inf becomes one of 0."""
    top = _max_of_columns(scores)
    scores -= np.where(top == -np.inf, 0, top)
    p = np.exp(scores, out=scores)
    total = sum_of_rows(p)[..., None, :]
    p /= np.where(total == 0, 1, total)
    return p


def _max_of_columns(x: Any) -> Any:
    """(..., S, L) -> (..., 1, L), by halves, which NumPy compares faster than row by row."""
    if x.shape[-1] == 1 or not x.size:
        return x.max(axis=-2, keepdims=True, initial=-np.inf)
    while (rows := x.shape[-2]) > 1:
        half = rows // 2
        top = np.maximum(x[..., :half, :], x[..., half : 2 * half, :])
        if rows % 2:
            np.maximum(top[..., :1, :], x[..., -1:, :], out=top[..., :1, :])
        x = top
    return x


def _product_like(like: Any, left: Any, right: Any) -> Any:
    """left @ right, in memory in the order of like: heads that were dims of one stay together."""
    shape = (*left.shape[:-1], right.shape[-1])
    if like.shape != shape or right.shape[:-2] != shape[:-2]:
        return left @ right
    return np.matmul(left, right, out=np.empty_like(like))


def _swap(matrix: Any) -> Any:
    return matrix.swapaxes(-1, -2)


def _queries_per_head(query: Any, shared: Any) -> int:
    """How many heads of query each head of key or value serves."""
    some = min(query.ndim, shared.ndim) > 2 and query.shape[-3] and shared.shape[-3]
    if not some or query.shape[-3] % shared.shape[-3]:
        raise ValueError(
            "scaled_dot_product_attention: enable_gqa needs query's heads to be a multiple of "
            f"those of key and value, not {query.shape} and {shared.shape}"
        )
    return query.shape[-3] // shared.shape[-3]


def _sum_of_queries(grad: Any, n: int) -> Any:
    """(..., H n, S, E) -> (..., H, S, E), the gradient of heads that serve n queries in a row."""
    *batch, heads, length, width = grad.shape
    return grad.reshape(*batch, heads // n, n, length, width).sum(axis=-3)
