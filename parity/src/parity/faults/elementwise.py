"""Faults of arithmetic, powers, rounding and where."""

from __future__ import annotations

from typing import Any

import numpy as np

from .catalogue import fault, gradients, right


@fault("add", "backward", "differences", rule=7)
def drops_unbroadcast(x: Any, other: Any, **kwargs: Any) -> Any:
    """Takes the first part of a broadcast gradient instead of the sum of all."""

    def first(dout, shape):
        dout = dout[(0,) * (dout.ndim - len(shape))]
        return dout[tuple(slice(n) for n in shape)]

    value, pullback = right.add(x, other, **kwargs)

    def wrong(dout):
        dx, dother = gradients(pullback, dout)
        return first(dx, np.shape(x)), first(dother, np.shape(other))

    return value, wrong


@fault("add", "backward", "differences")
def forgets_alpha_on_the_way_back(x: Any, other: Any, *, alpha: float = 1) -> Any:
    """Scales its value, and not its gradient."""
    value, _ = right.add(x, other, alpha=alpha)
    return value, lambda dout: (dout, dout)


@fault("sub", "backward", "differences", rule=7)
def accumulates_in_place(x: Any, other: Any, **kwargs: Any) -> Any:
    """Writes into dout, which is x's gradient as well."""
    value, pullback = right.sub(x, other, **kwargs)

    def wrong(dout):
        _, dother = gradients(pullback, dout)
        dout[...] = dother
        return dout, dout

    return value, wrong


@fault("mul", "backward", "differences")
def swaps_its_gradients(x: Any, other: Any) -> Any:
    """Gives each factor the gradient of the other: right for squares."""
    value, _ = right.mul(x, other)
    return value, lambda dout: (dout * x, dout * other)


@fault("div", "forward", "backward", rule=4)
def guards_its_denominator(x: Any, other: Any, **kwargs: Any) -> Any:
    """Adds a small number for stability, which changes the maths."""
    if isinstance(other, np.ndarray) and other.dtype.kind == "f":
        other = np.asarray(other + 1e-8)  # of no dims, a sum is a number: its dtype would not count
    return right.div(x, other, **kwargs)


@fault("div", "forward", "backward")
def truncates_for_floor(x: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """Rounds towards 0 where it should round down, as C's division of integers does."""
    return right.div(x, other, rounding_mode="trunc" if rounding_mode == "floor" else rounding_mode)


@fault("neg", "forward", "backward", "differences", rule=5)
def ends_in_nan(x: Any) -> Any:
    """Leaves a NaN, which a check written `if difference > tolerance` would let pass."""
    y, pullback = right.neg(x)
    if y.dtype.kind == "f" and y.ndim and y.size:
        y[..., -1] = np.nan
    return y, pullback


@fault("neg", "rejects")
def leaves_booleans_to_numpy(x: Any) -> Any:
    """Refuses no booleans: NumPy's own TypeError is of the right kind, but a crash."""
    return np.negative(x), np.negative


@fault("exp", "forward", "backward")
def returns_float64(x: Any) -> Any:
    """Returns float64 whatever the dtype of x."""
    return right.exp(x.astype(np.float64))


@fault("log", "forward", "backward")
def keeps_away_from_zero(x: Any) -> Any:
    """Raises its input to 1e-12, which hides infinities."""
    return right.log(np.maximum(x, 1e-12))


@fault("pow", "backward", "differences")
def takes_every_exponent_for_a_constant(x: Any, exponent: Any) -> Any:
    """Has no gradient for a tensor in the exponent."""
    value, pullback = right.pow(x, exponent)
    return value, lambda dout: (gradients(pullback, dout)[0], np.zeros_like(dout))


@fault("pow", "backward", "differences", rule=5)
def divides_by_its_base(x: Any, exponent: Any) -> Any:
    """Takes the slope from the value, y · exponent / x: NaN at 0."""
    value, pullback = right.pow(x, exponent)

    def wrong(dout):
        return (dout * value * exponent / x).astype(dout.dtype), gradients(pullback, dout)[-1]

    return value, wrong


@fault("expm1", "forward", "backward")
def subtracts_one_at_the_end(x: Any) -> Any:
    """Takes exp(x) - 1, which loses all digits close to 0."""
    _, pullback = right.expm1(x)
    value, _ = right.exp(x)
    return value - 1, pullback


@fault("round", "forward", "backward")
def rounds_halves_up(x: Any, *, decimals: int = 0) -> Any:
    """Takes floor(x + 1/2), as taught in school; torch rounds halves to the even number."""
    value, pullback = right.round(x, decimals=decimals)
    if x.dtype.kind != "f" or decimals:
        return value, pullback
    return np.floor(x + x.dtype.type(0.5)), pullback


@fault("clamp", "backward")
def stops_the_gradient_at_its_bounds(x: Any, min: Any = None, max: Any = None) -> Any:
    """Gives no gradient to a number that equals a bound."""
    value, pullback = right.clamp(x, min, max)

    def wrong(dout):
        dx, *others = gradients(pullback, dout)
        inside = np.ones(dx.shape, np.bool_)
        for bound in (min, max):
            inside &= True if bound is None else x != bound
        return dx * inside, *others

    return value, wrong


@fault("where", "backward", "differences")
def multiplies_by_the_condition(condition: Any, x: Any, other: Any) -> Any:
    """Gives other all of the gradient, whether it was taken or not."""
    value, _ = right.where(condition, x, other)
    return value, lambda dout: (None, dout * condition, dout)


@fault("masked_fill", "forward", "backward", "differences")
def fills_its_input(x: Any, mask: Any, value: Any) -> Any:
    """Writes the value into x itself."""
    filled, pullback = right.masked_fill(x, mask, value)
    if filled.shape == x.shape:
        x[...] = filled
    return filled, pullback


@fault("maximum", "backward", "differences")
def gives_each_of_equals_everything(x: Any, other: Any) -> Any:
    """Counts the gradient twice at a tie."""
    value, _ = right.maximum(x, other)
    return value, lambda dout: (dout * ~(x < other), dout * ~(other < x))
