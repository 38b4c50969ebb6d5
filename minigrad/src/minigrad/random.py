"""The one random generator, from which dropout and initial weights are drawn."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from .arguments import whole
from .capture import current, live, recorded, unseen

_generator = np.random.default_rng()


@recorded
def draw(method: str, *args: Any) -> Any:
    """Numbers from the generator, by its method of that name (numpy.random.Generator)."""
    return getattr(_generator, method)(*args)


@live
def manual_seed(seed: int) -> None:
    """Seed the generator; after the same seed it draws the same numbers.

    Raises ValueError for less than -2**63, and for 2**64 or more.
    """
    if whole("manual_seed", "seed", seed, -(2**63)) >= 2**64:
        raise ValueError(f"manual_seed: seed must be less than 2**64, not {seed}")
    global _generator
    _generator = np.random.default_rng(int(seed) % 2**64)


def get_rng_state() -> dict[str, Any]:
    """The state of the generator: set_rng_state with it repeats the numbers drawn from now on."""
    with unseen():  # the arrays that NumPy makes of it are none of a step
        state = dict(_generator.bit_generator.state)
    if (capture := current.get()) is not None:
        capture.keep(lambda: state.update(get_rng_state()), "get_rng_state")
        capture.states.append(state)
    return state


def set_rng_state(state: Mapping[str, Any]) -> None:
    """Put the generator back into a state that get_rng_state returned.

    Raises ValueError, before anything changes, for anything of another form.
    """
    global _generator
    if (capture := current.get()) is not None:
        own = [i for i, known in enumerate(capture.states) if known is state]
        capture.keep(functools.partial(set_rng_state, state), "set_rng_state", own or state)
    try:
        with unseen():
            bits: Any = np.random.PCG64()
            bits.state = given = dict(state)
            if bits.state != given:  # NumPy rounds a 1.5, and passes over names that it lacks
                raise ValueError("another state")
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise ValueError(
            "set_rng_state: this is not a state that get_rng_state returned"
        ) from error
    _generator = np.random.Generator(bits)


def draw_seed() -> int:
    """A seed for another generator."""
    return int(draw("integers", 2**53))
