"""Faults of comparisons."""

from __future__ import annotations

from typing import Any

import numpy as np

from .catalogue import fault, right


@fault("ge", "forward")
def is_strict(x: Any, other: Any) -> Any:
    """Is > where it should be ≥: seen only at equals."""
    reached, pullback = right.ge(x, other)
    return reached & right.ne(x, other)[0], pullback


@fault("ne", "forward", rule=5)
def finds_nan_equal_to_itself(x: Any, other: Any) -> Any:
    """Compares bits, of which a NaN has the same twice."""
    differ, pullback = right.ne(x, other)
    return differ & ~(np.isnan(x) & np.isnan(other)), pullback


@fault("logical_and", "forward")
def takes_the_bits_together(x: Any, other: Any) -> Any:
    """Is & where it should be `and`: 2 and 1 have no bit in common."""
    both, pullback = right.logical_and(x, other)
    if x.dtype.kind in "bi" and other.dtype.kind in "bi":
        both = np.asarray((x & other) != 0)
    return both, pullback


@fault("isfinite", "forward")
def looks_for_nan_alone(x: Any) -> Any:
    """Takes an infinity for a number like any other."""
    right.isfinite(x)
    return ~np.isnan(x), None
