"""Can this case tell a right engine from a wrong one? If not, the case itself is invalid."""

from __future__ import annotations

import functools

from ..spec.case import Case, Op
from .measure import EPS, SIGNAL, InvalidCaseError, tolerance
from .reference import own_errors, reference


@functools.cache
def fault(op: Op, case: Case) -> str:
    """Why the gradients of a case show nothing; empty if they do show something."""
    gradients = reference(op, case).gradients
    zero = [i for i, g in enumerate(gradients) if g is not None and not g.any()]
    if zero and not case.flat:
        return f"the gradient of floating input {zero[0]} is all zero: say why with flat="
    if case.flat and not zero:
        return f"flat={case.flat!r}, but no gradient is all zero"
    for i, error in enumerate(own_errors(op, case).gradients):
        if tolerance(error) * EPS["float32"] > SIGNAL:
            return (
                f"the gradient of floating input {i} is rounding noise: "
                f"torch's float32 is {error:.3g} eps off, so any number would pass"
            )
    return ""


def require_gradients(op: Op, case: Case) -> None:
    """Raise InvalidCaseError if the gradients of the case show nothing."""
    if found := fault(op, case):
        raise InvalidCaseError(found)


def require_outputs(op: Op, case: Case) -> None:
    """Raise InvalidCaseError if the outputs of the case are rounding noise."""
    for i, error in enumerate(own_errors(op, case).outputs):
        if tolerance(error) * EPS["float32"] > SIGNAL:
            raise InvalidCaseError(
                f"output {i} is rounding noise: torch's float32 is {error:.3g} eps off, "
                "so any number would pass"
            )
