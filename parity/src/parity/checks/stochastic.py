"""Do random ops have the promised distribution, and does manual_seed repeat them?"""

from __future__ import annotations

import copy
import functools
import math

import numpy as np

from ..engines import Adapter
from ..spec.case import Array, Case, Op
from .calling import Called, call, judge_inputs, judge_leaves, output_dtypes_of
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
    called = call(engine, op, case, dtype, needs=(0,))
    out = engine.numpy(called.outputs[0])
    _judge_repetition(engine, op, case, dtype, out)
    judge_inputs(engine, op, case, dtype, called)
    judge_leaves(engine, op, case, called)
    if case.chance == "normal":
        return _judge_normal(engine, op, case, dtype, out)
    return _judge_dropout(engine, op, case, dtype, called, out)


def _judge_repetition(engine: Adapter, op: Op, case: Case, dtype: str, first: Array) -> None:
    second = engine.numpy(call(engine, op, case, dtype).outputs[0])
    engine.package.manual_seed(0)
    again = engine.numpy(call(engine, op, case, dtype).outputs[0])
    if same(first, second):
        raise MismatchError("two calls in a row drew the same")
    if not same(first, again):
        raise MismatchError("manual_seed does not repeat what is drawn")


def _judge_normal(engine: Adapter, op: Op, case: Case, dtype: str, out: Array) -> Measured:
    """Require standard normal numbers, by their first four moments."""
    like = reference(op, case).outputs[0]
    if like.size < MANY:
        raise InvalidCaseError(f"normal numbers need {MANY} elements")
    require_form("output", out, like.shape, output_dtypes_of(engine, op, case, dtype)[0])
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


def _judge_dropout(
    engine: Adapter, op: Op, case: Case, dtype: str, called: Called, out: Array
) -> Measured:
    """Require that every element is 0 or 1 / (1 - p) times what it is without dropout.

    A share of p must be 0, and gradients must flow back only through the elements that were kept.
    """
    p = float(case.kwargs[case.chance])
    kept = keeping_all(case)
    whole = reference(op, kept).outputs[0]
    if whole.size < ENOUGH or not whole.all():
        raise InvalidCaseError(
            f"chance needs {ENOUGH} elements, none of them 0 before they are dropped"
        )
    require_form("output", out, whole.shape, dtype)
    scale = (out != 0) / (1 - p)  # what the op multiplied each element by
    own = own_errors(op, kept).outputs[0]
    error = compare("output", out, whole * scale, dtype, own)
    left_out, sigma = float((out == 0).mean()), math.sqrt(p * (1 - p) / out.size)
    if not abs(left_out - p) <= SIGMAS * sigma:
        raise MismatchError(
            f"{left_out:.2%} of {out.size} elements were left out, should be {p:.2%}, "
            f"within {SIGMAS * sigma:.2%}"
        )
    return Measured.of(error, own).worst(_judge_gradient(engine, op, kept, dtype, called, scale))


def _judge_gradient(
    engine: Adapter, op: Op, kept: Case, dtype: str, called: Called, scale: Array
) -> Measured:
    """Require that a cotangent c gives the gradient that c · scale gives without dropout."""
    carried = cotangent(kept, 0, scale.shape)
    engine.backward(called.outputs[0], carried.astype(dtype))
    want = answer(op, kept, PLAIN, "float64", "float64", (carried * scale,)).gradients[0]
    if want is None or not want.any():
        raise InvalidCaseError("chance needs a gradient in the first input")
    own = own_errors(op, kept).gradients[0]
    got = called.gradient(engine, 0)
    return Measured.of(compare("gradient of floating input 0", got, want, dtype, own), own)


@functools.cache
def keeping_all(case: Case) -> Case:
    """The case with a dropout probability of 0."""
    kept = copy.copy(case)
    kept.kwargs = case.kwargs | {case.chance: 0.0}
    return kept
