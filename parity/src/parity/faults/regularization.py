"""Faults of dropout."""

from __future__ import annotations

from typing import Any

import minigrad

from .catalogue import fault, gradients, right


@fault("dropout", "stochastic")
def keeps_its_scale(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Does not scale up what it keeps."""
    value, pullback = right.dropout(x, p, training)
    scale = x.dtype.type(1 - p if training and p < 1 else 1)
    return value * scale, lambda dout: gradients(pullback, dout * scale)


@fault("dropout", "stochastic")
def leaves_out_the_same_every_time(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Starts its generator afresh in every call."""
    minigrad.manual_seed(0)
    return right.dropout(x, p, training)


@fault("dropout", "stochastic", "differences")
def draws_again_on_the_way_back(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Draws another mask for its gradient."""
    value, _ = right.dropout(x, p, training)
    _, pullback = right.dropout(x, p, training)
    return value, pullback


@fault("dropout", "forward", "backward", "differences", "rejects")
def drops_when_it_is_not_training(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Ignores training, and so leaves elements out in evaluation, too."""
    return right.dropout(x, p, training or x.dtype.kind == "f")
