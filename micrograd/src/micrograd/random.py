"""The one random generator, from which dropout and initial weights are drawn."""

from __future__ import annotations

import random

generator = random.Random(0)


def manual_seed(seed: int) -> None:
    """Start the generator afresh; the same seed draws the same numbers."""
    generator.seed(seed)
