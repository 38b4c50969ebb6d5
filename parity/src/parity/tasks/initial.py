"""First weights for the plain networks among the tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def uniform(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Array]:
    """Weights and biases as torch draws those of Linear and Conv2d, by name, in float64.

    Uniform within ±1/√n, where n is how many inputs one output sums; a bias goes by its weight.
    """
    rng = np.random.default_rng(seed)
    drawn = {}
    for name, shape in shapes.items():
        weight = shapes[f"{name.removesuffix('bias')}weight"] if name.endswith("bias") else shape
        bound = 1 / math.sqrt(math.prod(weight[1:]))
        drawn[name] = rng.uniform(-bound, bound, shape)
    return drawn
