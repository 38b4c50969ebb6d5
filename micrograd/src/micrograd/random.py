"""The one random generator, from which dropout and initial weights are drawn."""

from __future__ import annotations

import random
from typing import Any

from .arguments import whole

generator = random.Random()  # seeded by chance


def manual_seed(seed: int) -> None:
    """Start the generator afresh; the same seed draws the same numbers."""
    # random.seed would take -1 for 1.
    generator.seed(whole("manual_seed", "seed", seed, -(2**63)) % 2**64)


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
