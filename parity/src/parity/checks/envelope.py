"""What rounding alone explains, where many steps carry it on: torch in float32 says how much.

It stands beside torch in float64. Both deviations are in units of the eps they were computed with,
so an engine in float64 is held to the float64 round-off, not to the float32 one.

Where torch's float32 and float64 share fewer than three digits, nobody can be held to anything: the
case is the error. That is asked of the deviation, not of the limit: what steps make of rounding
differs between machines, and the limit of float64, 6e-11 at the worst, sees what is wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .measure import EPS, SIGNAL, InvalidCaseError, Measured, MismatchError, distance

# Two honest orders of the same sums differ, parameter by parameter, by several times what torch's
# float32 run shows; the report says how much of this envelope each engine used. A gradient off by
# one part in ten thousand, 800 eps of float32, leaves it in the first step.
MULTIPLE = 32.0
# float32 may by luck hit the float64 value nearly exactly, which says nothing of the next engine.
FLOOR = 2.0


@dataclass
class Band:
    """One quantity, in eps: how far the engine, and torch's float32, came from torch."""

    error: float = 0.0
    torch_error: float = 0.0

    @property
    def limit(self) -> float:
        return MULTIPLE * max(FLOOR, self.torch_error)

    def measure(self, want: Any, rounded: Any, got: Any, eps: float, scale: float = 0.0) -> None:
        """Compare with want (torch, float64) both rounded (torch, float32) and got (in eps).

        The envelope is the widest so far: what rounding did comes and goes, step by step. scale:
        the size of the numbers that want is left of, see distance.
        """
        self.error = _error(got, want, eps, scale)
        self.torch_error = max(self.torch_error, _error(rounded, want, EPS["float32"], scale))

    def measured(self) -> Measured:
        """The last error, as one of a check."""
        return Measured(self.error, self.torch_error, self.error / self.limit)

    def require(self, what: str) -> None:
        """Raise MismatchError if the engine left the envelope, InvalidCaseError if it is none."""
        if not self.torch_error * EPS["float32"] <= SIGNAL:
            raise InvalidCaseError(
                f"{what} is rounding noise: torch's float32 is {self.torch_error:.3g} eps off"
            )
        if not self.error <= self.limit:
            message = f"{what} is {self.error:.3g} eps from torch's, at most {self.limit:.3g}"
            raise MismatchError(message, self.error)


def _error(got: Any, want: Any, eps: float, scale: float = 0.0) -> float:
    """The distance in eps, infinite unless both are finite numbers, of one shape."""
    if got is None or want is None or np.shape(got) != np.shape(want):
        return math.inf
    got, want = (np.asarray(array, np.float64) for array in (got, want))
    if not (np.isfinite(got).all() and np.isfinite(want).all()):
        return math.inf
    return distance(got, want, eps, scale)[0]
