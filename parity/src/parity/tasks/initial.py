"""Initial weights for the tasks that train no GPT."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def uniform(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Array]:
    """Weights and biases in float64, by name, distributed like torch's for Linear and Conv2d.

    They are uniform within ±1/√fan_in; a bias has the fan_in of its weight.
    """
    rng = np.random.default_rng(seed)
    drawn = {}
    for name, shape in shapes.items():
        weight = shapes[f"{name.removesuffix('bias')}weight"] if name.endswith("bias") else shape
        bound = 1 / math.sqrt(math.prod(weight[1:]))
        drawn[name] = rng.uniform(-bound, bound, shape)
    return drawn
