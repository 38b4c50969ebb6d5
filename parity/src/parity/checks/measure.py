"""How far numbers are from what they should be, in units of the dtype's eps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

Array = np.ndarray[Any, Any]

EPS = {name: float(np.finfo(name).eps) for name in ("float64", "float32")}

# One tolerance for every case of every op. They are sums of tens of terms and a handful of
# roundings in a row, which BUDGET leaves room for; the report shows how much of it each engine
# needs. In float32 it is a deviation of 4e-6, in float64 of 7e-15: no wrong formula comes that
# close. Where a case is harder by nature (the variance of large numbers), torch's own float32
# says so: rounding grows with the condition of the case, in eps alike for every dtype, so FACTOR
# times torch's error is allowed.
BUDGET = 32.0
FACTOR = 4.0
# What is only known to fewer than three digits cannot tell right from wrong.
SIGNAL = 1e-3


@dataclass(frozen=True)
class Measured:
    """The worst error of a check, and torch float32's own on the same case, each in its own eps.

    used: the largest share of what it was allowed that an error took, which of finite differences
    says nothing: the first step that is small enough ends them. None where there is nothing to
    measure: integers, or a call that must be refused.
    """

    error: float | None = None
    torch_error: float | None = None
    used: float | None = None

    @classmethod
    def of(cls, error: float, torch_error: float) -> Self:
        """An error that compare let pass."""
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
    """An engine is wrong, in words; error is its distance in eps where that is a number."""

    def __init__(self, message: str, error: float | None = None) -> None:
        super().__init__(message)
        self.error = error if error is not None and math.isfinite(error) else None


class InvalidCaseError(MismatchError):
    """The spec is wrong: this case could not tell a good engine from a bad one."""

    def __init__(self, message: str) -> None:
        super().__init__(f"invalid case: {message}")


def tolerance(torch_error: float) -> float:
    """The largest error in eps that passes, where torch's float32 has torch_error."""
    return max(BUDGET, FACTOR * torch_error)


def distance(got: Array, want: Array, eps: float, scale: float = 0.0) -> tuple[float, Any]:
    """max|got - want| / (eps · max|want|), and where that is, over the finite numbers of want.

    There is no floor: a want of zeros makes any other number infinitely wrong. Only where want is
    what is left of larger numbers that cancel may scale, their size, stand in for it.
    """
    finite = np.isfinite(want)
    if not finite.any():
        return 0.0, None
    gaps = np.where(finite, np.abs(np.where(finite, got, 0) - np.where(finite, want, 0)), 0)
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
    if got.size and got.dtype != dtype:  # an empty nested list has no dtype
        raise MismatchError(f"{what} is {got.dtype}, should be {dtype}")


def compare(
    what: str, got: Any, want: Array, dtype: str, torch_error: float = 0.0, scale: float = 0.0
) -> float:
    """The error of got in eps of dtype; raises MismatchError when it is not want.

    Shape, dtype, then which numbers are not finite, then size: a NaN cannot pass.
    dtype: what got must have. want: float64, or exact int64 or bool. scale: see distance.
    """
    require_form(what, got, want.shape, dtype)
    if dtype not in EPS:
        wrong = np.argwhere(got != want)
        if len(wrong):
            place = tuple(wrong[0].tolist())
            raise MismatchError(f"{what} at {place} is {got[place]}, should be {want[place]}")
        return 0.0
    with np.errstate(over="ignore"):
        known = want.astype(dtype)  # what overflows in dtype should be infinite
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
        )
    return error
