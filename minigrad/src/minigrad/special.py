"""The error function and the normal distribution, which NumPy lacks.

In float64 they use the rational approximations of W. J. Cody 1969, "Rational Chebyshev
Approximations for the Error Function", https://doi.org/10.1090/S0025-5718-1969-0247736-4

In float32 they use the log-odds, log(Φ(x) / Φ(-x)), which is almost x times a polynomial in x², as
in E. Page 1977, "Approximations to the cumulative normal function and its inverse for use on a
pocket calculator". The two terms there are those of gelu's tanh form; here there are as many as
float32 can tell apart. No number needs a case distinction, so this is far faster than the above.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

BLOCK = 1 << 15  # numbers at a time, so that intermediate results stay in the cache

# Coefficients of a numerator and a denominator, highest power first.
# Up to NEAR: erf(x) / x, in x².
NEAR = 0.46875
NEAR_0 = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (
        1.0,
        2.36012909523441209e1,
        2.44024637934444173e2,
        1.28261652607737228e3,
        2.84423683343917062e3,
    ),
)
# Up to FAR: erfc(x) exp(x²), in x.
FAR = 4.0
BETWEEN = (
    (
        2.15311535474403846e-8,
        5.64188496988670089e-1,
        8.88314979438837594e0,
        6.61191906371416295e1,
        2.98635138197400131e2,
        8.81952221241769090e2,
        1.71204761263407058e3,
        2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0,
        1.57449261107098347e1,
        1.17693950891312499e2,
        5.37181101862009858e2,
        1.62138957456669019e3,
        3.29079923573345963e3,
        4.36261909014324716e3,
        3.43936767414372164e3,
        1.23033935480374942e3,
    ),
)
# Beyond: x² (1 / √π - x erfc(x) exp(x²)), in 1 / x².
TAIL = (
    (
        1.63153871373020978e-2,
        3.05326634961232344e-1,
        3.60344899949804439e-1,
        1.25781726111229246e-1,
        1.60837851487422766e-2,
        6.58749161529837803e-4,
    ),
    (
        1.0,
        2.56852019228982242e0,
        1.87295284992346725e0,
        5.27905102951428412e-1,
        6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)
# The log-odds, highest power of x² first, fitted so that x Φ(x) is off by less than 2⁻²³, apart
# from rounding. Far below 0 that leaves Φ(x) three digits at -4 and one at -5, as many as
# 1 + erf(x / √2) would have in float32.
ODDS = (
    *(3.618726153390795e-9, -2.672937193043628e-7, 7.946226179083829e-6, -1.1055588218671467e-4),
    *(-6.590952071005896e-5, 7.266782267623535e-2, 1.5957689853313615),
)


def erf(x: Array) -> Array:
    """2/√π times the integral of exp(-t²) from 0 to x, in the dtype of x, which is floating."""
    if x.dtype == np.float32:
        return _in_slices(_erf_of_float32, x)

    def far(x):
        return np.copysign(1 - _tail(np.abs(x)), x)

    return _by_size(x, _centre, far)


def erfc(x: Array) -> Array:
    """1 - erf(x), without the cancellation where x is large."""

    def far(x):
        tail = _tail(np.abs(x))
        return np.where(x < 0, 2 - tail, tail)

    return _by_size(x, lambda x: 1 - _centre(x), far)


def normal(x: Array) -> Array:
    """Φ(x), the standard normal CDF, in the dtype of x."""
    if x.dtype == np.float32:
        return _in_slices(_normal_of_float32, x)
    return 0.5 * erfc(-x * math.sqrt(0.5))  # 1 + erf would cancel where x is negative


def _in_slices(function: Any, x: Array) -> Array:
    """Call function(numbers, out) for each slice of x in turn, and return all of out."""
    y = np.empty(x.shape, x.dtype)
    numbers, out = x.reshape(-1), y.reshape(-1)
    for start in range(0, x.size, BLOCK):
        function(numbers[start : start + BLOCK], out[start : start + BLOCK])
    return y


def _normal_of_float32(x: Array, out: Array) -> None:
    """Φ = 1 / (1 + exp(-L)), where L = log(Φ / (1 - Φ)), since Φ(-x) = 1 - Φ(x)."""
    _odds(x, -1.0, out)
    np.exp(out, out=out)
    out += 1
    np.divide(1, out, out=out)


def _erf_of_float32(x: Array, out: Array) -> None:
    """erf(x) = 2 Φ(√2 x) - 1, which is tanh(L / 2), with the L of √2 x."""
    _odds(x * math.sqrt(2), 0.5, out)
    np.tanh(out, out=out)


def _odds(x: Array, factor: float, out: Array) -> None:
    """Write factor times the log-odds, log(Φ(x) / Φ(-x)), to out, by Horner's rule."""
    squares = x * x
    np.multiply(squares, factor * ODDS[0], out=out)
    for coefficient in ODDS[1:-1]:
        out += factor * coefficient
        out *= squares
    out += factor * ODDS[-1]
    out *= x


def _by_size(x: Array, near: Any, far: Any) -> Array:
    """near(x) where |x| is at most NEAR, elsewhere far(x); both computed in float64."""
    numbers = x.reshape(-1)
    y = np.empty_like(numbers)
    for start in range(0, x.size, BLOCK):
        block = numbers[start : start + BLOCK].astype(np.float64)
        y[start : start + BLOCK] = np.piecewise(block, [np.abs(block) <= NEAR], [near, far])
    return y.reshape(x.shape)


def _centre(x: Array) -> Array:
    """erf(x) close to 0."""
    return x * _ratio(NEAR_0, x * x)


def _tail(x: Array) -> Array:
    """erfc(x) for x beyond NEAR."""
    x = np.minimum(x, 30.0)  # beyond this it is 0; infinities would meet
    # exp(-x²) as two factors, the first of an exact square: otherwise the rounding error of x²,
    # which grows with x², would become a relative error of the exponential.
    head = np.floor(16 * x) / 16
    gauss = np.exp(-head * head) * np.exp((head - x) * (head + x))
    return gauss * np.piecewise(x, [x <= FAR], [lambda x: _ratio(BETWEEN, x), _beyond])


def _beyond(x: Array) -> Array:
    inverse = 1 / (x * x)
    return (1 / math.sqrt(math.pi) - inverse * _ratio(TAIL, inverse)) / x


def _ratio(coefficients: tuple[tuple[float, ...], ...], x: Array) -> Array:
    numerator, denominator = coefficients
    return np.polyval(numerator, x) / np.polyval(denominator, x)
