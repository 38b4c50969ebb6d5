"""Is what is left out at random left out as promised, and only that?"""

from __future__ import annotations

import copy
import functools
import math

import numpy as np

from ..engines import Adapter
from ..spec.case import Array, Case, Op
from .calling import Called, call
from .measure import InvalidCaseError, Measured, MismatchError, compare
from .reference import PLAIN, answer, cotangent, own_errors, reference

ENOUGH = 1000  # elements: their share of zeros is known to a few per cent
SIGMAS = 5  # one honest run in two million is further off, and the seed is fixed


def stochastic(engine: Adapter, op: Op, case: Case, dtype: str) -> Measured:
    """Every element of the output is 0 or 1 / (1 - p) times what it is without dropout.

    The share of zeros is p, a seed repeats them, other calls differ, and the gradient of the first
    input is that of the op without dropout for the elements that were kept.
    """
    p = float(case.kwargs[case.chance])
    kept = keeping_all(case)
    whole = reference(op, kept).outputs[0]
    if whole.size < ENOUGH or not whole.all():
        raise InvalidCaseError(
            f"chance needs {ENOUGH} elements, none of them 0 before they are dropped"
        )

    engine.package.manual_seed(0)
    called = call(engine, op, case, dtype, needs=(0,))
    out = engine.numpy(called.outputs[0])
    _judge_repetition(engine, op, case, dtype, out)

    if out.shape != whole.shape:
        raise MismatchError(f"output has shape {out.shape}, should be {whole.shape}")
    scale = (out != 0) / (1 - p)  # which elements were kept, and what that makes of them
    own = own_errors(op, kept).outputs[0]
    error = compare("output", out, whole * scale, dtype, own)
    left_out, sigma = float((out == 0).mean()), math.sqrt(p * (1 - p) / out.size)
    if not abs(left_out - p) <= SIGMAS * sigma:
        raise MismatchError(
            f"{left_out:.2%} of {out.size} elements were left out, should be {p:.2%}, "
            f"within {SIGMAS * sigma:.2%}"
        )
    return Measured(error, own).worst(_judge_gradient(engine, op, kept, dtype, called, scale))


def _judge_repetition(engine: Adapter, op: Op, case: Case, dtype: str, first: Array) -> None:
    second = engine.numpy(call(engine, op, case, dtype).outputs[0])
    engine.package.manual_seed(0)
    again = engine.numpy(call(engine, op, case, dtype).outputs[0])
    if np.array_equal(first, second):
        raise MismatchError("two calls in a row left out the same elements")
    if not np.array_equal(first, again):
        raise MismatchError("manual_seed does not repeat which elements are left out")


def _judge_gradient(
    engine: Adapter, op: Op, kept: Case, dtype: str, called: Called, scale: Array
) -> Measured:
    """Carrying c back through what was kept is carrying c · scale back through everything."""
    carried = cotangent(kept, 0, scale.shape)
    engine.backward(called.outputs[0], carried.astype(dtype))
    want = answer(op, kept, PLAIN, "float64", "float64", (carried * scale,)).gradients[0]
    if want is None or not want.any():
        raise InvalidCaseError("chance needs a gradient in the first input")
    own = own_errors(op, kept).gradients[0]
    got = called.gradient(engine, 0)
    return Measured(compare("gradient of floating input 0", got, want, dtype, own), own)


@functools.cache
def keeping_all(case: Case) -> Case:
    """The case with a probability of 0."""
    kept = copy.copy(case)
    kept.kwargs = case.kwargs | {case.chance: 0.0}
    return kept
