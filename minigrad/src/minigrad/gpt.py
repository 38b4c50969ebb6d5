"""GPT: embeddings, blocks of attention and MLP that add to one stream, and a prediction.

Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; the parameters carry
GPT-2's names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from . import nn, ops, pretrained
from .engine import Tensor, no_grad, tensor
from .random import generator
from .serialization import StrPath


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a GPT."""

    vocab_size: int
    block_size: int  # the longest context it sees
    n_layer: int
    n_head: int
    n_embd: int
    dropout: float = 0.0
    bias: bool = True  # in the linear layers and layer norms

    def __post_init__(self) -> None:
        if self.n_head < 1 or self.n_embd % self.n_head:
            raise ValueError(f"n_embd {self.n_embd} is not a multiple of n_head {self.n_head}")


class Attention(nn.Module):
    """Causal self-attention with several heads: (B, T, C) -> (B, T, C)."""

    def __init__(self, config: GPTConfig) -> None:
        self.n_head, self.dropout = config.n_head, config.dropout
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, config.bias)
        self.resid_dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        B, T, C = x.shape
        q, k, v = (
            ops.transpose(ops.view(part, (B, T, self.n_head, C // self.n_head)), 1, 2)
            for part in ops.split(self.c_attn(x), C, dim=2)
        )  # (B, H, T, D)
        dropout_p = self.dropout if self.training else 0.0
        y = ops.scaled_dot_product_attention(q, k, v, dropout_p=dropout_p, is_causal=True)
        y = ops.reshape(ops.transpose(y, 1, 2), (B, T, C))
        return self.resid_dropout(self.c_proj(y))


class MLP(nn.Module):
    """Each position on its own, through four times the width: (B, T, C) -> (B, T, C)."""

    def __init__(self, config: GPTConfig) -> None:
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, config.bias)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, config.bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.c_proj(ops.gelu(self.c_fc(x), approximate="tanh")))


class Block(nn.Module):
    """Attention, then the MLP, each reading a normalized stream and adding to it."""

    def __init__(self, config: GPTConfig) -> None:
        self.ln_1 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.attn = Attention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.mlp = MLP(config)

    def forward(self, x: Tensor) -> Tensor:
        x = ops.add(x, self.attn(self.ln_1(x)))
        return ops.add(x, self.mlp(self.ln_2(x)))


class Transformer(nn.Module):
    """Token ids to normalized features: (B, T) -> (B, T, C)."""

    def __init__(self, config: GPTConfig) -> None:
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.drop = nn.Dropout(config.dropout)
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd, bias=config.bias)

    def forward(self, idx: Any) -> Tensor:
        positions = np.arange(idx.shape[1])
        x = self.drop(ops.add(self.wte(idx), self.wpe(positions)))  # (B, T, C)
        for block in self.h:
            x = block(x)
        return self.ln_f(x)


class GPT(nn.Module):
    """A decoder-only transformer that predicts the next token."""

    def __init__(self, config: GPTConfig) -> None:
        self.config = config
        self.transformer = Transformer(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.lm_head.weight = self.transformer.wte.weight  # one table reads and writes tokens
        for name, parameter in self.named_parameters():
            std = 0.02
            if name.endswith("c_proj.weight"):  # 2 · n_layer of them add to the same stream
                std /= math.sqrt(2 * config.n_layer)
            if parameter.ndim == 2:
                parameter.data = (generator().standard_normal(parameter.shape) * std).astype(
                    parameter.dtype
                )
            elif name.endswith("bias"):
                parameter.data = np.zeros_like(parameter.data)

    def forward(self, idx: Any, targets: Any = None) -> tuple[Tensor, Tensor | None]:
        """Token ids (B, T) -> logits (B, T, V), and the mean cross entropy if there are targets."""
        idx = idx if isinstance(idx, Tensor) else tensor(idx)
        if idx.ndim != 2:
            raise ValueError(f"GPT: expected ids of shape (B, T), not {idx.shape}")
        B, T = idx.shape
        if T > self.config.block_size:
            raise ValueError(f"{T} tokens for a block_size of {self.config.block_size}")
        logits = self.lm_head(self.transformer(idx))  # (B, T, V)
        if targets is None:
            return logits, None
        flat = ops.reshape(logits, (B * T, self.config.vocab_size))
        return logits, ops.cross_entropy(flat, ops.reshape(targets, (B * T,)))

    @no_grad()
    def generate(self, idx: Any, max_new_tokens: int) -> Any:
        """idx (B, T) with max_new_tokens appended, each the likeliest after what it can see."""
        idx = tensor(idx)
        for _ in range(max_new_tokens):
            seen = ops.getitem(idx, (slice(None), slice(-self.config.block_size, None)))
            logits, _loss = self(seen)
            likeliest = ops.argmax(ops.getitem(logits, (slice(None), -1)), dim=-1)  # (B,)
            idx = ops.cat([idx, ops.unsqueeze(likeliest, 1)], dim=1)
        return idx

    def num_parameters(self) -> int:
        """How many numbers are trained; a tied parameter counts once."""
        return sum(parameter.numel() for parameter in self.parameters())

    @classmethod
    def from_pretrained(cls, folder: StrPath, state: Mapping[str, Any] | None = None) -> Self:
        """The GPT-2 of a folder that transformers wrote, or save_pretrained; in evaluation.

        state: the arrays of the folder's model.safetensors, by name, to read config.json alone.
        Raises FileNotFoundError for a missing file, ValueError for a model that GPT cannot be,
        RuntimeError for weights that do not fit.
        """
        config, weights = pretrained.read(folder, state)
        model = cls(GPTConfig(**config))
        model.load_state_dict(weights)
        return model.eval()

    def save_pretrained(self, folder: StrPath) -> None:
        """Write the files of a folder, new or not, that transformers reads as GPT-2.

        Raises ValueError for what GPT-2 cannot be: without biases, say.
        """
        pretrained.write(folder, asdict(self.config), self.state_dict())
