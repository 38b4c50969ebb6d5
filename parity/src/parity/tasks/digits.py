"""Handwritten digits and a small convolutional network: scikit-learn's images, or MNIST's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from .. import models
from .data import idx
from .rows import Classes
from .settings import Settings
from .task import Array


class Digits(Classes):
    """Classify images of digits: scikit-learn's, or MNIST's from the four files in folder.

    A fifth of scikit-learn's images is the test set, for any seed; MNIST has a test set of its own.
    """

    name = "digits"

    def __init__(self, settings: Settings, folder: Path | None = None) -> None:
        if folder is None:
            self.white = 16.0
            images, digits = load_digits(return_X_y=True)
            images = images.astype(np.uint8).reshape(-1, 1, 8, 8)
            order = np.random.default_rng(0).permutation(len(images))
            test, training = np.split(order, [len(order) // 5])
            super().__init__(
                settings, (images[training], digits[training]), (images[test], digits[test])
            )
        else:
            self.white = 255.0
            images, digits, test_images, test_digits = idx.mnist(folder)
            _, height, width = images.shape
            if height != width or width % 4:
                raise ValueError(
                    f"the images in {folder} are {height}×{width}: "
                    "the model halves squares twice, so their side must be a multiple of 4"
                )
            super().__init__(
                settings,
                (images[:, None], digits.astype(int)),
                (test_images[:, None], test_digits.astype(int)),
            )
        self.size = images.shape[-1]

    def model(self, package: Any) -> Any:
        return models.digits(package, self.size)

    def inputs(self, rows: Array) -> Array:
        """Scale pixels (N, 1, size, size) to 0 to 1."""
        return (rows / self.white).astype(self.settings.dtype)
