"""Sales: what a sale came to, from how many were sold, at what price, of what, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import models
from ..engines import Adapter
from .data.sales import Sales
from .rows import Rows
from .task import Array, Settings

EPOCHS = 5


def defaults(sales: Sales, optimizer: str = "Adam") -> Settings:
    """Some epochs, and an evaluation after each; SGD wants larger steps than what adapts them."""
    training = _training(sales)
    size = 256
    epoch = -(-training // size)
    lr = 0.1 if optimizer == "SGD" else 3e-3
    return Settings(EPOCHS * epoch, size, optimizer, lr, eval_every=epoch)


class Standard:
    """Numbers as they differ from the mean of some, in their standard deviations."""

    def __init__(self, numbers: Array) -> None:
        self.mean = numbers.mean(axis=0)
        deviation = numbers.std(axis=0)
        self.deviation = np.where(deviation > 0, deviation, 1.0)  # of what never changes

    def apply(self, numbers: Array) -> Array:
        return (numbers - self.mean) / self.deviation

    def undo(self, standard: Array) -> Array:
        return standard * self.deviation + self.mean


def features(sales: Sales, training: int) -> Array:
    """Quantity, unit price and day, then one column per category. (N, 3 + categories)

    They are scaled by the first rows alone, as many as training says, and only categories that
    occur there have a column: all columns are 0 for another.
    """
    numbers = np.stack((sales.quantity, sales.unit_price, sales.day), axis=1)
    categories = sorted(set(sales.category[:training]))
    column = {category: i for i, category in enumerate(categories)}
    columns = np.array([column.get(category, -1) for category in sales.category])
    one_hot = columns[:, None] == np.arange(len(categories))  # (N, categories)
    return np.concatenate((Standard(numbers[:training]).apply(numbers), one_hot), axis=1)


class SalesTotals(Rows):
    """The total of a sale; the first four fifths of the file are for training, the rest for test.

    Metrics are in the units of the file.
    """

    name = "sales"

    def __init__(self, settings: Settings, sales: Sales) -> None:
        training = _training(sales)
        x = features(sales, training).astype(settings.dtype)  # (N, features)
        self.width = x.shape[1]
        self.standard = Standard(sales.total[:training, None])
        y = self.standard.apply(sales.total[:training, None]).astype(settings.dtype)
        super().__init__(settings, (x[:training], y), (x[training:], sales.total[training:, None]))

    def model(self, package: Any) -> Any:
        return models.sales(package, self.width)

    def loss(self, engine: Adapter, model: Any, batch: Sequence[Any]) -> Any:
        x, y = batch
        return engine.call("mse_loss", model(x), y)

    def evaluate(self, engine: Adapter, model: Any) -> dict[str, float]:
        _, total = self.test
        predicted = self.standard.undo(self.outputs(engine, model).astype(float))
        return {
            "test MAE": float(np.abs(predicted - total).mean()),
            "test MAE of the mean": float(np.abs(self.standard.mean - total).mean()),
        }


def _training(sales: Sales) -> int:
    """How many sales are for training."""
    if len(sales) < 2:
        raise ValueError("one sale is too few: one is needed for training, one for the test")
    return len(sales) * 4 // 5
