"""Tasks whose data is rows of inputs and answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..engines import Adapter
from .batches import Epochs
from .initial import uniform
from .settings import Settings
from .task import Array, Task

CHUNK = 1024  # rows per forward in an evaluation


class Rows(Task):
    """Predict answers from inputs; train and test are pairs of both."""

    def __init__(
        self, settings: Settings, train: tuple[Array, Array], test: tuple[Array, Array]
    ) -> None:
        self.settings = settings
        self.epochs = Epochs(train, settings.batch_size, settings.seed)
        self.test = test
        self._digest = _digest(*train, *test)

    def initial(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        return uniform(shapes, self.settings.seed)

    def batch(self, number: int) -> Sequence[Array]:
        rows, answers = self.epochs.batch(number)
        return self.inputs(rows), answers

    def inputs(self, rows: Array) -> Array:
        """Convert rows to the model's inputs."""
        return rows

    def outputs(self, engine: Adapter, model: Any) -> Array:
        """The model's outputs for the test set."""
        rows, _ = self.test
        parts = (self.inputs(rows[i : i + CHUNK]) for i in range(0, len(rows), CHUNK))
        return np.concatenate([engine.numpy(model(engine.tensor(part))) for part in parts])

    def fingerprint(self) -> dict[str, Any]:
        return {**super().fingerprint(), "data": self._digest}


class Classes(Rows):
    """Predict the class of an input; answers are class indices."""

    def loss(self, engine: Adapter, model: Any, batch: Sequence[Any]) -> Any:
        inputs, classes = batch
        return engine.call("cross_entropy", model(inputs), classes)

    def evaluate(self, engine: Adapter, model: Any) -> dict[str, float]:
        right = self.outputs(engine, model).argmax(axis=1) == self.test[1]
        return {"test accuracy": float(right.mean())}


def _digest(*arrays: Array) -> str:
    """A hash of the shapes, dtypes and numbers of some arrays."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.shape} {array.dtype}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()[:16]
