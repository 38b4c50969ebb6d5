"""Scaled dot-product attention: every query takes a weighted mean of the values."""

from __future__ import annotations

import math

from .. import arrays
from ..arguments import broadcast_shapes, floats, probability
from ..arrays import BOOL, apply
from ..engine import Operand, Output, op
from ..kernels import functions as f
from ..kernels import softmax as kernels
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
) -> Output:
    """softmax(query keyᵀ · scale + mask) value, over the keys.

    query (..., L, E), key (..., S, E), value (..., S, Ev) -> (..., L, Ev). attn_mask broadcasts
    to (..., L, S): bool, True takes part, or floating, added. scale None: 1/√E. A query that may
    see nothing gets 0. Vaswani et al. 2017, https://arxiv.org/abs/1706.03762
    """
    name = "scaled_dot_product_attention"
    floats(name, query, key, value)
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ValueError(f"{name}: query, key and value need at least 2 dims")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"{name}: query {query.shape}, key {key.shape} and value {value.shape} do not fit"
        )
    broadcast_shapes(name, *(a.shape[:-2] for a in (query, key, value)))
    if is_causal and attn_mask is not None:
        raise ValueError(f"{name}: attn_mask and is_causal exclude each other")
    probability(name, dropout_p)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0

    scaled = apply(f.mul, query, scale)
    scores = arrays.matmul(scaled, key, b_swapped=True)  # (..., L, S)
    shape = scores.shape
    if attn_mask is not None:
        if broadcast_shapes(name, shape, attn_mask.shape) != shape:
            raise ValueError(f"{name}: attn_mask {attn_mask.shape} for scores {shape}")
        if attn_mask.dtype == BOOL:
            scores = apply(f.masked, scores, attn_mask)
        else:
            floats(name, query, attn_mask)
            scores = apply(f.add, scores, attn_mask)

    rows = (math.prod(shape[:-1]), shape[-1])
    p = arrays.empty(shape, scores.dtype)
    args = arrays.reshape(scores, rows), shape[-2], is_causal, arrays.reshape(p, rows)
    arrays.launch_rows(kernels.attention(p.dtype.type), *rows, *args)
    keep = keep_mask(p, dropout_p) if dropout_p else None
    weights = p if keep is None else apply(f.mul, p, keep)

    def pullback(dout):
        dp = arrays.matmul(dout, value, b_swapped=True)  # (..., L, S)
        dp = dp if keep is None else apply(f.mul, dp, keep)
        dscores = arrays.empty(shape, p.dtype)
        matrices = [arrays.reshape(array, (*rows, 1)) for array in (p, dp, dscores)]
        arrays.launch_rows(kernels.softmax_dx(p.dtype.type), *rows, *matrices)
        dquery = apply(f.mul, arrays.matmul(dscores, key), scale)
        dkey = arrays.matmul(dscores, scaled, a_swapped=True)
        return dquery, dkey, arrays.matmul(weights, dout, a_swapped=True), dscores

    return arrays.matmul(weights, value), pullback
