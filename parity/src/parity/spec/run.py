"""What a training run is made of: a model, data, a loss, an optimizer, and what else paces it.

Each is a New: a class or function, which every engine has under the same name, and its arguments.
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
    """One training, from weights and on batches that are drawn here, so that no engine draws any.

    model: a function of parity.models, which takes an engine's package first. data: a function of a
    random generator that gives inputs and targets; floats are numbers that float32 holds exactly.
    loss: a class of torch.nn; None if the model takes inputs and targets and gives (outputs, loss).
    optimizer: of torch.optim. scheduler: of torch.optim.lr_scheduler, a step for every one of the
    optimizer. clip: a function of torch.nn.utils, between backward and step. accumulate: how many
    batches make a step, which torch takes as one. prompt: for a model that generates, what it goes
    on from with new_tokens characters after the last step.

    In the place of every Dropout module stand masks, also drawn here, the same for every engine. A
    batch, a mask and a parameter's weights each depend on the run's name and on their own number
    or name alone.
    """

    name: str
    model: New
    data: New
    loss: New | None
    optimizer: New
    steps: int
    scheduler: New | None = None
    clip: New | None = None
    accumulate: int = 1
    prompt: str = ""
    new_tokens: int = 0

    def settings(self) -> dict[str, Any]:
        """Its fields, in words where they are things to be made."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: repr(v) if isinstance(v, New) else v for name, v in fields.items()}

    def batches(self, step: int) -> list[Batch]:
        """The inputs and targets of a step, counted from 1."""
        return [self.data(self._rng(f"batch {i} of step {step}")) for i in range(self.accumulate)]

    def mask(self, step: int, call: int, shape: tuple[int, ...], p: float) -> Array:
        """What a step's call-th Dropout multiplies by: 0 with probability p, or 1 / (1 - p)."""
        kept = self._rng(f"mask {call} of step {step}").random(shape) >= p
        return kept / (1 - p)

    def weights(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        """Initial weights by name, which float32 holds exactly, as float64.

        They are larger than the usual ones, with which a small model starts out nearly linear, so
        that one GELU or softmax is like another; and gains and biases are not the usual ones and
        zeros, with which one that is left out would not show.
        """
        return {name: self._drawn(name, shape) for name, shape in shapes.items()}

    def _drawn(self, name: str, shape: tuple[int, ...]) -> Array:
        gain = len(shape) == 1 and name.endswith("weight")
        std = 0.1 if len(shape) == 1 else 1 / math.sqrt(math.prod(shape[1:]))
        return exact(self._rng(f"weights of {name}").normal(float(gain), std, shape))

    def _rng(self, what: str) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(f"{self.name}: {what}".encode()))
