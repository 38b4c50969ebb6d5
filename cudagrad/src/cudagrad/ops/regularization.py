"""What is left out at random in training."""

from __future__ import annotations

from .. import random
from ..arguments import flag, floats, probability
from ..engine import Operand, Output, op


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
    drop = random.dropout(p, x.dtype)
    return drop(x), drop
