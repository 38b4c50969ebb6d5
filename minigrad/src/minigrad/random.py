"""The one random generator, from which dropout and initial weights are drawn."""

from __future__ import annotations

import numpy as np

_generator = np.random.default_rng()


def generator() -> np.random.Generator:
    return _generator


def manual_seed(seed: int) -> None:
    """Start the generator afresh; the same seed draws the same numbers."""
    global _generator
    _generator = np.random.default_rng(seed)
