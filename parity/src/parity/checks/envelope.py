"""How much deviation rounding alone explains over many steps, judged by torch in float32.

Rounding errors grow from step to step, so a fixed tolerance does not work. Instead torch's float32
is measured against its float64, and an engine may deviate by a multiple of that. Each deviation is
in units of its own eps, so an engine in float64 is held to float64 round-off.

If torch's float32 and float64 share fewer than three digits, the case itself is invalid: no engine
can be held to anything. The deviation decides this and not the limit, MULTIPLE times as large: how
rounding grows differs between machines, and in float64 the limit is still strict, 6e-11 at worst.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .measure import EPS, SIGNAL, InvalidCaseError, Measured, MismatchError, distance

# Adding up in another order, which is legitimate, moves a parameter by several times what torch's
# float32 run shows; the report says how much of the envelope each engine used. A gradient that is
# off by one part in ten thousand, 800 eps of float32, leaves the envelope in the first step.
MULTIPLE = 32.0
FLOOR = 2.0  # torch's float32 may hit the exact value by luck, which other engines cannot rely on


@dataclass
class Band:
    """How far the engine, and torch's float32, are from torch's float64 in one quantity, in eps."""

    error: float = 0.0
    torch_error: float = 0.0

    @property
    def limit(self) -> float:
        return MULTIPLE * max(FLOOR, self.torch_error)

    def measure(self, want: Any, rounded: Any, got: Any, eps: float, scale: float = 0.0) -> None:
        """Compare rounded (torch, float32) and got (the engine) with want (torch, float64).

        torch_error is the largest so far, as the effect of rounding varies from step to step.
        scale: see distance.
        """
        self.error = _error(got, want, eps, scale)
        self.torch_error = max(self.torch_error, _error(rounded, want, EPS["float32"], scale))

    def measured(self) -> Measured:
        """The last error, in the form of a check's result."""
        return Measured(self.error, self.torch_error, self.error / self.limit)

    def require(self, what: str) -> None:
        """Raise MismatchError if the engine left the envelope, InvalidCaseError if it is noise."""
        if not self.torch_error * EPS["float32"] <= SIGNAL:
            raise InvalidCaseError(
                f"{what} is rounding noise: torch's float32 is {self.torch_error:.3g} eps off"
            )
        if not self.error <= self.limit:
            message = f"{what} is {self.error:.3g} eps from torch's, at most {self.limit:.3g}"
            raise MismatchError(message, self.error, self.torch_error)


def _error(got: Any, want: Any, eps: float, scale: float = 0.0) -> float:
    """The distance in eps; infinite unless both have the same shape and only finite numbers.

    None is not finite: NumPy reads it as NaN.
    """
    if np.shape(got) != np.shape(want):
        return math.inf
    got, want = (np.asarray(array, np.float64) for array in (got, want))
    if not (np.isfinite(got).all() and np.isfinite(want).all()):
        return math.inf
    return distance(got, want, eps, scale)[0]
