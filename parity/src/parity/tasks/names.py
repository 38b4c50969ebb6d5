"""Names: a tiny GPT learns to make up names, one name at a time."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ..engines import Adapter
from .batches import Epochs
from .language import Language, mean_loss
from .settings import Settings
from .task import Array
from .text import read
from .tokenizers import Characters

SIZES = {
    "n_layer": 1,
    "n_head": 4,
    "n_embd": 16,
    "block_size": 16,
    "bias": False,
    "norm": "rms_norm",
    "activation": "relu",
}
SAMPLES, TEMPERATURE = 20, 0.6


class Names(Language):
    """A batch is one name, so that no padding is needed; a tenth of the names is for validation.

    A name longer than the context is cut. Raises ValueError for fewer than two names, and for a
    batch size other than 1.
    """

    name = "names"
    std = 0.08  # a model this small needs larger weights than GPT-2
    end = "\n"

    def __init__(self, settings: Settings, names: Sequence[str]) -> None:
        if settings.batch_size != 1:
            raise ValueError("a batch is one name: --accumulate makes a step of several")
        if len(names) < 2:
            raise ValueError("one name is too few: one is needed for training, one for validation")
        text = "".join(f"{self.end}{name}" for name in names) + self.end
        super().__init__(settings, SIZES, Characters.of(text), text)
        order = np.random.default_rng(0).permutation(len(names))
        validation, training = np.split(order, [max(len(names) // 10, 1)])
        self.validation = [self._pair(names[i]) for i in validation]
        self.training = [self._pair(names[i]) for i in training]
        self.epochs = Epochs([np.arange(len(training))], 1, settings.seed)

    def batch(self, number: int) -> tuple[Array, Array]:
        ((index,),) = self.epochs.batch(number)
        return self.training[index]

    def evaluate(self, engine: Adapter, model: Any) -> dict[str, float]:
        return {"validation loss": mean_loss(engine, model, self.validation)}

    def closing(self, engine: Adapter, model: Any) -> str:
        """Some names that the model makes up."""
        prompt = engine.tensor(np.array([self.tokenizer.encode(self.end)] * SAMPLES))
        how = {"do_sample": True, "temperature": TEMPERATURE, "seed": self.settings.seed}
        written = model.generate(prompt, self.config["block_size"] - 1, **how)
        rows = (self.tokenizer.decode(row[1:].tolist()) for row in engine.numpy(written))
        return "\n".join(row.partition(self.end)[0] for row in rows)

    def _pair(self, name: str) -> tuple[Array, Array]:
        """The ids of a name, and the ids that follow each of them, both (1, T)."""
        ids = np.array([self.tokenizer.encode(f"{self.end}{name}{self.end}")], np.int64)
        ids = ids[:, : self.config["block_size"] + 1]
        return ids[:, :-1], ids[:, 1:]


def listed(path: Path | None) -> list[str]:
    """The names in a file, one per line; by default the names that come with parity."""
    if path is None:
        text = resources.files(__package__).joinpath("data/names.txt").read_text("utf-8")
    else:
        text = read(path)
    return [name for line in text.split("\n") if (name := line.strip())]
