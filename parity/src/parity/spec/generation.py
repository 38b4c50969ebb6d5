"""GPTs that write: their options, what they have read, and how they choose what comes next."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Writing:
    """A small GPT with weights of its own; no two of its sizes are equal, but for the heads'.

    options: of GPTConfig, besides the sizes. parts: how a full context is cut for a cache that
    reads part after part. choices: keyword arguments of generate, each of them one text, which
    outgrows the context.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[tuple[int, ...], ...] = ((1,) * 7, (3, 1, 2, 1), (1, 6), (7,))
    choices: tuple[Mapping[str, Any], ...] = (
        {},
        {"do_sample": True, "seed": 1},
        {"do_sample": True, "seed": 2, "temperature": 1.7, "top_k": 4},
        {"do_sample": True, "seed": 3, "temperature": 0.8, "top_p": 0.8},
        {"do_sample": True, "seed": 4, "temperature": 2.5, "top_k": 6, "top_p": 0.7},
    )
    new_tokens: int = 12

    def config(self) -> dict[str, Any]:
        """The arguments of GPTConfig."""
        sizes = {"vocab_size": 13, "block_size": 7, "n_layer": 2, "n_head": 2, "n_embd": 10}
        return {**sizes, **self.options}

    def weights(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        """Numbers that float32 holds exactly for every parameter of these names and shapes.

        Gains are near one, all else is large enough that the texts do not repeat one token.
        """
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        weights = {}
        for name, shape in shapes.items():
            gain = ".ln_" in name and name.endswith("weight")
            std = 0.2 if len(shape) == 1 else 2 / math.sqrt(self.config()["n_embd"])
            drawn = rng.normal(1.0 if gain else 0.0, std, shape)
            weights[name] = drawn.astype(np.float32).astype(np.float64)
        weights["lm_head.weight"] = weights["transformer.wte.weight"]
        return weights

    def ids(self, columns: int) -> Array:
        """Token ids (3, columns)."""
        rng = np.random.default_rng(columns)
        return rng.integers(0, self.config()["vocab_size"], (3, columns))


WRITINGS = (
    Writing("gpt2"),
    Writing("plain", {"norm": "rms_norm", "activation": "relu", "bias": False}),
)
