"""A task: data, a model, a loss and metrics, for any engine.

Initial weights and batches are drawn with NumPy, so that all engines start alike and see the same
data. A batch depends only on the seed and its number, so a training that resumes at some step sees
the batches that it would have seen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..engines import Adapter
from .settings import Settings

Array = np.ndarray[Any, Any]


class Task(ABC):
    """Something to learn. A subclass draws its data in __init__, independently of any engine."""

    name: ClassVar[str]  # on the command line
    unit: ClassVar[str] = "samples"  # or "tokens": what the speed is counted in
    epoch: int = 0  # steps per epoch, if results are shown by epoch; 0 shows them by step

    settings: Settings

    @abstractmethod
    def model(self, package: Any) -> Any:
        """A new model; package: the engine's module."""

    @abstractmethod
    def initial(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        """Initial weights by name (float64), given the names and shapes of the parameters."""

    @abstractmethod
    def batch(self, number: int) -> Sequence[Array]:
        """Training batch number n, counted from 0."""

    @abstractmethod
    def loss(self, engine: Adapter, model: Any, batch: Sequence[Any]) -> Any:
        """The loss of a batch of the engine's tensors, as a tensor with one element.

        It is the mean over the rows: processes that share a batch weight theirs by rows.
        """

    @abstractmethod
    def evaluate(self, engine: Adapter, model: Any) -> dict[str, float]:
        """Metrics by name, such as "validation loss"; called in eval mode and without grad."""

    def units(self, batch: Sequence[Array]) -> int:
        """How many tokens or samples a batch holds."""
        return len(batch[0])

    def closing(self, engine: Adapter, model: Any) -> str:
        """Text to print at the end, such as predictions or generated text; empty for none."""
        return ""

    def fingerprint(self) -> dict[str, Any]:
        """Identifies the data and the model, so that a checkpoint of others is refused."""
        return {"task": self.name}
