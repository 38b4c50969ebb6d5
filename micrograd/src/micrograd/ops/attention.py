"""Attention: every query takes a mean of the values, weighted by how well their keys match."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain

from .. import rowwise, scalar
from ..arguments import broadcast_shapes, flag, floating, number, probability
from ..engine import Value
from ..lists import Tensor, is_bool, nest, rows, unnest, values
from .activation import probabilities
from .elementwise import add, masked_fill, mul
from .indexing import getitem
from .linalg import matmul
from .regularization import dropout
from .shape import transpose


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query keyᵀ · scale + mask) value; scale None is 1/√E: else scores grow as √E.

    query (..., L, E), key (..., S, E), value (..., S, Ev) -> (..., L, Ev). attn_mask, (..., L, S):
    bools, True where a key takes part, or floats that are added. is_causal: query i sees the keys
    up to i. A query that sees no key gets 0. enable_gqa: key and value may have fewer heads, the
    dim before the last two, each serving equally many neighbouring heads of query. Raises
    ValueError for attn_mask with is_causal.

    Vaswani et al. 2017, https://arxiv.org/abs/1706.03762
    """
    op = "scaled_dot_product_attention"
    flag(op, "is_causal", is_causal)
    flag(op, "enable_gqa", enable_gqa)
    if attn_mask is not None and is_causal:
        raise ValueError(f"{op}: attn_mask and is_causal exclude each other")
    probability(op, "dropout_p", dropout_p)
    if enable_gqa:
        key, value = (_repeated(op, query, tensor) for tensor in (key, value))
    q, k, v = (floating(op, tensor)[1] for tensor in (query, key, value))
    if min(len(q), len(k), len(v)) < 2 or q[-1] != k[-1] or k[-2] != v[-2]:
        raise ValueError(f"{op}: shapes {q}, {k} and {v} of query, key and value do not fit")
    broadcast_shapes(op, q[:-2], k[:-2], v[:-2])
    if scale is None:
        scale = 1.0 / math.sqrt(q[-1]) if q[-1] else math.inf
    scale = number(op, "scale", scale)
    scores = matmul(query, transpose(key, -2, -1))  # (..., L, S)
    if attn_mask is not None:
        scores = mul(scores, scale)
        own, mask_shape = unnest(scores, op)[1], unnest(attn_mask, op)[1]
        if broadcast_shapes(op, own, mask_shape) != own:
            raise ValueError(f"{op}: attn_mask of shape {mask_shape} for scores of shape {own}")
        scores, scale = _masked(op, scores, attn_mask), 1.0
    items, shape = values(scores, op)
    groups = rows(items, shape, [len(shape) - 1])
    weights = _causal_weights(groups, scale, q[-2]) if is_causal else _weights(groups, scale)
    weights = nest(list(chain.from_iterable(weights)), shape)
    return matmul(dropout(weights, dropout_p), value)


def self_attention(x: Tensor, n_head: int, dropout_p: float = 0.0) -> Tensor:
    """Causal scaled_dot_product_attention with n_head heads: (B, T, 3 C) -> (B, T, C).

    x holds queries, keys and values side by side; the heads are cut straight out of it.
    """
    items, (B, T, width) = floating("self_attention", x)
    C, D = width // 3, width // (3 * n_head)
    scores: list[Value] = []
    columns: list[list[Value]] = []  # of the values, for each batch and head: (D T)
    for start in range(0, B * T * width, T * width):
        end = start + T * width
        for first in range(start, start + C, D):
            q, k = (
                [item for i in range(part, end, width) for item in items[i : i + D]]
                for part in (first, first + C)
            )  # (T D)
            scores += rowwise.dots(q, k, T, T)
            v = first + 2 * C
            columns.append([item for i in range(v, v + D) for item in items[i:end:width]])
    weights = _causal_weights(rows(scores, (B * n_head * T, T), [1]), 1.0 / math.sqrt(D), T)
    if dropout_p:
        weights = dropout(weights, dropout_p)
    mixed = [
        rowwise.dots(list(chain.from_iterable(weights[i * T : i * T + T])), v, T, D)
        for i, v in enumerate(columns)
    ]  # (B H, T D)
    heads = [mixed[i : i + n_head] for i in range(0, len(mixed), n_head)]
    tokens = [head[i * D : i * D + D] for own in heads for i in range(T) for head in own]
    return nest(list(chain.from_iterable(tokens)), (B, T, n_head * D))


def _repeated(op: str, query: Tensor, x: Tensor) -> Tensor:
    """x with each of its heads repeated for every head of query that it serves."""
    wanted, shape = unnest(query, op)[1], unnest(x, op)[1]
    if min(len(wanted), len(shape)) < 3 or wanted[-3] % shape[-3]:
        raise ValueError(f"{op}: heads of shape {shape} do not serve queries of shape {wanted}")
    heads = wanted[-3] // shape[-3]
    return getitem(x, (..., [i // heads for i in range(wanted[-3])], slice(None), slice(None)))


def _masked(op: str, scores: Tensor, attn_mask: Tensor) -> Tensor:
    items, shape = unnest(attn_mask, op)
    if is_bool(items):
        return masked_fill(scores, nest([not item for item in items], shape), -math.inf)
    floating(op, attn_mask)
    return add(scores, attn_mask)


def _causal_weights(
    groups: Sequence[Sequence[Value]], scale: float, count: int
) -> list[list[Value]]:
    """_weights of queries in runs of count: the i-th sees the keys up to i; all others get 0."""
    seen = [row[: i % count + 1] for i, row in enumerate(groups)]
    hidden = [Value(0.0)]
    found = zip(groups, _weights(seen, scale), strict=True)
    return [weights + hidden * (len(row) - len(weights)) for row, weights in found]


def _weights(groups: Sequence[Sequence[Value]], scale: float) -> list[list[Value]]:
    """softmax of each query's scores; zeros, instead of nan, if all keys are hidden from it."""
    blind = [all(item.data == -math.inf for item in row) for row in groups]
    seeing = [row for row, hidden in zip(groups, blind, strict=True) if not hidden]
    found = iter(probabilities(seeing, scale))
    return [
        [scalar.where(False, item, Value(0.0)) for item in row] if hidden else next(found)
        for row, hidden in zip(groups, blind, strict=True)
    ]
