"""The GPT: its options, its cache, and how it generates text."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from .case import Array, Call, exact
from .part import Model

# Ways to split a full context into parts that are read one after the other into a cache.
PIECES = ((1,) * 7, (3, 1, 2, 1), (1, 6), (7,))
# Keyword arguments of generate; each set makes one text.
CHOICES: tuple[Mapping[str, Any], ...] = (
    {},
    {"do_sample": True, "seed": 1},
    {"do_sample": True, "seed": 2, "temperature": 1.7, "top_k": 4},
    {"do_sample": True, "seed": 3, "temperature": 0.8, "top_p": 0.8},
    {"do_sample": True, "seed": 4, "temperature": 2.5, "top_k": 6, "top_p": 0.7},
)
NEW_TOKENS = 12  # enough for the text to outgrow the context


class Writing(Call):
    """A small GPT with these options of GPTConfig: Writing(norm="rms_norm").

    No two of its sizes are equal, except for n_layer and n_head.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__((), options)

    def config(self) -> dict[str, Any]:
        """The arguments of GPTConfig."""
        sizes = {"vocab_size": 13, "block_size": 7, "n_layer": 2, "n_head": 2, "n_embd": 10}
        return {**sizes, **self.kwargs}

    def weights(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        """Weights, exact in float32, for parameters of these names and shapes.

        Gains are near one. Other weights are so large that the text is not one repeated token.
        """
        rng = np.random.default_rng(zlib.crc32(self.id.encode()))
        weights = {}
        for name, shape in shapes.items():
            gain = ".ln_" in name and name.endswith("weight")
            std = 0.2 if len(shape) == 1 else 2 / math.sqrt(self.config()["n_embd"])
            weights[name] = exact(rng.normal(1.0 if gain else 0.0, std, shape))
        weights["lm_head.weight"] = weights["transformer.wte.weight"]
        return weights

    def ids(self, columns: int) -> Array:
        """Token ids (3, columns)."""
        rng = np.random.default_rng(columns)
        return rng.integers(0, self.config()["vocab_size"], (3, columns))


MODELS = (Model("GPT", Writing(), Writing(norm="rms_norm", activation="relu", bias=False)),)
