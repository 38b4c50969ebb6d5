"""Two moons: points of the plane on two interleaving half circles."""

from __future__ import annotations

from typing import Any

from sklearn.datasets import make_moons

from .. import models
from .rows import Classes
from .settings import Settings

POINTS = 500
NOISE = 0.08


class Moons(Classes):
    """Tell which moon a point belongs to; a fifth of the points is the test set."""

    name = "moons"

    def __init__(self, settings: Settings) -> None:
        points, moons = make_moons(POINTS, noise=NOISE, random_state=settings.seed)  # shuffled
        points = points.astype(settings.dtype)
        training = POINTS * 4 // 5
        super().__init__(
            settings, (points[:training], moons[:training]), (points[training:], moons[training:])
        )

    def model(self, package: Any) -> Any:
        return models.moons(package)
