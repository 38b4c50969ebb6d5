"""How a task is trained: what every task can be asked on the command line."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

FLOOR = 0.1  # of lr is left where a schedule ends


@dataclass(frozen=True)
class Settings:
    """How a task is trained; its options on the command line have the same names.

    steps: of the optimizer. accumulate: batches whose gradients make one step. eval_every,
    checkpoint_every: steps; 0 is only at the end. schedule: constant, linear or cosine, down to a
    tenth of lr over all steps; warmup: steps at the beginning in which lr rises. clip: the largest
    norm of all gradients together; 0 leaves them. dtype: float32 or float64; an engine of one dtype
    has its own.
    """

    steps: int
    batch_size: int
    optimizer: str = "AdamW"
    lr: float = 1e-3
    weight_decay: float = 0.0
    accumulate: int = 1
    eval_every: int = 0
    checkpoint_every: int = 0
    schedule: str = "constant"
    warmup: int = 0
    clip: float = 0.0
    seed: int = 0
    dtype: str = "float32"

    def due(self, step: int, every: int) -> bool:
        """Whether what is done every so many steps is done after this one, counted from 1."""
        return step == self.steps or (every > 0 and step % every == 0)

    def factor(self, step: int) -> float:
        """What lr is multiplied by in this step, counted from 0."""
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        return SCHEDULES[self.schedule]((step - self.warmup) / max(self.steps - self.warmup, 1))

    def decisive(self) -> dict[str, Any]:
        """What the weights after each step depend on: a training goes on under the same alone."""
        decisive = asdict(self)
        for name in ("eval_every", "checkpoint_every"):
            del decisive[name]
        if self.schedule == "constant":
            del decisive["steps"]  # any number of them begins alike
        return decisive


SCHEDULES: dict[str, Callable[[float], float]] = {
    # From the share of the steps that are done to what is left of lr.
    "constant": lambda done: 1.0,
    "linear": lambda done: 1 - (1 - FLOOR) * done,
    "cosine": lambda done: FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * min(done, 1.0))) / 2,
}
OPTIMIZERS = ("SGD", "Adagrad", "RMSprop", "Adam", "AdamW")
DTYPES = ("float32", "float64")
