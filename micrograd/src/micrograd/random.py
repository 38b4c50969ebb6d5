"""The one random generator, from which dropout and initial weights are drawn."""

from __future__ import annotations

import random
from typing import Any

from .arguments import whole

generator = random.Random()  # seeded at random


def manual_seed(seed: int) -> None:
    """Seed the generator; after the same seed it draws the same numbers.

    Raises ValueError for less than -2**63, and for 2**64 or more.
    """
    if whole("manual_seed", "seed", seed, -(2**63)) >= 2**64:
        raise ValueError(f"manual_seed: seed must be less than 2**64, not {seed}")
    # random.seed would treat -1 as 1.
    generator.seed(int(seed) % 2**64)


def get_rng_state() -> tuple[Any, ...]:
    """The state of the generator: set_rng_state with it repeats the numbers drawn from now on."""
    return generator.getstate()


def set_rng_state(state: tuple[Any, ...]) -> None:
    """Put the generator back into a state that get_rng_state returned.

    Raises ValueError, before anything changes, for anything of another form.
    """
    trial = random.Random()
    try:
        trial.setstate(state)
        # Python takes states of older versions, too, and for the number kept by gauss anything.
        if trial.getstate() != state or not isinstance(state[2], float | None):
            raise ValueError("another state")
    except (LookupError, OverflowError, TypeError, ValueError) as error:
        raise ValueError(
            "set_rng_state: this is not a state that get_rng_state returned"
        ) from error
    generator.setstate(state)


def draw_seed() -> int:
    """A seed for another generator."""
    return generator.getrandbits(53)
