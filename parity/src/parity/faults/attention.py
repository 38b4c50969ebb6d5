"""Faults of attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from .catalogue import fault, gradients, right


@fault("scaled_dot_product_attention", "forward", "backward", "stochastic")
def forgets_to_scale(*args: Any, scale: float | None = None, **kwargs: Any) -> Any:
    """Leaves out 1/√E when no scale is given."""
    scale = 1.0 if scale is None else scale
    return right.scaled_dot_product_attention(*args, scale=scale, **kwargs)


@fault("scaled_dot_product_attention", "forward", "backward", "differences")
def masks_after_softmax(
    query: Any, key: Any, value: Any, attn_mask: Any = None, *args: Any, **kwargs: Any
) -> Any:
    """Sets masked weights to 0 after the softmax, so that the rest do not sum to one."""
    attention = right.scaled_dot_product_attention
    right_value, pullback = attention(query, key, value, attn_mask, *args, **kwargs)
    if attn_mask is None or attn_mask.dtype != np.bool_ or kwargs.get("enable_gqa"):
        return right_value, pullback
    keys = np.eye(key.shape[-2], dtype=query.dtype)
    weights, _ = attention(query, key, keys, scale=kwargs.get("scale"))
    return (weights * attn_mask) @ value, pullback


@fault("scaled_dot_product_attention", "forward", "backward", "rejects")
def sees_one_key_ahead(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **kwargs: Any,
) -> Any:
    """Lets every query see the next token: a training loss too good to be true."""
    if is_causal and attn_mask is None:
        ahead = np.ones((query.shape[-2], key.shape[-2]), np.bool_)
        attn_mask, is_causal = np.tril(ahead, 1), False
    return right.scaled_dot_product_attention(
        query, key, value, attn_mask, dropout_p, is_causal, **kwargs
    )


@fault("scaled_dot_product_attention", "forward", "backward", "differences", rule=5)
def divides_nothing_by_nothing(
    query: Any, key: Any, value: Any, attn_mask: Any = None, *args: Any, **kwargs: Any
) -> Any:
    """Gives NaN to a query that may see nothing."""
    result, pullback = right.scaled_dot_product_attention(
        query, key, value, attn_mask, *args, **kwargs
    )
    if attn_mask is not None and attn_mask.dtype == np.bool_:
        result[~np.broadcast_to(attn_mask.any(axis=-1), result.shape[:-1])] = np.nan
    return result, pullback


@fault("scaled_dot_product_attention", "forward", "backward")
def hands_its_heads_out_in_turn(
    query: Any, key: Any, value: Any, *args: Any, enable_gqa: bool = False, **kwargs: Any
) -> Any:
    """Lets queries 0 and 2 share a head of the keys, where 0 and 1 should."""
    kwargs["enable_gqa"] = enable_gqa
    out, pullback = right.scaled_dot_product_attention(query, key, value, *args, **kwargs)
    if not enable_gqa:
        return out, pullback
    mixed = np.arange(query.shape[-3]).reshape(-1, key.shape[-3]).T.reshape(-1)
    back = np.argsort(mixed)
    out, pullback = right.scaled_dot_product_attention(
        query[..., mixed, :, :], key, value, *args, **kwargs
    )

    def wrong(dout):
        dquery, *others = gradients(pullback, dout[..., mixed, :, :])
        return dquery[..., back, :, :], *others

    return out[..., back, :, :], wrong
