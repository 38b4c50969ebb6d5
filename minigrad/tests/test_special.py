"""The error function, against the standard library's, one number at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import special

FUNCTIONS = [(special.erf, math.erf), (special.erfc, math.erfc)]
both = pytest.mark.parametrize(("function", "exact"), FUNCTIONS, ids=["erf", "erfc"])

# Beyond 26.5 erfc is subnormal, and cannot have all of its digits.
GRID = np.concatenate(
    [
        np.linspace(-8.0, 26.5, 100_003),
        np.linspace(-1.0, 1.0, 50_001),
        10.0 ** np.arange(-300, 0, 7),
        np.nextafter([special.NEAR, special.FAR], 0.0),
        np.nextafter([special.NEAR, special.FAR], 9.0),
    ]
)


def errors(got: np.ndarray, want: list[float]) -> float:
    """The largest relative error, in eps of the dtype of got."""
    gaps = np.abs(got.astype(np.float64) - want)[np.nonzero(want)]
    return float((gaps / np.abs(want)[np.nonzero(want)]).max() / np.finfo(got.dtype).eps)


@both
def test_every_digit_but_the_last_two_is_right(function, exact) -> None:
    assert errors(function(GRID), [exact(x) for x in GRID]) < 5


@pytest.mark.parametrize(("function", "exact", "most"), [(*FUNCTIONS[0], 5), (*FUNCTIONS[1], 0.51)])
def test_float32_is_as_right_as_its_formula(function, exact, most) -> None:
    grid = GRID[(np.abs(GRID) < 9) & (np.abs(GRID) > 1e-37)].astype(np.float32)  # no subnormals
    got = function(grid)

    assert got.dtype == np.float32
    assert errors(got, [exact(float(x)) for x in grid]) < most


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_normal_distribution(dtype) -> None:
    x = np.linspace(-9.0, 9.0, 100_001).astype(dtype)
    want = np.array([0.5 * math.erfc(-number * math.sqrt(0.5)) for number in x.tolist()])
    eps = np.finfo(dtype).eps
    with np.errstate(over="ignore"):  # as in an op
        got, ends = (special.normal(y) for y in (x, np.array([-np.inf, -1e30, 0, 1e30], dtype)))

    assert got.dtype == dtype
    assert np.abs(x * (got - want)).max() < 5 * eps
    assert np.abs(got - want).max() < 2 * eps
    assert np.abs(got / want - 1)[x > -4].max() < (5e-4 if dtype == np.float32 else 40 * eps)
    assert ends.tolist() == [0, 0, 0.5, 1]


@both
def test_the_ends(function, exact) -> None:
    ends = [math.inf, -math.inf, 0.0, 30.0, 1e300, -1e300]

    assert function(np.array(ends)).tolist() == [exact(x) for x in ends]
    assert np.isnan(function(np.array(math.nan)))
    assert np.signbit(special.erf(np.array(-0.0)))


@both
def test_arrays_of_any_layout(function, exact) -> None:
    square = np.linspace(-3.0, 3.0, 2 * special.BLOCK).reshape(256, 256)

    assert function(np.array(0.5)).shape == ()
    assert function(np.empty((3, 0))).shape == (3, 0)
    np.testing.assert_array_equal(function(square.T)[::3], function(square).T[::3])
