"""XOR: the smallest task that no single layer can learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import models
from ..engines import Adapter
from .initial import uniform
from .settings import Settings
from .task import Array, Task


class Xor(Task):
    """Tell whether two truth values differ; every batch is the whole truth table.

    Raises ValueError for another batch size.
    """

    name = "xor"

    def __init__(self, settings: Settings) -> None:
        if settings.batch_size != 4:
            raise ValueError("a batch is the whole truth table: leave out --batch-size")
        self.settings = settings
        self.inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], settings.dtype)
        self.answers = np.array([[0], [1], [1], [0]], settings.dtype)

    def model(self, package: Any) -> Any:
        return models.xor(package)

    def initial(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        return uniform(shapes, self.settings.seed)

    def batch(self, number: int) -> Sequence[Array]:
        return self.inputs, self.answers

    def loss(self, engine: Adapter, model: Any, batch: Sequence[Any]) -> Any:
        inputs, answers = batch
        return engine.call("mse_loss", model(inputs), answers)

    def evaluate(self, engine: Adapter, model: Any) -> dict[str, float]:
        return {"largest error": float(np.abs(self._outputs(engine, model) - self.answers).max())}

    def closing(self, engine: Adapter, model: Any) -> str:
        rows = zip(self.inputs, self._outputs(engine, model)[:, 0], strict=True)
        return "\n".join(f"{a:.0f} xor {b:.0f} = {output:.4f}" for (a, b), output in rows)

    def _outputs(self, engine: Adapter, model: Any) -> Array:
        return engine.numpy(model(engine.tensor(self.inputs)))
