"""What is left out at random in training."""

from __future__ import annotations

from ..arguments import flag, floating, probability
from ..lists import Tensor, nest, unnest
from ..random import generator


def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Each element 0 with probability p, else x / (1 - p); x unchanged when not training.

    Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html
    """
    probability("dropout", "p", p)
    flag("dropout", "training", training)
    if not training or p == 0:
        return nest(*unnest(x, "dropout"))
    items, shape = floating("dropout", x)
    kept = 1.0 / (1.0 - p) if p < 1.0 else 0.0
    return nest([item * (0.0 if generator.random() < p else kept) for item in items], shape)
