"""Scaled dot-product attention: every query takes a weighted mean of the values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import arrays, random
from ..arguments import broadcast_shapes, flag, floats, number, probability, tensors
from ..arrays import BOOL, Shape, apply
from ..dtypes import through_float32
from ..engine import Operand, Output, op, sum_to_shape
from ..kernels import attention as kernels
from ..kernels import functions as f
from ..kernels import softmax as softmaxes
from .activation import by_row

NAME = "scaled_dot_product_attention"
Keys = tuple[Any, int]  # of keys or values: the array, and how many queries a head of it serves
Matrices = tuple[Any, int, Callable[[Any], Any]]  # see _matrices
NEVER = (np.uint64(0),) * 3  # a chance of nothing, in kernels.random.survivals


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
    name = NAME
    tensors(name, query, key, value)
    floats(name, query, key, value)
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ValueError(f"{name}: query, key and value need at least 2 dims")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"{name}: query {query.shape}, key {key.shape} and value {value.shape} do not fit"
        )
    flag(name, "enable_gqa", enable_gqa)
    n_key = _queries_per_head(query, key) if enable_gqa else 1
    n_value = _queries_per_head(query, value) if enable_gqa else 1
    batches = _served(key.shape[:-2], n_key), _served(value.shape[:-2], n_value)
    batch = broadcast_shapes(name, query.shape[:-2], *batches)
    flag(name, "is_causal", is_causal)
    if is_causal and attn_mask is not None:
        raise ValueError(f"{name}: attn_mask and is_causal exclude each other")
    dropout_p = probability(name, "dropout_p", dropout_p)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0
    scale = number(name, "scale", scale)

    if attn_mask is not None:
        tensors(name, attn_mask)
        shape = (*batch, query.shape[-2], key.shape[-2])
        if broadcast_shapes(name, shape, attn_mask.shape) != shape:
            raise ValueError(f"{name}: attn_mask {attn_mask.shape} for scores {shape}")
        if attn_mask.dtype not in (BOOL, arrays.reckoned(query.dtype)):
            floats(name, query, attn_mask)
    widest = max(query.shape[-1], value.shape[-1]) * arrays.reckoned(query.dtype).itemsize
    way = _fused if widest <= kernels.WIDEST else through_float32(_composed)
    how = n_key, n_value, batch, dropout_p, is_causal, scale
    return way(query, key, value, attn_mask, *how)


def _fused(
    query: Any,
    key: Any,
    value: Any,
    mask: Any,
    n_key: int,
    n_value: int,
    batch: Shape,
    p: float,
    causal: bool,
    scale: float,
) -> Output:
    """By kernels that store no scores: memory grows with L + S.

    n_key, n_value: how many heads of query each of key or value serves.
    """
    query_shape = query.shape[-2:]
    stored, real = query.dtype.type, arrays.reckoned(query.dtype).type
    out_shape = *batch, query.shape[-2], value.shape[-1]
    count, n_queries, n_keys = math.prod(batch), query.shape[-2], key.shape[-2]
    (k, k_inner, as_key), (v, v_inner, as_value) = _alike((key, n_key), (value, n_value), batch)
    if mask is None:
        mask = arrays.constant(0, real)
    elif mask.dtype == BOOL:
        mask = apply(f.masked, arrays.constant(0, real), mask)
    mask = arrays.cast(mask, real)
    mask = arrays.reshape(mask, (1,) * (2 - mask.ndim) + mask.shape)
    q, m = arrays.batched(query, batch), arrays.batched(mask, batch)
    rows = *q, k, k_inner, v, v_inner, *m, real(scale)
    chance = random.survival(p, real) if p else (NEVER, real(1))
    width = max(8, 1 << (max(query.shape[-1], out_shape[-1]) - 1).bit_length())
    tiles = kernels.forward.fitting(real, width, count, n_queries)
    back, made_for = kernels.backward.tiles(real, width), (stored, width)

    def launch(kernel, threads, matrices, n, length, *args):
        """A block for each `length` of n rows, or less, of every matrix."""
        if matrices and n:
            kernel[matrices * -(-n // length), threads](*rows, causal, *chance, *args)

    out = arrays.empty((count, n_queries, out_shape[-1]), stored)
    tops, shares = (arrays.empty((count, n_queries), real) for _ in range(2))
    attention = kernels.attention(*made_for, tiles.rows)
    launch(attention, tiles.threads, count, n_queries, tiles.queries, out, tops, shares)

    @_remembered
    def given(dout):
        """What every gradient starts from."""
        dout = arrays.reshape(dout, out.shape)
        deltas = arrays.empty(tops.shape, real)
        arrays.launch(kernels.deltas(stored), deltas.size, dout, out, deltas)
        return tops, shares, deltas, dout

    def dquery(dout):
        grad = arrays.empty((count, *query_shape), stored)
        kernel, args = kernels.dquery(*made_for), (*given(dout), grad)
        launch(kernel, back.threads, count, n_queries, back.queries, *args)
        return arrays.reshape(grad, (*batch, *query_shape))

    @_handed_out
    def dkey_dvalue(dout):
        grads = arrays.empty(k.shape, stored), arrays.empty(v.shape, stored)
        kernel, args = kernels.dkey_dvalue(*made_for), (*given(dout), *grads)
        launch(kernel, back.threads, *k.shape[:2], back.keys, *args)
        return grads

    def dkey(dout):
        return as_key(dkey_dvalue(dout, 0))

    def dvalue(dout):
        return as_value(dkey_dvalue(dout, 1))

    def dmask(dout):
        grad = arrays.empty((count, n_queries, n_keys), real)
        args = *rows, *chance, *given(dout), grad
        arrays.launch(kernels.dscores(stored), grad.size, *args)
        return arrays.reshape(grad, (*batch, n_queries, n_keys))

    return arrays.reshape(out, out_shape), (dquery, dkey, dvalue, dmask)


def _remembered(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The function, which returns the same result as long as it is given the same object."""
    last: list[Any] = [None, None]

    def remembering(argument: Any) -> Any:
        if last[0] is not argument:
            last[:] = argument, function(argument)
        return last[1]

    return remembering


