"""The one random generator, from which dropout and initial weights are drawn.

It only counts draws: a kernel computes each number from the seed, the draw and the position. So the
same seed gives the same dropout on every executor.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from . import arrays
from .arguments import whole
from .arrays import Array, Shape
from .kernels import random as kernels
from .launches import late

_seed = secrets.randbits(64)
_draws = 0


def manual_seed(seed: int) -> None:
    """Seed the generator; after the same seed it draws the same numbers.

    Raises ValueError for less than -2**63, and for 2**64 or more.
    """
    if whole("manual_seed", "seed", seed, -(2**63)) >= 2**64:
        raise ValueError(f"manual_seed: seed must be less than 2**64, not {seed}")
    global _seed, _draws
    _seed, _draws = int(seed) % 2**64, 0


def get_rng_state() -> dict[str, int]:
    """The state of the generator: set_rng_state with it repeats the numbers drawn from now on."""
    return {"seed": _seed, "draws": _draws}


def set_rng_state(state: Mapping[str, int]) -> None:
    """Put the generator back into a state that get_rng_state returned.

    Raises ValueError, before anything changes, for anything of another form.
    """
    global _seed, _draws
    match state:
        case {"seed": int(seed), "draws": int(draws), **more} if (
            not more and 0 <= seed < 2**64 and 0 <= draws < 2**64
        ):
            _seed, _draws = seed, draws
        case _:
            raise ValueError("set_rng_state: this is not a state that get_rng_state returned")


def dropout(p: float, dtype: Any) -> Callable[[Array], Array]:
    """A function that sets each element to 0 with probability p, and divides the others by 1 - p.

    It is for arrays of dtype, and drops the same elements in every one.
    """
    chance, kernel = survival(p, arrays.reckoned(np.dtype(dtype))), kernels.dropout(dtype.type)

    def dropped(x: Array) -> Array:
        out = arrays.empty(x.shape, x.dtype)
        arrays.launch(kernel, -(-out.size // 4), arrays.flat(x), *chance, arrays.flat(out))
        return out

    return dropped


def survival(p: float, dtype: Any) -> tuple[tuple[np.uint64, ...], Any]:
    """What kernels.survivals needs for one draw of factors, 0 with probability p."""
    rest = np.dtype(dtype).type(1 / (1 - p) if p < 1 else 0)
    return (*_draw(), np.uint64(round(p * 2**32))), rest


def uniform(shape: Shape, low: float, high: float, dtype: Any = np.float32) -> Array:
    """Numbers of [low, high)."""
    return _drawn(kernels.uniform, shape, low, high, dtype)


def normal(shape: Shape, mean: float, std: float, dtype: Any = np.float32) -> Array:
    """Normal numbers."""
    return _drawn(kernels.normal, shape, mean, std, dtype)


def draw_seed() -> int:
    """A seed for another generator."""
    return int(arrays.item(uniform((), 0.0, 2.0**24)))


def _drawn(kernel: Any, shape: Shape, a: float, b: float, dtype: Any) -> Array:
    out = arrays.empty(shape, np.dtype(dtype))
    real = arrays.reckoned(out.dtype).type
    arrays.launch(kernel(out.dtype.type), out.size, *_draw(), real(a), real(b), arrays.flat(out))
    return out


def _draw() -> tuple[Any, Any]:
    """The seed and the number of this draw; in a graph, of a new draw at every replay."""
    return late(_current_seed), late(_next_draw)


def _current_seed() -> np.uint64:
    return np.uint64(_seed)


def _next_draw() -> np.uint64:
    global _draws
    _draws += 1
    return np.uint64(_draws)
