"""What a task is: data, a model, a loss and what is measured of it, over any engine.

Initial weights and batches are drawn here with NumPy, so that engines start alike and see the same
data. A batch is a function of the seed and of its number alone: that number is all there is to know
about the position in the data, and a training that goes on later draws what it would have drawn.
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
    """One thing to learn. A subclass draws its data in __init__, before any engine is there.

    name: on the command line. unit: what the speed counts, "tokens" or "samples". epoch: how many
    steps go once through the data, where results are told by epochs; 0 where by steps.
    """

    name: ClassVar[str]
    unit: ClassVar[str] = "samples"
    epoch: int = 0

    settings: Settings

    @abstractmethod
    def model(self, package: Any) -> Any:
        """A new model of the engine whose module this is."""

    @abstractmethod
    def initial(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        """First weights by name (float64), for the names and shapes of the model's parameters."""

    @abstractmethod
    def batch(self, number: int) -> Sequence[Array]:
        """The training batch of this number, counted from 0."""

    @abstractmethod
    def loss(self, engine: Adapter, model: Any, batch: Sequence[Any]) -> Any:
        """The loss of a batch, as a tensor of one element; batch: tensors of the engine.

        A mean over its rows: processes that share a batch weigh theirs by how many they have.
        """

    @abstractmethod
    def evaluate(self, engine: Adapter, model: Any) -> dict[str, float]:
        """Metrics by name, such as "validation loss"; the model is in evaluation, without grad."""

    def units(self, batch: Sequence[Array]) -> int:
        """How many tokens or samples a batch holds."""
        return len(batch[0])

    def closing(self, engine: Adapter, model: Any) -> str:
        """What is to be seen at the end: predictions, a sample of text; "" where there is none."""
        return ""

    def fingerprint(self) -> dict[str, Any]:
        """What the data and the model are: a checkpoint of another is refused."""
        return {"task": self.name}
