"""Can this case tell a right engine from a wrong one? If not, the case itself is invalid."""

from __future__ import annotations

from ..spec.case import Case, Op
from .measure import InvalidCaseError, is_noise
from .reference import own_errors, reference


def require_gradients(op: Op, case: Case) -> None:
    """Raise InvalidCaseError if the gradients of the case show nothing."""
    gradients = reference(op, case).gradients
    zero = [i for i, g in enumerate(gradients) if g is not None and not g.any()]
    if zero and not case.flat:
        raise InvalidCaseError(
            f"the gradient of floating input {zero[0]} is all zero: say why with flat="
        )
    if case.flat and not zero:
        raise InvalidCaseError(f"flat={case.flat!r}, but no gradient is all zero")
    _require_signal("the gradient of floating input", own_errors(op, case).gradients)


def require_outputs(op: Op, case: Case) -> None:
    """Raise InvalidCaseError if the outputs of the case are rounding noise."""
    _require_signal("output", own_errors(op, case).outputs)


def _require_signal(what: str, torch_errors: tuple[float, ...]) -> None:
    for i, error in enumerate(torch_errors):
        if is_noise(error):
            raise InvalidCaseError(
                f"{what} {i} is rounding noise: torch's float32 is {error:.3g} eps off, "
                "so any number would pass"
            )
