"""Scaled dot-product attention: every query takes a weighted mean of the values."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..arguments import broadcast_shapes, flag, floats, number, probability, same
from ..engine import Operand, Output, op
from ..rows import sum_of_rows
from .regularization import keep_mask

LOWEST = {np.dtype(kind): np.finfo(kind).min for kind in (np.float32, np.float64)}
QUERIES = 32  # how many self_attention handles at a time
FEW = 2048  # scores up to which one call of max is fastest


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
    to (..., L, S): if bool, True lets a key take part; if floating, it is added to the scores.
    is_causal, in place of attn_mask: query i sees the keys up to i. A query that may see no key
    gets 0. scale None is 1/√E: else scores would grow as √E. enable_gqa: query (..., H, L, E) may
    have a multiple of the heads of key and value, each of which serves several of query's in a row.

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
    flag(name, "enable_gqa", enable_gqa)
    if enable_gqa:
        n_key, n_value = _queries_per_head(query, key), _queries_per_head(query, value)
        key, value = key.repeat(n_key, axis=-3), value.repeat(n_value, axis=-3)
    broadcast_shapes(name, *(a.shape[:-2] for a in (query, key, value)))
    flag(name, "is_causal", is_causal)
    if is_causal and attn_mask is not None:
        raise ValueError(f"{name}: attn_mask and is_causal exclude each other")
    dropout_p = probability(name, "dropout_p", dropout_p)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0
    scale = number(name, "scale", scale)

    hidden, added = None, None  # masks for the scores, whose columns are queries
    batch = broadcast_shapes(name, *(a.shape[:-2] for a in (query, key)))
    shape = (*batch, query.shape[-2], key.shape[-2])  # (..., L, S)
    if is_causal:
        hidden = ~np.tri(*shape[-2:], dtype=np.bool_).T
    elif attn_mask is not None:
        same(name, attn_mask)
        if broadcast_shapes(name, shape, attn_mask.shape) != shape:
            raise ValueError(f"{name}: attn_mask {attn_mask.shape} for scores {shape}")
        if attn_mask.dtype == np.bool_:
            hidden = np.broadcast_to(~attn_mask, shape).mT
        else:
            floats(name, query, attn_mask)
            added = np.atleast_2d(attn_mask).mT
    out, back = _attend(query, key, value, hidden, added, dropout_p, scale)

    def pullback(dout):
        dquery, dkey, dvalue, dscores = back(dout)
        if enable_gqa:
            dkey, dvalue = _sum_of_queries(dkey, n_key), _sum_of_queries(dvalue, n_value)
        return dquery, dkey, dvalue, dscores.mT

    return out, pullback


@op
def self_attention(x: Operand, n_head: int, dropout_p: float = 0.0) -> Output:
    """Causal scaled_dot_product_attention with n_head heads of queries, keys and values.

    These lie side by side in x: (B, T, 3 C) -> (B, T, C). One node where a GPT would have ten.
    """
    B, T, C = x.shape[0], x.shape[1], x.shape[2] // 3
    heads = B, T, 3, n_head, C // n_head
    query, key, value = x.reshape(heads).transpose(2, 0, 3, 1, 4)  # (B, H, T, D)
    y = np.empty((B, T, n_head, C // n_head), x.dtype)
    out = y.swapaxes(1, 2)  # (B, H, T, D)
    scale = 1 / math.sqrt(C // n_head)
    # A few queries at a time, without the keys after them: this skips nearly half of all pairs.
    parts = [
        (slice(start, start + QUERIES), slice(start + QUERIES)) for start in range(0, T, QUERIES)
    ]
    pullbacks = []
    for own, seen in parts:
        q = query[:, :, own]
        arrays = q, key[:, :, seen], value[:, :, seen], _later(q.shape[2]), None
        pullbacks.append(_attend(*arrays, dropout_p, scale, out[:, :, own])[1])

    def pullback(dout):
        dx = np.empty(heads, x.dtype)
        dquery, dkey, dvalue = dx.transpose(2, 0, 3, 1, 4)
        dout = dout.reshape(y.shape).swapaxes(1, 2)
        # The last queries first: they see all keys, so their gradients are written, the rest added.
        pullbacks[-1](dout[:, :, parts[-1][0]], dquery[:, :, parts[-1][0]], dkey, dvalue)
        for (own, seen), back in zip(parts[:-1], pullbacks[:-1], strict=True):
            _, dk, dv, _ = back(dout[:, :, own], dquery[:, :, own])
            dkey[:, :, seen] += dk
            dvalue[:, :, seen] += dv
        return dx.reshape(x.shape)

    return y.reshape(B, T, C), pullback


@op
def cached_attention(x: Operand, room: Operand, past: int, dropout_p: float = 0.0) -> Output:
    """self_attention of the tokens x, which follow past earlier ones; it has no gradient.

    room (2, B, H, S, D) holds the earlier keys and values; those of x (B, T, 3 C) are added to it.
    """
    _, B, H, _, D = room.shape
    T = x.shape[1]
    heads = x.reshape(B, T, 3, H, D).transpose(2, 0, 3, 1, 4)  # (3, B, H, T, D)
    seen = room[:, :, :, : past + T]
    seen[:, :, :, past:] = heads[1:]
    hidden = _later(T) if T > 1 else None
    y, _ = _attend(heads[0], seen[0], seen[1], hidden, None, dropout_p, 1 / math.sqrt(D))
    return y.swapaxes(1, 2).reshape(B, T, H * D), None


def _attend(
    query: Any,
    key: Any,
    value: Any,
    hidden: Any,
    added: Any,
    dropout_p: float,
    scale: float,
    out: Any = None,
) -> Any:
    """The attention, in out if it is given, and its pullback. hidden: (rows, L) of the last keys.

    The pullback takes dout and, optionally, arrays to write the gradients of query, key and value
    to; it returns those gradients and that of the scores.
    """
    # One query per column, because sums and maxima are faster down columns than along rows.
    scaled = query * query.dtype.type(scale)
    scores = key @ scaled.mT  # (..., S, L)
    if hidden is not None:
        np.copyto(scores[..., -hidden.shape[-2] :, :], -np.inf, where=hidden)
    if added is not None:
        scores += added
    p = _softmax_of_columns(scores)
    keep = keep_mask(p.mT, dropout_p).mT if dropout_p else None
    weights = p if keep is None else p * keep

    def pullback(dout, dquery=None, dkey=None, dvalue=None):
        dp = value @ dout.mT  # (..., S, L)
        if keep is not None:
            dp *= keep
        dp -= sum_of_rows(dp * p)[..., None, :]  # back through softmax, column by column
        dscores = np.multiply(dp, p, out=dp)
        dquery = np.matmul(dscores.mT, key, out=dquery)
        dquery *= scale
        dkey = np.matmul(dscores, scaled, out=dkey)
        dvalue = np.matmul(weights, dout, out=dvalue)
        return dquery, dkey, dvalue, dscores

    return np.matmul(weights.mT, value, out=out), pullback


def _softmax_of_columns(scores: Any) -> Any:
    """softmax over dim -2, in place; a column of nothing but -inf becomes all 0."""
    scores -= _max_of_columns(scores)
    p = np.exp(scores, out=scores)
    p /= np.maximum(sum_of_rows(p), 1)[..., None, :]  # the largest adds 1, unless all are -inf
    return p


def _max_of_columns(x: Any) -> Any:
    """(..., S, L) -> (..., 1, L), finite if all are -inf; by halves: faster than row by row."""
    lowest = LOWEST[x.dtype]
    if x.shape[-1] == 1 or x.size < FEW:
        return x.max(axis=-2, keepdims=True, initial=lowest)
    while (rows := x.shape[-2]) > 1:
        half = rows // 2
        top = np.maximum(x[..., :half, :], x[..., half : 2 * half, :])
        if rows % 2:
            np.maximum(top[..., :1, :], x[..., -1:, :], out=top[..., :1, :])
        x = top
    return np.maximum(x, lowest)


@functools.lru_cache(maxsize=64)
def _later(length: int) -> Any:
    """Which of length keys come after which of length queries: (S, L)."""
    later = ~np.tri(length, dtype=np.bool_).T
    later.flags.writeable = False
    return later


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
    """(..., H n, S, E) -> (..., H, S, E), the gradient of heads that serve n query heads each."""
    *batch, heads, length, width = grad.shape
    return grad.reshape(*batch, heads // n, n, length, width).sum(axis=-3)
