"""The one random generator, from which dropout and initial weights are drawn."""

from __future__ import annotations

import random
from typing import Any

generator = random.Random(0)


def manual_seed(seed: int) -> None:
    """Start the generator afresh; the same seed draws the same numbers."""
    if not isinstance(seed, int):
        raise TypeError(f"manual_seed: seed must be an int, not {type(seed).__name__}")
    generator.seed(seed)


def get_rng_state() -> tuple[Any, ...]:
    """Where the generator is: with set_rng_state the numbers that come now come again."""
    return generator.getstate()


def set_rng_state(state: tuple[Any, ...]) -> None:
    """Take the generator back to a state of get_rng_state.

    Raises ValueError, before anything changes, for what is none.
    """
    try:
        random.Random().setstate(state)
    except (LookupError, OverflowError, TypeError, ValueError) as error:
        raise ValueError("set_rng_state: this is no state of get_rng_state") from error
    generator.setstate(state)


def draw_seed() -> int:
    """A seed for another generator."""
    return generator.getrandbits(53)
