"""Faults of activations, norms, attention, losses; faults.py says what a fault is."""

from __future__ import annotations

from typing import Any

import numpy as np
from faults import fault, gradients, right

from minigrad import op
from minigrad.random import generator


@fault("tanh", "forward", "backward", "differences")
@op
def overwrites_its_input(x: Any) -> Any:
    """Saves memory in the wrong place."""
    if x.dtype.kind != "f":
        return right.tanh(x)
    y = np.tanh(x, out=x)
    return y, lambda dout: dout * (1 - y * y)


@fault("sigmoid", "forward", "backward", "differences")
@op
def overflows(x: Any) -> Any:
    """Takes exp(x) / (1 + exp(x)), which is inf / inf for a large x."""
    _, pullback = right.sigmoid(x)
    e = np.exp(x)
    return np.asarray(e / (1 + e), x.dtype if x.dtype.kind == "f" else np.float32), pullback


@fault("relu", "backward")
@op
def slopes_at_zero(x: Any) -> Any:
    """Has slope 1 at 0, where torch has 0."""
    value, _ = right.relu(x)
    return value, lambda dout: np.where(x < 0, np.zeros((), x.dtype), dout)


@fault("gelu", "forward", "backward")
@op
def knows_only_the_tanh_form(x: Any, approximate: str = "none") -> Any:
    """Takes the approximation for the function: it is right to three digits."""
    return right.gelu(x, "tanh" if approximate == "none" else approximate)


@fault("softmax", "backward", "differences")
@op
def has_a_zero_gradient(x: Any, dim: int) -> Any:
    """Passes every check whose cotangent is ones: the sum of a softmax never changes."""
    value, _ = right.softmax(x, dim)
    return value, np.zeros_like


@fault("softmax", "forward", "backward", "differences")
@op
def subtracts_no_maximum(x: Any, dim: int) -> Any:
    """Takes exp(1000)."""
    _, pullback = right.softmax(x, dim)
    e = np.exp(x)
    return e / (e.sum(axis=dim, keepdims=True) if x.ndim else e), pullback


@fault("softmax", "forward", "backward")
@op
def works_along_the_last_dim(x: Any, dim: int) -> Any:
    """Pays no attention to a dim that exists."""
    right.softmax(x, dim)
    return right.softmax(x, -1)


@fault("log_softmax", "forward", "backward", "differences")
@op
def takes_the_log_of_softmax(x: Any, dim: int) -> Any:
    """Gives -inf where the exponential has vanished."""
    _, pullback = right.log_softmax(x, dim)
    return np.log(right.softmax(x, dim)[0]), pullback


@fault("layer_norm", "forward", "backward")
@op
def ignores_eps(
    x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-05
) -> Any:
    """Has an eps of its own."""
    return right.layer_norm(x, normalized_shape, weight, bias)


@fault("layer_norm", "backward", "differences")
@op
def takes_the_mean_for_a_constant(
    x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-05
) -> Any:
    """Lets no gradient through the mean."""
    value, pullback = right.layer_norm(x, normalized_shape, weight, bias, eps)
    along = tuple(range(-len(normalized_shape), 0))
    rstd = 1 / np.sqrt(x.var(axis=along, keepdims=True) + x.dtype.type(eps))

    def wrong(dout):
        dx, *others = gradients(pullback, dout)
        shift = (dout if weight is None else dout * weight).mean(axis=along, keepdims=True)
        return dx + rstd * shift, *others

    return value, wrong