def _handed_out(function: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any, int], Any]:
    """The function, asked for its results one by one, by their place, but called once for them all.

    A result is not kept once it is handed out: a gradient belongs to who receives it, and may be
    changed.
    """
    last: list[Any] = [None, []]

    def handing_out(argument: Any, place: int) -> Any:
        if last[0] is not argument or last[1][place] is None:
            last[:] = argument, list(function(argument))
        result, last[1][place] = last[1][place], None
        return result

    return handing_out


def _composed(
    query: Any,
    key: Any,
    value: Any,
    mask: Any,
    n_key: int,
    n_value: int,
    batch: Shape,
    p: float,
    causal: bool,
    scale: float,
) -> Output:
    """By matrix products and a softmax, which store all scores; arguments as _fused's."""
    key, value = _repeated(key, n_key), _repeated(value, n_value)
    scaled = apply(f.mul, query, scale)
    scores = arrays.matmul(scaled, key, b_swapped=True)  # (..., L, S)
    if mask is not None:
        scores = apply(f.masked if mask.dtype == BOOL else f.add, scores, mask)
    shape = scores.shape
    last, rows = len(shape) - 1, (math.prod(shape[:-1]), shape[-1])
    weights = arrays.empty(shape, scores.dtype)
    args = arrays.reshape(scores, rows), shape[-2], causal, arrays.reshape(weights, rows)
    arrays.launch_rows(softmaxes.attention(scores.dtype.type), *rows, *args)
    drop = random.dropout(p, weights.dtype) if p else None
    kept = weights if drop is None else drop(weights)

    def pullback(dout):
        dkept = arrays.matmul(dout, value, b_swapped=True)  # (..., L, S)
        dweights = dkept if drop is None else drop(dkept)
        dscores = by_row(softmaxes.SOFTMAX_DX, last, weights, dweights)
        dquery = apply(f.mul, arrays.matmul(dscores, key), scale)
        dkey = arrays.matmul(dscores, scaled, a_swapped=True)
        dvalue = arrays.matmul(kept, dout, a_swapped=True)
        return dquery, _sum_of_queries(dkey, n_key), _sum_of_queries(dvalue, n_value), dscores

    return arrays.matmul(kept, value), pullback


def _queries_per_head(query: Any, shared: Any) -> int:
    """How many heads of query each head of key or value serves."""
    some = min(query.ndim, shared.ndim) > 2 and query.shape[-3] and shared.shape[-3]
    if not some or query.shape[-3] % shared.shape[-3]:
        raise ValueError(
            f"{NAME}: enable_gqa needs query's heads to be a multiple of "
            f"those of key and value, not {query.shape} and {shared.shape}"
        )
    return query.shape[-3] // shared.shape[-3]


def _served(batch: Shape, n: int) -> Shape:
    """The batch of the queries that keys or values serve, n a head."""
    return batch if n == 1 else (*batch[:-1], batch[-1] * n)


def _alike(keys: Keys, values: Keys, batch: Shape) -> tuple[Matrices, Matrices]:
    """Keys and values by _matrices, so that both are repeated in the same way over the batch."""
    key, value = _matrices(*keys, batch), _matrices(*values, batch)
    if (key[0].shape[0], key[1]) != (value[0].shape[0], value[1]):
        return _matrices(*keys, batch, copied=True), _matrices(*values, batch, copied=True)
    return key, value


def _matrices(x: Any, n: int, batch: Shape, copied: bool = False) -> Matrices:
    """Keys or values as arrays.batched has them, and a function of their gradient to that of x.

    A head of x stands still for the n queries that it serves; copied: it is repeated for them.
    """
    shape, heads, full = x.shape, x, batch
    if n > 1:
        heads = arrays.reshape(x, (*shape[:-2], 1, *shape[-2:]))
        full = (*batch[:-1], batch[-1] // n, n)
    heads_shape = heads.shape
    if copied:
        heads = arrays.expand(heads, (*full, *shape[-2:]))
    matrices, inner = arrays.batched(heads, full)
    kept = heads_shape[:-2] if matrices.shape[0] == math.prod(heads_shape[:-2]) else full

    def gradient(grad):
        grad = arrays.reshape(grad, (*kept, *shape[-2:]))
        return arrays.reshape(sum_to_shape(grad, heads_shape, NAME), shape)

    return matrices, inner, gradient


def _repeated(x: Any, n: int) -> Any:
    """(..., H, S, E) -> (..., H n, S, E): each head n times in a row."""
    if n == 1:
        return x
    *batch, heads, length, width = x.shape
    each = arrays.reshape(x, (*batch, heads, 1, length, width))
    copies = arrays.expand(each, (*batch, heads, n, length, width))
    return arrays.reshape(copies, (*batch, heads * n, length, width))


def _sum_of_queries(grad: Any, n: int) -> Any:
    """(..., H n, S, E) -> (..., H, S, E), the gradient of _repeated."""
    if n == 1:
        return grad
    *batch, heads, length, width = grad.shape
    copies = arrays.reshape(grad, (*batch, heads // n, n, length, width))
    return arrays.total(copies, (len(batch) + 1,))
