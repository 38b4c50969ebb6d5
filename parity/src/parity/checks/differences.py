"""Do the gradients agree with finite differences of the engine's own values, without torch?"""

from __future__ import annotations

import functools
import zlib

import numpy as np

from .. import engines
from ..engines import Adapter
from ..engines.torch import evaluate
from ..spec.case import Array, Call, Case, Op, floats, transform, variable
from .calling import Called, call, carry_back, judge_inputs
from .measure import EPS, SIGNAL, InvalidCaseError, Measured, MismatchError
from .reference import cotangent

DIRECTIONS = 2
STEPS = (1e-3, 1e-5, 1e-7)  # tried in turn: a function that bends sharply needs a shorter one
RELATIVE = 1e-6  # the largest error allowed, relative to the slope; good gradients are well below
ROUNDINGS = 16  # rounding errors, in eps of the values, allowed in a difference of four values


class Moved(Call):
    """A case with its floating inputs moved by step times direction, one array per input."""

    def __init__(self, case: Call, direction: list[Array], step: float) -> None:
        super().__init__(case.args, case.kwargs)
        self.id, self.direction, self.step = case.id, direction, step

    def inputs(self) -> tuple[tuple[object, ...], dict[str, object]]:
        shifts = iter(self.direction)

        def move(array: Array) -> Array:
            if not variable(array):
                return array
            return np.asarray(array + self.step * next(shifts))

        moved: tuple[tuple[object, ...], dict[str, object]] = transform(move, super().inputs())
        return moved


def differences(engine: Adapter, op: Op, case: Case, dtype: str) -> Measured:
    """Compare directional derivatives along random directions."""
    try:
        return _differences(engine, op, case, dtype)
    except InvalidCaseError:
        raise
    except MismatchError as mismatch:
        if meaningless(op, case):
            raise InvalidCaseError(
                "torch's gradient disagrees with its finite differences too: say why with kink="
            ) from mismatch
        raise


@functools.cache
def meaningless(op: Op, case: Case) -> bool:
    """Whether finite differences fail on this case even for torch."""
    own = {op.name: lambda *args, **kwargs: evaluate(op, args, kwargs)}  # op may be a user's
    try:
        _differences(engines.with_ops(engines.load("torch"), **own), op, case, "float64")
    except (MismatchError, RuntimeError):  # RuntimeError: a step left the op's domain
        return True
    return False


@np.errstate(invalid="ignore")  # inf - inf is NaN, which is then reported as a mismatch
def _differences(engine: Adapter, op: Op, case: Case, dtype: str) -> Measured:
    inputs = floats(case)
    called = _call(engine, op, case, dtype, case, range(len(inputs)))
    weights = _weights(called)
    carry_back(called)
    judge_inputs(called)
    gradients = [called.gradient(i) for i in range(len(inputs))]
    magnitude = _total(called, weights, absolute=True)

    rng = np.random.default_rng(zlib.crc32(f"{case.id} directions".encode()))
    worst = Measured()
    for _ in range(DIRECTIONS):
        direction = [np.asarray(rng.standard_normal(array.shape)) for array in inputs]
        terms = [g * v for g, v in zip(gradients, direction, strict=True) if g is not None]
        claimed = sum(float(term.sum()) for term in terms)
        size = sum(float(np.abs(term).sum()) for term in terms)
        for step in STEPS:
            at = {}
            for k in (-2, -1, 1, 2):
                moved = Moved(case, direction, k * step)
                at[k] = _total(_call(engine, op, case, dtype, moved), weights)
            slope = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * step)
            gap, scale = abs(slope - claimed), max(size, abs(slope))
            rounding = ROUNDINGS * EPS["float64"] * magnitude / step
            if gap <= RELATIVE * scale + rounding:
                break
        else:
            raise MismatchError(
                f"the gradient says that the output changes by {claimed:.12g} along a random "
                f"direction, finite differences say {slope:.12g}",
                gap / (EPS["float64"] * scale) if scale else None,
            )
        if rounding > SIGNAL * scale and not case.flat:
            raise InvalidCaseError(
                f"finite differences see no slope of {slope:.3g} under a rounding of "
                f"{rounding:.3g}: say why with kink= or flat="
            )
        if scale:
            worst = worst.worst(Measured(gap / (EPS["float64"] * scale)))
    return worst


def _call(
    engine: Adapter, op: Op, case: Case, dtype: str, inputs: Call, needs: range = range(0)
) -> Called:
    if case.chance:
        engine.package.manual_seed(0)  # dropout must drop the same elements in every call
    return call(engine, op, inputs, dtype, needs)


def _weights(called: Called) -> list[Array | None]:
    """The random cotangent of each floating output."""
    arrays = [called.engine.numpy(output) for output in called.outputs]
    return [
        cotangent(called.case, i, array.shape) if array.dtype.kind == "f" else None
        for i, array in enumerate(arrays)
    ]


def _total(called: Called, weights: list[Array | None], absolute: bool = False) -> float:
    """The weighted sum of all outputs: the scalar whose slope is measured."""
    total = 0.0
    for output, weight in zip(called.outputs, weights, strict=True):
        if weight is not None:
            terms = weight * called.engine.numpy(output)
            total += float((np.abs(terms) if absolute else terms).sum())
    return total
