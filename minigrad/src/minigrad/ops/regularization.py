"""What is left out at random in training."""

from __future__ import annotations

from typing import Any

from ..arguments import flag, floats, probability
from ..engine import Operand, Output, op
from ..random import draw


@op
def dropout(x: Operand, p: float = 0.5, training: bool = True) -> Output:
    """Each element 0 with probability p, else x / (1 - p); x unchanged when not training.

    Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html
    """
    p = probability("dropout", "p", p)
    flag("dropout", "training", training)
    if not training or p == 0:
        return x, lambda dout: dout
    floats("dropout", x)
    keep = keep_mask(x, p)
    return x * keep, lambda dout: dout * keep


def keep_mask(x: Any, p: float) -> Any:
    """0 with probability p, else 1 / (1 - p), in the shape and dtype of x."""
    kept = draw("random", x.shape) >= p
    return kept * x.dtype.type(1 / (1 - p) if p < 1 else 0)
