"""Measure errors in units of the dtype's eps, and compare them with the tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..spec.case import Array

EPS = {name: float(np.finfo(name).eps) for name in ("float64", "float32")}

# One tolerance for every case of every op. Cases sum tens of terms and round a handful of times in
# a row, which fits into BUDGET; the report shows how much of it each engine needs. It allows a
# relative error of 4e-6 in float32 and 7e-15 in float64, which no wrong formula reaches. Some cases
# are ill-conditioned, such as the variance of large numbers. torch's own float32 error shows that,
# and since it is the same number of eps in every dtype, FACTOR times as much is allowed.
BUDGET = 32.0
FACTOR = 4.0
SIGNAL = 1e-3  # a reference known to fewer than three digits cannot tell right from wrong


@dataclass(frozen=True)
class Measured:
    """The worst error of a check. All are None if there is nothing to measure, as for integers."""

    error: float | None = None  # in eps of the dtype
    torch_error: float | None = None  # torch float32's on the same case, in eps of float32
    used: float | None = None  # share of the tolerance; None for finite differences, too, which
    # stop at the first step that is good enough

    @classmethod
    def of(cls, error: float, torch_error: float) -> Self:
        """The measurement of an error that compare accepted."""
        return cls(error, torch_error, error / tolerance(torch_error))

    def worst(self, other: Measured) -> Measured:
        return Measured(
            _largest(self.error, other.error),
            _largest(self.torch_error, other.torch_error),
            _largest(self.used, other.used),
        )


def _largest(a: float | None, b: float | None) -> float | None:
    return max((x for x in (a, b) if x is not None), default=None)


class MismatchError(AssertionError):
    """An engine is wrong; measured is by how much, if that can be said."""

    def __init__(
        self, message: str, error: float | None = None, torch_error: float | None = None
    ) -> None:
        super().__init__(message)
        finite = error is not None and math.isfinite(error)
        self.measured = Measured(error, torch_error) if finite else Measured()


class InvalidCaseError(MismatchError):
    """The spec is wrong: this case cannot tell a right engine from a wrong one."""

    def __init__(self, message: str) -> None:
        super().__init__(f"invalid case: {message}")


def tolerance(torch_error: float) -> float:
    """The largest error in eps that passes, given torch float32's own error."""
    return max(BUDGET, FACTOR * torch_error)


def is_noise(torch_error: float) -> bool:
    """Whether torch's float32 is so far off that the tolerance would let any number pass."""
    return tolerance(torch_error) * EPS["float32"] > SIGNAL


def distance(got: Array, want: Array, eps: float, scale: float = 0.0) -> tuple[float, Any]:
    """max|got - want| / (eps · max|want|) over the finite numbers of want, and where it is.

    There is no absolute floor: if want is all zero, anything else is infinitely wrong. If want is a
    small difference of large numbers, scale gives their size, and replaces a smaller max|want|.
    """
    finite = np.isfinite(want)
    if not finite.any():
        return 0.0, None
    gaps = np.abs(np.where(finite, got, 0) - np.where(finite, want, 0))
    at = np.unravel_index(np.argmax(gaps), gaps.shape)
    gap = float(gaps[at])
    size = max(float(np.abs(want[finite]).max()), scale)
    place = tuple(int(i) for i in at)
    if gap == 0:
        return 0.0, place
    return (gap / (eps * size) if size else math.inf), place


def require_form(what: str, got: Any, shape: tuple[int, ...], dtype: str) -> None:
    """Raise MismatchError unless got is an array of this shape and dtype."""
    if not isinstance(got, np.ndarray):
        raise MismatchError(f"{what} is {got}, not an array of shape {shape}")
    if got.shape != shape:
        raise MismatchError(f"{what} has shape {got.shape}, should be {shape}")
    if got.size and got.dtype != dtype:  # micrograd's empty lists have no dtype
        raise MismatchError(f"{what} is {got.dtype}, should be {dtype}")


def compare(
    what: str, got: Any, want: Array, dtype: str, torch_error: float = 0.0, scale: float = 0.0
) -> float:
    """The error of got in eps of dtype; raises MismatchError if it is beyond the tolerance.

    Shape and dtype are compared first, then which numbers are not finite, so that NaN cannot pass.
    want: float64, or exact int64 or bool. scale: see distance.
    """
    require_form(what, got, want.shape, dtype)
    if dtype not in EPS:
        wrong = np.argwhere(got != want)
        if len(wrong):
            place = tuple(wrong[0].tolist())
            raise MismatchError(f"{what} at {place} is {got[place]}, should be {want[place]}")
        return 0.0
    with np.errstate(over="ignore"):
        known = want.astype(dtype)  # a number that overflows in dtype should be infinite
    strange = (np.isfinite(got) | np.isfinite(known)) & (np.isfinite(got) != np.isfinite(known))
    strange |= ~np.isfinite(known) & ~((got == known) | (np.isnan(got) & np.isnan(known)))
    if strange.any():
        place = tuple(np.argwhere(strange)[0].tolist())
        raise MismatchError(f"{what} at {place} is {got[place]!s}, should be {known[place]!s}")
    want = np.where(np.isfinite(known), want, np.inf)
    error, place = distance(got.astype(np.float64), want, EPS[dtype], scale)
    allowed = tolerance(torch_error)
    if not error <= allowed:
        raise MismatchError(
            f"{what} is off by {error:.3g} eps, {allowed:.3g} allowed "
            f"(torch float32 itself: {torch_error:.3g}); "
            f"worst at {place}: {got[place]!s}, should be {want[place]!s}",
            error,
            torch_error,
        )
    return error
