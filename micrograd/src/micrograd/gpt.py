"""GPT: embeddings, blocks of attention and MLP that add to one stream, and a prediction.

Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; the parameters carry
GPT-2's names.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from . import nn, ops, pretrained
from .arguments import flag, ids, in_range, number, option, whole
from .engine import Value, no_grad
from .lists import Tensor, shape, tolist, unnest
from .ops.attention import self_attention
from .sampling import Sampler
from .serialization import StrPath

_GPT2 = {"vocab_size": 50257, "block_size": 1024}

PRESETS: dict[str, dict[str, int]] = {
    # minGPT's small ones; vocab_size and block_size depend on the text.
    "nano": {"n_layer": 3, "n_head": 3, "n_embd": 48},
    "micro": {"n_layer": 4, "n_head": 4, "n_embd": 128},
    "mini": {"n_layer": 6, "n_head": 6, "n_embd": 192},
    # Radford et al. 2019, table 2; the heads are those of the published weights.
    "gpt2": {**_GPT2, "n_layer": 12, "n_head": 12, "n_embd": 768},
    "gpt2-medium": {**_GPT2, "n_layer": 24, "n_head": 16, "n_embd": 1024},
    "gpt2-large": {**_GPT2, "n_layer": 36, "n_head": 20, "n_embd": 1280},
    "gpt2-xl": {**_GPT2, "n_layer": 48, "n_head": 25, "n_embd": 1600},
}


@dataclass(frozen=True)
class GPTConfig:
    """The sizes and the options of a GPT."""

    vocab_size: int
    block_size: int  # the longest context it sees
    n_layer: int
    n_head: int
    n_embd: int
    dropout: float = 0.0
    bias: bool = True  # in the linear layers and layer norms
    norm: str = "layer_norm"  # or "rms_norm"
    activation: str = "gelu"  # its tanh form; or "relu"
    gradient_checkpointing: bool = False  # True is refused: a graph of numbers is kept whole

    def __post_init__(self) -> None:
        for name in ("vocab_size", "block_size", "n_layer", "n_head", "n_embd"):
            whole("GPTConfig", name, getattr(self, name), 1)
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd {self.n_embd} is not a multiple of n_head {self.n_head}")
        number("GPTConfig", "dropout", self.dropout)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"GPTConfig: dropout must lie in [0, 1), not {self.dropout}")
        flag("GPTConfig", "bias", self.bias)
        flag("GPTConfig", "gradient_checkpointing", self.gradient_checkpointing)
        option("GPTConfig", "norm", self.norm, ("layer_norm", "rms_norm"))
        option("GPTConfig", "activation", self.activation, ("gelu", "relu"))
        if self.gradient_checkpointing:
            raise ValueError(
                "micrograd cannot recompute blocks: leave gradient_checkpointing False"
            )

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """A config with the sizes of a preset; changes replace them or fill in what they lack."""
        option("GPTConfig", "preset", name, tuple(PRESETS))
        return cls(**{**PRESETS[name], **changes})


class KVCache:
    """The keys and values of the tokens that a GPT has read, which are then not computed again.

    One cache serves one GPT and one batch. length: how many tokens of each row it holds.
    """

    def __init__(self) -> None:
        self.length = 0
        self._seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def extend(self, layer: nn.Module, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append a layer's k and v, (B, H, T, D), and return all it has: (B, H, S, D)."""
        if layer in self._seen:
            old_k, old_v = self._seen[layer]
            k, v = ops.cat([old_k, k], 2), ops.cat([old_v, v], 2)
        self._seen[layer] = k, v
        return k, v


class Attention(nn.Module):
    """Causal self-attention with several heads: (B, T, C) -> (B, T, C)."""

    def __init__(self, config: GPTConfig) -> None:
        self.n_head, self.dropout = config.n_head, config.dropout
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, config.bias)
        self.resid_dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, cache: KVCache | None = None) -> Tensor:
        qkv = self.c_attn(x)  # (B, T, 3 C)
        dropout_p = self.dropout if self.training else 0.0
        if cache is None:
            y = self_attention(qkv, self.n_head, dropout_p)
        else:
            y = self._continued(qkv, dropout_p, cache)
        return self.resid_dropout(self.c_proj(y))

    def _continued(self, qkv: Tensor, dropout_p: float, cache: KVCache) -> Tensor:
        """self_attention of tokens that follow those in a cache: (B, T, 3 C) -> (B, T, C)."""
        B, T, width = shape(qkv)
        C, past = width // 3, cache.length
        q, k, v = (
            ops.transpose(ops.view(part, (B, T, self.n_head, C // self.n_head)), 1, 2)
            for part in ops.split(qkv, C, dim=2)
        )  # (B, H, T, D)
        k, v = cache.extend(self, k, v)  # (B, H, past + T, D)
        mask = ops.tril(ops.ones((T, past + T), dtype=bool), past) if past and T > 1 else None
        y = ops.scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal=not past)
        return ops.reshape(ops.transpose(y, 1, 2), (B, T, C))


class MLP(nn.Module):
    """Each position on its own, through four times the width: (B, T, C) -> (B, T, C)."""

    def __init__(self, config: GPTConfig) -> None:
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, config.bias)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, config.bias)
        self.act = nn.ReLU() if config.activation == "relu" else nn.GELU("tanh")
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.c_proj(self.act(self.c_fc(x))))


class Block(nn.Module):
    """Attention, then the MLP, each reading a normalized stream and adding to it."""

    def __init__(self, config: GPTConfig) -> None:
        self.ln_1 = _norm(config)
        self.attn = Attention(config)
        self.ln_2 = _norm(config)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, cache: KVCache | None = None) -> Tensor:
        x = ops.add(x, self.attn(self.ln_1(x), cache))
        return ops.add(x, self.mlp(self.ln_2(x)))


