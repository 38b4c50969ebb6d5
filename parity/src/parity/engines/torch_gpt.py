"""The engines' GPT written in torch.nn, as a reference: the same parameter names and formulas."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

_GPT2 = {"vocab_size": 50257, "block_size": 1024}

PRESETS: dict[str, dict[str, int]] = {
    "nano": {"n_layer": 3, "n_head": 3, "n_embd": 48},
    "micro": {"n_layer": 4, "n_head": 4, "n_embd": 128},
    "mini": {"n_layer": 6, "n_head": 6, "n_embd": 192},
    "gpt2": {**_GPT2, "n_layer": 12, "n_head": 12, "n_embd": 768},
    "gpt2-medium": {**_GPT2, "n_layer": 24, "n_head": 16, "n_embd": 1024},
    "gpt2-large": {**_GPT2, "n_layer": 36, "n_head": 20, "n_embd": 1280},
    "gpt2-xl": {**_GPT2, "n_layer": 48, "n_head": 25, "n_embd": 1600},
}


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a GPT, n_embd a multiple of n_head, and its options."""

    vocab_size: int
    block_size: int
    n_layer: int
    n_head: int
    n_embd: int
    dropout: float = 0.0
    bias: bool = True
    norm: str = "layer_norm"
    activation: str = "gelu"
    gradient_checkpointing: bool = False

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        return cls(**{**PRESETS[name], **changes})


class KVCache:
    """The keys and values, (B, H, T, D) each, of all tokens read so far, by layer."""

    def __init__(self) -> None:
        self.length = 0
        self.pasts: dict[nn.Module, torch.Tensor] = {}

    def extend(self, layer: nn.Module, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Append a layer's new keys and values, and return all of them, (2, B, H, S, D)."""
        new = torch.stack((k, v))
        if layer in self.pasts:
            new = torch.cat((self.pasts[layer], new), dim=3)
        self.pasts[layer] = new
        return new


class Attention(nn.Module):
    """Causal self-attention with n_head heads. (B, T, C) -> (B, T, C)."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.dropout = config.dropout
        self.resid_dropout = nn.Dropout(config.dropout)

    def forward(self, x: torch.Tensor, cache: KVCache | None = None) -> torch.Tensor:
        B, T, C = x.shape
        heads = self.c_attn(x).view(B, T, 3, self.n_head, C // self.n_head)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (B, H, T, D)
        p = self.dropout if self.training else 0.0
        if cache is None:
            y = F.scaled_dot_product_attention(query, key, value, dropout_p=p, is_causal=True)
        else:
            key, value = cache.extend(self, key, value)
            S = key.shape[2]
            seen = torch.arange(S) <= torch.arange(S - T, S)[:, None]  # (T, S)
            y = F.scaled_dot_product_attention(query, key, value, seen, dropout_p=p)
        return self.resid_dropout(self.c_proj(y.transpose(1, 2).reshape(B, T, C)))


class MLP(nn.Module):
    """A hidden layer that is four times as wide. (B, T, C) -> (B, T, C)."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)
        self.act = nn.ReLU() if config.activation == "relu" else nn.GELU("tanh")
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.c_proj(self.act(self.c_fc(x))))


class Block(nn.Module):
    """Attention, then an MLP, each after a norm and with a residual connection."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1 = _norm(config)
        self.attn = Attention(config)
        self.ln_2 = _norm(config)
        self.mlp = MLP(config)

    def forward(self, x: torch.Tensor, cache: KVCache | None = None) -> torch.Tensor:
        x = x + self.attn(self.ln_1(x), cache)
        return x + self.mlp(self.ln_2(x))


def _norm(config: GPTConfig) -> nn.Module:
    if config.norm == "rms_norm":
        return nn.RMSNorm(config.n_embd, eps=1e-5)
    return nn.LayerNorm(config.n_embd, bias=config.bias)


class Transformer(nn.Module):
    """Ids (B, T) to features (B, T, C): token and position embeddings, n_layer blocks, a norm."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.drop = nn.Dropout(config.dropout)
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = _norm(config)
        self.checkpointing = config.gradient_checkpointing

    def forward(self, idx: torch.Tensor, cache: KVCache | None = None) -> torch.Tensor:
        past = 0 if cache is None else cache.length
        positions = torch.arange(past, past + idx.shape[1])
        x = self.drop(self.wte(idx) + self.wpe(positions))  # (B, T, C)
        for block in self.h:
            if self.checkpointing and cache is None:
                x = checkpoint(block, x, use_reentrant=False)
            else:
                x = block(x, cache)
        if cache is not None:
            cache.length += idx.shape[1]
        features: torch.Tensor = self.ln_f(x)
        return features