@fault("rms_norm", "forward", "backward", "differences")
@op
def adds_eps_to_the_root(
    x: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Any:
    """Adds eps outside of the root: the same to seven digits, when eps is small."""
    _, pullback = right.rms_norm(x, normalized_shape, weight, eps)
    eps = np.finfo(x.dtype).eps if eps is None else eps
    along = tuple(range(-len(normalized_shape), 0))
    scale = np.sqrt((x * x).mean(axis=along, keepdims=True)) + x.dtype.type(eps)
    return x / scale if weight is None else x / scale * weight, pullback


def attention_fault(*checks: str) -> Any:
    return fault("scaled_dot_product_attention", *checks)


@attention_fault("forward", "backward", "stochastic")
@op
def forgets_to_scale(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
) -> Any:
    """Leaves out 1/√E when no scale is given."""
    return right.scaled_dot_product_attention(
        query, key, value, attn_mask, dropout_p, is_causal, scale=1.0 if scale is None else scale
    )


@attention_fault("forward", "backward", "differences")
@op
def masks_after_softmax(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
) -> Any:
    """Sets weights to 0 that have already had their share: the rest do not sum to one."""
    attention = right.scaled_dot_product_attention
    right_value, pullback = attention(
        query, key, value, attn_mask, dropout_p, is_causal, scale=scale
    )
    if attn_mask is None or attn_mask.dtype != np.bool_:
        return right_value, pullback
    keys = np.eye(key.shape[-2], dtype=query.dtype)
    weights, _ = attention(query, key, keys, scale=scale)
    return (weights * attn_mask) @ value, pullback


@attention_fault("forward", "backward")
@op
def sees_one_key_ahead(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
) -> Any:
    """Lets every query see the next token: a training loss too good to be true."""
    if is_causal and attn_mask is None:
        ahead = np.ones((query.shape[-2], key.shape[-2]), np.bool_)
        attn_mask, is_causal = np.tril(ahead, 1), False
    return right.scaled_dot_product_attention(
        query, key, value, attn_mask, dropout_p, is_causal, scale=scale
    )


@attention_fault("forward", "backward", "differences")
@op
def divides_nothing_by_nothing(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
) -> Any:
    """Gives NaN to a query that may see nothing."""
    result, pullback = right.scaled_dot_product_attention(
        query, key, value, attn_mask, dropout_p, is_causal, scale=scale
    )
    if attn_mask is not None and attn_mask.dtype == np.bool_:
        result[~np.broadcast_to(attn_mask.any(axis=-1), result.shape[:-1])] = np.nan
    return result, pullback


@fault("embedding", "backward", "differences")
@op
def loses_repeated_ids(x: Any, weight: Any) -> Any:
    """Assigns gradients where it should add them."""
    value, _ = right.embedding(x, weight)

    def dweight(dout):
        grad = np.zeros_like(weight)
        grad[x] = dout
        return grad

    return value, (None, dweight)


@fault("embedding", "rejects")
@op
def takes_negative_ids_from_the_end(x: Any, weight: Any) -> Any:
    """Answers a wrong id with the wrong row, as NumPy's indexing does."""
    return right.embedding(np.where(x < 0, x + weight.shape[0], x), weight)


@fault("cross_entropy", "forward", "backward")
@op
def averages_over_ignored_targets(
    x: Any, target: Any, *, ignore_index: int = -100, reduction: str = "mean"
) -> Any:
    """Divides by the number of all targets."""
    value, pullback = right.cross_entropy(x, target, ignore_index=ignore_index, reduction=reduction)
    if reduction != "mean":
        return value, pullback
    share = x.dtype.type(np.mean(target != ignore_index))
    return value * share, lambda dout: gradients(pullback, dout * share)


@fault("cross_entropy", "backward", "differences")
@op
def gives_ignored_targets_a_gradient(
    x: Any, target: Any, *, ignore_index: int = -100, reduction: str = "mean"
) -> Any:
    """Leaves the softmax of an ignored row in the gradient."""
    value, pullback = right.cross_entropy(x, target, ignore_index=ignore_index, reduction=reduction)
    ignored = np.expand_dims(target == ignore_index, 1 if x.ndim > 1 else 0)

    def wrong(dout):
        (dx,) = gradients(pullback, dout)
        return np.where(ignored, right.softmax(x, 1 if x.ndim > 1 else 0)[0], dx)

    return value, wrong


@fault("mse_loss", "backward", "differences")
@op
def forgets_the_two(x: Any, target: Any, reduction: str = "mean") -> Any:
    """Has half of the slope of a square."""
    value, pullback = right.mse_loss(x, target, reduction)
    return value, lambda dout: gradients(pullback, dout / 2)


@fault("dropout", "stochastic")
@op
def keeps_its_scale(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Leaves elements out without making up for them."""
    value, pullback = right.dropout(x, p, training)
    scale = x.dtype.type(1 - p if training and p < 1 else 1)
    return value * scale, lambda dout: gradients(pullback, dout * scale)


@fault("dropout", "stochastic")
@op
def leaves_out_the_same_every_time(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Starts its generator afresh in every call."""
    generator().bit_generator.state = np.random.default_rng(0).bit_generator.state
    return right.dropout(x, p, training)


@fault("dropout", "stochastic", "differences")
@op
def draws_again_on_the_way_back(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Has other elements in its gradient than in its value."""
    value, _ = right.dropout(x, p, training)
    _, pullback = right.dropout(x, p, training)
    return value, pullback