def _norm(config: GPTConfig) -> nn.Module:
    if config.norm == "rms_norm":
        return nn.RMSNorm(config.n_embd, eps=1e-5)
    return nn.LayerNorm(config.n_embd, bias=config.bias)


class Transformer(nn.Module):
    """Token ids to normalized features: (B, T) -> (B, T, C)."""

    def __init__(self, config: GPTConfig) -> None:
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.drop = nn.Dropout(config.dropout)
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = _norm(config)

    def forward(self, idx: Tensor, cache: KVCache | None = None) -> Tensor:
        T = shape(idx)[1]
        past = 0 if cache is None else cache.length
        positions = list(range(past, past + T))
        x = self.drop(ops.add(self.wte(idx), self.wpe(positions)))  # (B, T, C)
        for block in self.h:
            x = block(x, cache)
        if cache is not None:
            cache.length += T
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
            if len(shape(parameter)) == 2:
                nn.init.normal_(parameter, 0.0, std)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(
        self, idx: Tensor, targets: Tensor | None = None, cache: KVCache | None = None
    ) -> tuple[Tensor, Value | None]:
        """Token ids (B, T) -> logits (B, T, V), and the mean cross entropy if there are targets.

        targets: the ids that should come next, (B, T). cache: holds the tokens before idx; those
        of idx are added to it. It starts out empty. Raises ValueError for more than block_size
        tokens, those in the cache included, and for targets of another shape, or beside a cache.
        """
        B, T = _batch("GPT", idx)
        past = 0 if cache is None else cache.length
        if past + T > self.config.block_size:
            known = f" after {past} in the cache" if past else ""
            raise ValueError(f"{T} tokens{known} for a block_size of {self.config.block_size}")
        if cache is not None and targets is not None:
            raise ValueError("GPT: targets and a cache exclude each other")
        if targets is not None and shape(targets) != (B, T):
            raise ValueError(f"GPT: targets of shape {shape(targets)} for ids of {(B, T)}")
        logits = self.lm_head(self.transformer(idx, cache))  # (B, T, V)
        if targets is None:
            return logits, None
        flat = ops.reshape(logits, (B * T, self.config.vocab_size))
        return logits, ops.cross_entropy(flat, ops.reshape(targets, (B * T,)))

    @no_grad()
    def generate(
        self,
        idx: Tensor,
        max_new_tokens: int,
        *,
        do_sample: bool = False,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        use_cache: bool = True,
    ) -> list[list[int]]:
        """Ids (B, T) with max_new_tokens appended, each predicted from the last block_size ids.

        Each is the likeliest token, the first of equals; or, if do_sample, one drawn as Sampler
        says: the arguments up to seed are for that alone. One seed writes the same text on every
        engine; None draws a seed from the engine's generator. use_cache: read each token only
        once, which changes no token. Once the context has outgrown block_size, every step shifts
        the positions of the tokens in it, so that the whole context is read again for each token.

        The model is in evaluation mode meanwhile. Raises ValueError for a prompt without tokens
        and for arguments out of range, IndexError for unknown ids.
        """
        whole("generate", "max_new_tokens", max_new_tokens, 0)
        sampler = Sampler(do_sample, temperature, top_k, top_p, seed)
        _, T = _batch("generate", idx)
        if not T:
            raise ValueError(f"generate: expected ids (B, T) with T > 0, not {shape(idx)}")
        for item in ids("generate", "ids", idx)[0]:
            in_range("generate", "id", item, self.config.vocab_size)
        tokens = [list(row) for row in idx]
        cache = KVCache() if use_cache else None
        with self._evaluating():
            for end in range(T, T + max_new_tokens):
                chosen = sampler(self._next_logits(tokens, end, cache))
                for row, token in zip(tokens, chosen, strict=True):
                    row.append(token)
        return tokens

    def _next_logits(
        self, tokens: list[list[int]], end: int, cache: KVCache | None
    ) -> list[list[float]]:
        """The logits after the end tokens of each row, of which a cache holds all but new ones."""
        if cache is None or end > self.config.block_size:
            logits, _ = self([row[-self.config.block_size :] for row in tokens])
        else:
            logits, _ = self([row[cache.length :] for row in tokens], cache=cache)
        return [tolist(row[-1]) for row in logits]

    @contextlib.contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Inside, every module is in evaluation mode; afterwards in the mode it was in before."""
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training

    def num_parameters(self) -> int:
        """How many numbers the parameters have; a tied one counts once, a frozen one, too."""
        return sum(len(unnest(parameter)[0]) for parameter in self.parameters())

    @classmethod
    def from_pretrained(cls, folder: StrPath, state: Mapping[str, Any] | None = None) -> Self:
        """The GPT-2 in a folder that transformers or save_pretrained wrote, in evaluation mode.

        state: the arrays of the folder's model.safetensors by name; only config.json is then read.
        Raises FileNotFoundError for a missing file, ValueError for a model that GPT cannot be,
        RuntimeError for weights that do not fit.
        """
        config, weights = pretrained.read(folder, state)
        model = cls(GPTConfig(**config))
        model.load_state_dict(weights)
        return model.eval()

    def save_pretrained(self, folder: StrPath) -> None:
        """Write to a folder, new or not, the files that from_pretrained reads.

        Raises ValueError for options that GPT-2 does not have: bias=False, say.
        """
        pretrained.write(folder, asdict(self.config), self.state_dict())


def _batch(caller: str, idx: Tensor) -> tuple[int, int]:
    """The shape (B, T) of token ids."""
    if len(shape(idx)) != 2:
        raise ValueError(f"{caller}: expected ids of shape (B, T), not {shape(idx)}")
    B, T = shape(idx)
    return B, T
