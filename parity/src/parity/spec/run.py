"""What a training run is made of: a model, data, a loss, an optimizer, and so on.

Each of these is a New: a function or class, which every engine has under the same name, and its
arguments.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .case import Array, exact
from .part import New

Batch = tuple[Array, Array]


@dataclass(frozen=True)
class Run:
    """A training with the same initial weights, batches and dropout masks for every engine.

    All of these are drawn here. Each depends only on the run's name, and on its own number or name.
    A mask replaces the random choice of every Dropout module.
    """

    name: str
    model: New  # a function of parity.models, which takes an engine's package first
    data: New  # a function that takes a random generator and returns inputs and targets
    loss: New | None  # a class of torch.nn; None if the model itself returns (outputs, loss)
    optimizer: New  # a class of torch.optim
    steps: int
    scheduler: New | None = None  # of torch.optim.lr_scheduler, stepped after the optimizer
    clip: New | None = None  # a function of torch.nn.utils, called before the optimizer's step
    accumulate: int = 1  # batches per step; torch takes them as one large batch
    prompt: str = ""  # if the model generates: what it continues after the last step
    new_tokens: int = 0  # by how many characters

    def settings(self) -> dict[str, Any]:
        """The fields, as text where they are New."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: repr(v) if isinstance(v, New) else v for name, v in fields.items()}

    def batches(self, step: int) -> list[Batch]:
        """The inputs and targets of a step, counted from 1."""
        return [self.data(self._rng(f"batch {i} of step {step}")) for i in range(self.accumulate)]

    def mask(self, step: int, call: int, shape: tuple[int, ...], p: float) -> Array:
        """The mask of a step's call-th Dropout: 0 with probability p, else 1 / (1 - p)."""
        kept = self._rng(f"mask {call} of step {step}").random(shape) >= p
        return kept / (1 - p)

    def weights(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        """Initial weights by name, exact in float32, as float64.

        They are larger than usual: otherwise a small model starts out nearly linear, and a wrong
        GELU or softmax would not show. Gains and biases are not the usual ones and zeros, or a
        forgotten one would not show.
        """
        return {name: self._drawn(name, shape) for name, shape in shapes.items()}

    def _drawn(self, name: str, shape: tuple[int, ...]) -> Array:
        gain = len(shape) == 1 and name.endswith("weight")
        std = 0.1 if len(shape) == 1 else 1 / math.sqrt(math.prod(shape[1:]))
        return exact(self._rng(f"weights of {name}").normal(float(gain), std, shape))

    def _rng(self, what: str) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(f"{self.name}: {what}".encode()))
