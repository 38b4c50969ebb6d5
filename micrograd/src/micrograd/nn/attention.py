"""Attention with several heads, between sequences of vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import lists, ops
from ..arguments import floating, probability, whole
from ..lists import Tensor, is_bool, unnest
from . import init
from .layers import Linear
from .module import Module, Parameter


class NonDynamicallyQuantizableLinear(Linear):
    """Linear, under the name that it has in torch's repr of MultiheadAttention."""


class MultiheadAttention(Module):
    """Attention with several heads, each of which has its own part of the vectors.

    Vaswani et al. 2017, https://arxiv.org/abs/1706.03762
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        batch_first: bool = False,
    ) -> None:
        self.embed_dim = whole("MultiheadAttention", "embed_dim", embed_dim, 1)
        self.num_heads = whole("MultiheadAttention", "num_heads", num_heads, 1)
        if embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: embed_dim {embed_dim} is not a multiple of "
                f"num_heads {num_heads}"
            )
        probability("MultiheadAttention", "dropout", dropout)
        self.head_dim = embed_dim // num_heads
        self.dropout, self.batch_first = dropout, batch_first
        self.in_proj_weight = init.xavier_uniform_(Parameter(ops.zeros((3 * embed_dim, embed_dim))))
        self.in_proj_bias = Parameter(ops.zeros(3 * embed_dim)) if bias else None
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        attn_mask: Tensor | None = None,
        need_weights: bool = True,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The output, of query's shape, and the weights (N, L, S), if they are needed.

        query (L, N, E), key and value (S, N, E); or (N, L, E) and (N, S, E) if batch_first; or
        without N. attn_mask (L, S) or (N · num_heads, L, S): bools, True where a key may not
        take part, or floats that are added. average_attn_weights: False keeps the heads apart,
        (N, num_heads, L, S). is_causal: a hint that attn_mask is causal, so that without
        need_weights it is not read.
        """
        self._require_fit(query, key, value)
        if is_causal and attn_mask is None:
            raise ValueError("MultiheadAttention: is_causal is a hint, it needs an attn_mask")
        q, k, v = map(self._heads, self._projections(query, key, value))  # (N, H, L or S, D)
        mask = None if attn_mask is None else self._additive(attn_mask, q, k)
        if need_weights:
            q = ops.mul(q, math.sqrt(1 / self.head_dim))
            scores = ops.matmul(q, ops.transpose(k, -2, -1))
            weights = ops.softmax(scores if mask is None else ops.add(scores, mask), -1)
            weights = ops.dropout(weights, self.dropout, self.training)  # (N, H, L, S)
            heads = ops.matmul(weights, v)
        else:
            weights, mask = None, None if is_causal else mask
            dropout_p = self.dropout if self.training else 0.0
            heads = ops.scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal)

        output = self.out_proj(ops.flatten(ops.transpose(heads, 1, 2), 2))  # (N, L, E)
        if need_weights and average_attn_weights:
            weights = ops.mean(weights, 1)
        if len(lists.shape(query)) == 2:
            return ops.squeeze(output, 0), ops.squeeze(weights, 0) if need_weights else None
        return output if self.batch_first else ops.transpose(output, 0, 1), weights

    def _require_fit(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        batch = 0 if self.batch_first else 1
        q, k, v = map(lists.shape, (query, key, value))
        if (
            len(q) not in (2, 3)
            or len(k) != len(q)
            or k != v
            or not q[-1] == k[-1] == self.embed_dim
            or (len(q) == 3 and q[batch] != k[batch])
        ):
            raise ValueError(
                f"MultiheadAttention: query {q}, key {k} and value {v} do not fit, "
                f"with an embed_dim of {self.embed_dim}"
            )

    def _projections(self, query: Tensor, key: Tensor, value: Tensor) -> Sequence[Tensor]:
        if query is key is value:
            return ops.chunk(ops.linear(query, self.in_proj_weight, self.in_proj_bias), 3, -1)
        weights = ops.chunk(self.in_proj_weight, 3)
        biases = [None] * 3 if self.in_proj_bias is None else ops.chunk(self.in_proj_bias, 3)
        parts = zip((query, key, value), weights, biases, strict=True)
        return [ops.linear(x, weight, bias) for x, weight, bias in parts]

    def _heads(self, x: Tensor) -> Tensor:
        """(L, N, E), or (N, L, E) if batch_first, or (L, E) -> (N, H, L, D)."""
        if len(lists.shape(x)) == 2:
            x = ops.unsqueeze(x, 0)
        elif not self.batch_first:
            x = ops.transpose(x, 0, 1)
        return ops.transpose(ops.unflatten(x, 2, (self.num_heads, self.head_dim)), 1, 2)

    def _additive(self, mask: Tensor, q: Tensor, k: Tensor) -> Tensor:
        """The mask as numbers to add to the scores (N, H, L, S): bools become 0 and -inf."""
        (n, _, length, _), (_, _, sources, _) = lists.shape(q), lists.shape(k)
        items, shape = unnest(mask)
        if shape == (n * self.num_heads, length, sources):
            mask = ops.reshape(mask, (n, self.num_heads, length, sources))
        elif shape != (length, sources):
            raise ValueError(
                f"MultiheadAttention: attn_mask of shape {shape} for {length} queries, "
                f"{sources} keys, and {n} times {self.num_heads} heads"
            )
        if is_bool(items):
            return ops.masked_fill(ops.zeros(lists.shape(mask)), mask, -math.inf)
        floating("MultiheadAttention: attn_mask", mask)
        return mask