class GPT(nn.Module):
    """A Transformer and a head whose weight is the token embedding's."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.lm_head.weight = self.transformer.wte.weight
        residual = 0.02 / math.sqrt(2 * config.n_layer)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.ndim == 2:
                std = residual if name.endswith("c_proj.weight") else 0.02
                nn.init.normal_(parameter, std=std)

    def forward(
        self,
        idx: torch.Tensor,
        targets: torch.Tensor | None = None,
        cache: KVCache | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Logits (B, T, V) of ids (B, T), and their mean cross-entropy where targets are given.

        cache: of the tokens before idx, to which those of idx are added.
        """
        length = idx.shape[1] + (0 if cache is None else cache.length)
        if length > self.config.block_size:
            raise ValueError(f"{length} tokens do not fit block_size {self.config.block_size}")
        logits = self.lm_head(self.transformer(idx, cache))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """torch's own, but it also takes arrays, as the engines' does."""
        state = {name: torch.as_tensor(value) for name, value in state_dict.items()}
        return super().load_state_dict(state, strict, assign)

    @torch.no_grad()
    def generate(
        self,
        idx: torch.Tensor,
        max_new_tokens: int,
        *,
        do_sample: bool = False,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        use_cache: bool = True,
    ) -> torch.Tensor:
        """Ids (B, T) with max_new_tokens appended: the likeliest, or drawn like the engines'."""
        if seed is None and do_sample:
            seed = int(torch.randint(2**53, ()))
        draws = random.Random(seed)
        cache, size = KVCache() if use_cache else None, self.config.block_size
        modes = {module: module.training for module in self.modules()}
        self.eval()
        try:
            for _ in range(max_new_tokens):
                if cache is None or idx.shape[1] > size:
                    logits = self(idx[:, -size:])[0][:, -1]
                else:
                    logits = self(idx[:, cache.length :], cache=cache)[0][:, -1]
                if do_sample:
                    less = logits.double() - logits.amax(-1, keepdim=True)  # 0 / temperature is 0
                    weights = kept(torch.softmax(less / temperature, -1), top_k, top_p)
                    sums = weights.cumsum(-1)
                    drawn = torch.tensor([[draws.random()] for _ in sums], dtype=sums.dtype)
                    new = torch.searchsorted(sums, drawn * sums[:, -1:], right=True)
                else:
                    new = logits.argmax(-1, keepdim=True)
                idx = torch.cat((idx, new), dim=1)
        finally:
            for module, training in modes.items():
                module.training = training
        return idx


def kept(weights: torch.Tensor, top_k: int | None, top_p: float | None) -> torch.Tensor:
    """weights (B, V) with zeros for all but the top_k largest, and then the largest up to top_p.

    top_p is a share of the sum that top_k leaves, and the weight that reaches it is kept. Of equal
    weights the first counts as the largest.
    """
    ordered, order = weights.sort(dim=-1, descending=True, stable=True)
    if top_k is not None:
        ordered[:, top_k:] = 0
    if top_p is not None:
        sums = ordered.cumsum(-1)
        before = sums.roll(1, -1)
        before[:, 0] = 0
        ordered[before >= top_p * sums[:, -1:]] = 0
    return torch.zeros_like(weights).scatter(-1, order, ordered)
