"""The one random generator, from which dropout and initial weights are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .arguments import whole

_generator = np.random.default_rng()


def generator() -> np.random.Generator:
    return _generator


def manual_seed(seed: int) -> None:
    """Seed the generator; after the same seed it draws the same numbers."""
    global _generator
    _generator = np.random.default_rng(whole("manual_seed", "seed", seed, -(2**63)) % 2**64)


def get_rng_state() -> dict[str, Any]:
    """The state of the generator: set_rng_state with it repeats the numbers drawn from now on."""
    return dict(_generator.bit_generator.state)


def set_rng_state(state: Mapping[str, Any]) -> None:
    """Put the generator back into a state that get_rng_state returned.

    Raises ValueError, before anything changes, for anything else.
    """
    global _generator
    bits: Any = np.random.PCG64()
    try:
        bits.state = dict(state)
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise ValueError(
            "set_rng_state: this is not a state that get_rng_state returned"
        ) from error
    _generator = np.random.Generator(bits)


def draw_seed() -> int:
    """A seed for another generator."""
    return int(_generator.integers(2**53))
