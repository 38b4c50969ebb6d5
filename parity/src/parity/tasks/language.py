"""What the tasks that train a GPT have in common: the model, its initial weights, its losses."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import models
from ..engines import Adapter
from . import tokenizers
from .settings import Settings
from .task import Array, Task
from .tokenizers import Tokenizer


class Language(Task):
    """Predict the next token; sizes: the arguments of GPTConfig, except vocab_size."""

    unit = "tokens"
    std = 0.02  # of the initial weights, as in GPT-2
    end = ""  # the character before and after every text, if there are separate texts

    def __init__(
        self, settings: Settings, sizes: Mapping[str, Any], tokenizer: Tokenizer, data: str
    ) -> None:
        self.settings, self.tokenizer = settings, tokenizer
        self.config = {"vocab_size": tokenizer.size, **sizes}
        self._digest = hashlib.sha256(data.encode()).hexdigest()[:16]

    def model(self, package: Any) -> Any:
        return models.gpt(package, **self.config)

    def initial(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        """GPT-2's: the 2 · n_layer matrices that add to the residual stream start smaller."""
        rng = np.random.default_rng(self.settings.seed)
        drawn = {}
        for name, shape in shapes.items():
            if len(shape) == 1:
                drawn[name] = np.zeros(shape) if name.endswith("bias") else np.ones(shape)
                continue
            added = name.endswith("c_proj.weight")
            std = self.std / math.sqrt(2 * self.config["n_layer"]) if added else self.std
            drawn[name] = rng.normal(0, std, shape)
        return drawn

    def loss(self, engine: Adapter, model: Any, batch: Sequence[Any]) -> Any:
        _, loss = model(*batch)
        return loss

    def units(self, batch: Sequence[Array]) -> int:
        return batch[0].size

    def fingerprint(self) -> dict[str, Any]:
        return {
            **super().fingerprint(),
            "data": self._digest,
            "model": self.config,
            "end": self.end,
            "tokenizer": tokenizers.state(self.tokenizer),
        }


def mean_loss(engine: Adapter, model: Any, batches: Sequence[tuple[Array, Array]]) -> float:
    """The mean cross-entropy over all tokens of the batches."""
    total = count = 0.0
    for inputs, targets in batches:
        _, loss = model(engine.tensor(inputs), engine.tensor(targets))
        total += engine.numpy(loss).item() * targets.size
        count += targets.size
    return total / count
