"""Sales: predict the total of a sale from its quantity, unit price, category and day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .. import models
from ..engines import Adapter
from .data.sales import Sales
from .rows import Rows
from .settings import Settings
from .task import Array

EPOCHS = 5
ADAM, SGD = 3e-3, 0.1  # learning rates


def defaults(sales: Sales, chosen: Settings) -> Settings:
    """EPOCHS epochs for the chosen batch size, each with an evaluation at its end."""
    epoch = _epoch(sales, chosen)
    lr = SGD if chosen.optimizer == "SGD" else ADAM
    return replace(chosen, steps=EPOCHS * epoch, eval_every=epoch, lr=lr)


class Standard:
    """Standardization by the mean and standard deviation of some numbers."""

    def __init__(self, numbers: Array) -> None:
        self.mean = numbers.mean(axis=0)
        deviation = numbers.std(axis=0)
        self.deviation = np.where(deviation > 0, deviation, 1.0)  # 0 if all are equal

    def apply(self, numbers: Array) -> Array:
        return (numbers - self.mean) / self.deviation

    def undo(self, standard: Array) -> Array:
        return standard * self.deviation + self.mean


def features(sales: Sales, training: int) -> Array:
    """Quantity, unit price and day, then one column per category. (N, 3 + categories)

    Only the first rows, as many as training says, determine the scale and the categories; another
    category has zeros in all columns.
    """
    numbers = np.stack((sales.quantity, sales.unit_price, sales.day), axis=1)
    categories = sorted(set(sales.category[:training]))
    column = {category: i for i, category in enumerate(categories)}
    columns = np.array([column.get(category, -1) for category in sales.category])
    one_hot = columns[:, None] == np.arange(len(categories))  # (N, categories)
    return np.concatenate((Standard(numbers[:training]).apply(numbers), one_hot), axis=1)


class SalesTotals(Rows):
    """Predict the total of a sale. The last fifth of the file is the test set.

    Metrics are in the units of the file.
    """

    name = "sales"

    def __init__(self, settings: Settings, sales: Sales) -> None:
        training = _training(sales)
        x = features(sales, training).astype(settings.dtype)  # (N, features)
        self.width = x.shape[1]
        self.standard = Standard(sales.total[:training, None])
        y = self.standard.apply(sales.total[:training, None]).astype(settings.dtype)
        self.epoch = _epoch(sales, settings)
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


def _epoch(sales: Sales, settings: Settings) -> int:
    """Steps per epoch."""
    return -(-_training(sales) // (settings.batch_size * settings.accumulate))


def _training(sales: Sales) -> int:
    """The number of sales for training."""
    if len(sales) < 2:
        raise ValueError("one sale is too few: one is needed for training, one for the test")
    return len(sales) * 4 // 5
