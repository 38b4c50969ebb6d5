"""Do random ops have the promised distribution, and does manual_seed repeat them?"""

from __future__ import annotations

import copy
import functools
import math

import numpy as np

from ..engines import Adapter
from ..spec.case import Array, Case, Op
from .calling import Called, call, judge_inputs, judge_leaves
from .measure import InvalidCaseError, Measured, MismatchError, compare, require_form
from .reference import PLAIN, answer, cotangent, own_errors, reference, same

ENOUGH = 1000  # elements, to know the share of zeros to a few per cent
SIGMAS = 5  # a right engine is further off once in two million runs, and the seed is fixed
MANY = 5000  # elements, to tell a normal distribution from a uniform one by its fourth moment
# The mean and variance of z, z², z³ and z⁴, if z is standard normal.
MOMENTS = {1: (0, 1), 2: (1, 2), 3: (0, 15), 4: (3, 96)}
DISTINCT = 0.99  # share of different numbers; a few float32 numbers coincide by chance


def stochastic(engine: Adapter, op: Op, case: Case, dtype: str) -> Measured:
    """Check the distribution of the first output, and that only a seed makes calls repeat."""
    engine.package.manual_seed(0)
    called, second = (call(engine, op, case, dtype, needs=(0,)) for _ in range(2))
    engine.package.manual_seed(0)
    third = call(engine, op, case, dtype)
    first, other, repeated = (engine.numpy(c.outputs[0]) for c in (called, second, third))
    require_draws(first, other, repeated)
    judge_inputs(called)
    judge_leaves(called)
    if case.chance == "normal":
        return _judge_normal(called, first)
    return _judge_dropout(called, first)


def require_draws(first: Array, second: Array, again: Array) -> None:
    """Require that two calls in a row drew other numbers, and the first of them after a seed.

    again: what the first call drew when it was repeated after the same seed.
    """
    if same(first, second):
        raise MismatchError("two calls in a row drew the same")
    if not same(first, again):
        raise MismatchError("manual_seed does not repeat what is drawn")


def require_share(out: Array, p: float) -> None:
    """Require that a share p of the elements is 0, as far as chance allows."""
    left_out, within = float((out == 0).mean()), SIGMAS * math.sqrt(p * (1 - p) / out.size)
    if not abs(left_out - p) <= within:
        raise MismatchError(
            f"{left_out:.2%} of {out.size} elements were left out, should be {p:.2%}, "
            f"within {within:.2%}"
        )


def _judge_normal(called: Called, out: Array) -> Measured:
    """Require standard normal numbers, by their first four moments."""
    like = reference(called.op, called.case).outputs[0]
    if like.size < MANY:
        raise InvalidCaseError(f"normal numbers need {MANY} elements")
    require_form("output", out, like.shape, called.dtypes()[0])
    for power, (mean, variance) in MOMENTS.items():
        found = float((out.astype(np.float64) ** power).mean())
        within = SIGMAS * math.sqrt(variance / out.size)
        if not abs(found - mean) <= within:
            raise MismatchError(
                f"the mean of the numbers to the power {power} is {found:.3g}, should be {mean}, "
                f"within {within:.2g}"
            )
    different = len(np.unique(out)) / out.size
    if different < DISTINCT:
        raise MismatchError(f"only {different:.2%} of {out.size} numbers are different")
    return Measured()


def _judge_dropout(called: Called, out: Array) -> Measured:
    """Require that every element is 0 or 1 / (1 - p) times what it is without dropout.

    A share of p must be 0, and gradients must flow back only through the elements that were kept.
    """
    op, case = called.op, called.case
    assert isinstance(case, Case)
    p = float(case.kwargs[case.chance])
    kept = keeping_all(case)
    whole = reference(op, kept).outputs[0]
    if whole.size < ENOUGH or not whole.all():
        raise InvalidCaseError(
            f"chance needs {ENOUGH} elements, none of them 0 before they are dropped"
        )
    require_form("output", out, whole.shape, called.dtype)
    scale = (out != 0) / (1 - p)  # what the op multiplied each element by
    own = own_errors(op, kept).outputs[0]
    error = compare("output", out, whole * scale, called.dtype, own)
    require_share(out, p)
    return Measured.of(error, own).worst(_judge_gradient(called, kept, scale))


def _judge_gradient(called: Called, kept: Case, scale: Array) -> Measured:
    """Require that a cotangent c gives the gradient that c · scale gives without dropout."""
    carried = cotangent(kept, 0, scale.shape)
    called.engine.backward(called.outputs[0], carried.astype(called.dtype))
    cotangents = (carried * scale,)
    want = answer(called.op, kept, PLAIN, "float64", "float64", cotangents).gradients[0]
    if want is None or not want.any():
        raise InvalidCaseError("chance needs a gradient in the first input")
    own = own_errors(called.op, kept).gradients[0]
    got = called.gradient(0)
    return Measured.of(compare("gradient of floating input 0", got, want, called.dtype, own), own)


@functools.cache
def keeping_all(case: Case) -> Case:
    """The case with a dropout probability of 0."""
    kept = copy.copy(case)
    kept.kwargs = case.kwargs | {case.chance: 0.0}
    return kept
