"""The settings of a training, which every task takes on the command line."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

FLOOR = 0.1  # the share of lr at which a schedule ends


@dataclass(frozen=True)
class Settings:
    """How a task is trained; the command-line options have the same names."""

    steps: int
    batch_size: int
    optimizer: str = "AdamW"
    lr: float = 1e-3
    weight_decay: float = 0.0
    accumulate: int = 1  # batches per step
    eval_every: int = 0  # steps; 0 evaluates only at the end
    checkpoint_every: int = 0  # steps; 0 writes a checkpoint only at the end
    schedule: str = "constant"  # or linear, cosine: down to FLOOR times lr
    warmup: int = 0  # steps over which lr first rises
    clip: float = 0.0  # the largest norm of all gradients together; 0 does not clip
    seed: int = 0
    dtype: str = "float32"  # or float64; ignored by an engine with a single dtype

    def due(self, step: int, every: int) -> bool:
        """Whether something that happens every so many steps happens after this one (from 1)."""
        return step == self.steps or (every > 0 and step % every == 0)

    def factor(self, step: int) -> float:
        """What lr is multiplied by in this step (from 0)."""
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        return SCHEDULES[self.schedule]((step - self.warmup) / max(self.steps - self.warmup, 1))

    def decisive(self) -> dict[str, Any]:
        """The settings that the weights depend on, which must be the same to resume a training."""
        decisive = asdict(self)
        for name in ("eval_every", "checkpoint_every"):
            del decisive[name]
        if self.schedule == "constant":
            del decisive["steps"]  # more steps start with the same ones
        return decisive


SCHEDULES: dict[str, Callable[[float], float]] = {
    # From the share of the steps that are done to a factor of lr.
    "constant": lambda done: 1.0,
    "linear": lambda done: 1 - (1 - FLOOR) * done,
    "cosine": lambda done: FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * done)) / 2,
}
OPTIMIZERS = ("SGD", "Adagrad", "RMSprop", "Adam", "AdamW")
DTYPES = ("float32", "float64")
