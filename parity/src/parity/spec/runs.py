"""The training runs: a character GPT on real text, small enough for every engine."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .. import corpus

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Run:
    """One training: the GPT's sizes, the batches, AdamW's settings and how many steps.

    eps is far above torch's default of 1e-8, with which AdamW makes full steps of gradients that
    are nothing but noise: a key's bias has none in truth, since it moves every score of a row
    alike. With 1e-4 a step stays in proportion to its gradient's noise, and the float32 and float64
    trajectories stay within some hundred eps of each other, so that small faults show.
    """

    name: str
    n_layer: int
    n_head: int
    n_embd: int
    characters: int
    block_size: int
    batch_size: int
    steps: int
    lr: float
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-4
    weight_decay: float = 0.1
    prompt: str = "the assert "
    new_tokens: int = 60

    def config(self) -> dict[str, Any]:
        """The arguments of GPTConfig."""
        names = ("n_layer", "n_head", "n_embd", "block_size")
        return {"vocab_size": len(corpus.ALPHABET)} | {name: getattr(self, name) for name in names}

    def optimizer(self) -> dict[str, Any]:
        """The keyword arguments of AdamW."""
        names = ("lr", "betas", "eps", "weight_decay")
        return {name: getattr(self, name) for name in names}

    def settings(self) -> dict[str, Any]:
        return asdict(self)

    def seed(self) -> int:
        return zlib.crc32(self.name.encode())

    def weights(self) -> dict[str, Array]:
        """Initial weights by name, which float32 holds exactly, as float64.

        They are larger than GPT-2's 0.02, with which a small model starts out nearly linear, so
        that one GELU or softmax is like another; and gains and biases are not the usual ones and
        zeros, with which one that is left out would not show.
        """
        rng = np.random.default_rng(self.seed())
        weights = {}
        for name, shape in self.shapes().items():
            std = 1 / math.sqrt(self.n_embd)
            if name.endswith("c_proj.weight"):
                std /= math.sqrt(2 * self.n_layer)
            if name.endswith("bias") or "ln_" in name:
                std = 0.1
            centre = 1.0 if "ln_" in name and name.endswith("weight") else 0.0
            weights[name] = rng.normal(centre, std, shape).astype(np.float32).astype(np.float64)
        weights["lm_head.weight"] = weights["transformer.wte.weight"]
        return weights

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every parameter by name, in the order of the model."""
        width, vocabulary = self.n_embd, len(corpus.ALPHABET)
        shapes: dict[str, tuple[int, ...]] = {
            "transformer.wte.weight": (vocabulary, width),
            "transformer.wpe.weight": (self.block_size, width),
        }
        for layer in range(self.n_layer):
            for part, shape in {
                "ln_1": (width,),
                "attn.c_attn": (3 * width, width),
                "attn.c_proj": (width, width),
                "ln_2": (width,),
                "mlp.c_fc": (4 * width, width),
                "mlp.c_proj": (width, 4 * width),
            }.items():
                shapes[f"transformer.h.{layer}.{part}.weight"] = shape
                shapes[f"transformer.h.{layer}.{part}.bias"] = shape[:1]
        shapes["transformer.ln_f.weight"] = shapes["transformer.ln_f.bias"] = (width,)
        return shapes

    def batches(self) -> Iterator[tuple[Array, Array]]:
        return corpus.batches(self.seed(), self.characters, self.batch_size, self.block_size)


RUNS = (
    # A few lines of text for a model of 2000 weights: more would take micrograd minutes.
    Run("gpt-tiny", 2, 2, 8, characters=128, block_size=8, batch_size=3, steps=150, lr=1e-2),
    Run("gpt-small", 2, 4, 64, characters=4096, block_size=32, batch_size=8, steps=400, lr=3e-3),
)
