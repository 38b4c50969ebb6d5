"""Results as lines of a terminal, for the commands that write no report."""

from __future__ import annotations

from ..checks import Result
from ..checks.determinism import Determinism
from ..checks.runs import RunResult
from . import data
from .data import MEASURED, STATUSES
from .words import eps, loss, milliseconds, plural, relative


def of_check(result: Result) -> str:
    if result.status != "passed":
        return _unpassed(result.name, result)
    if result.error is None:
        return f"✓ {result.name}"
    if result.check == "differences":
        return f"✓ {result.name}: agrees to {relative(result.error, result.dtype)}"
    own = "" if result.torch_error is None else f" (torch float32: {eps(result.torch_error)})"
    return f"✓ {result.name}: {eps(result.error)} eps{own}"


def of_training(result: RunResult) -> str:
    if result.status != "passed":
        return _unpassed(result.name, result)
    last = relative(result.loss_bands[-1].error, result.dtype)
    return (
        f"✓ {result.name}: loss {loss(result.losses[0])} to {loss(result.losses[-1])} in "
        f"{plural(len(result.losses), 'step')} (torch's within {last}), "
        f"{milliseconds(result.seconds)} ms a step (torch: {milliseconds(result.torch_seconds)})"
    )


def of_determinism(result: Determinism) -> str:
    if result.status != "passed":
        return _unpassed(result.engine, result)
    cases = f"{plural(result.cases, 'case')}, each dtype counted"
    return f"✓ {result.engine}: {cases}, the same bits in {result.processes} processes"


def of_engine(engine: data.Engine) -> str:
    """How many checks passed, failed and were skipped, and the worst errors."""
    parts = [f"{engine[status]:,} {status}" for status in STATUSES]
    for check in MEASURED:
        if worst := engine["worst"][check]:
            torch = eps(worst["torch_error"])
            parts.append(f"{check} {eps(worst['error'])} eps (torch float32: {torch})")
    return f"{engine['name']}: {', '.join(parts)}"


def _unpassed(name: str, result: Result | RunResult | Determinism) -> str:
    """Why it was skipped, or failed, then with the command that repeats it."""
    if result.status == "skipped":
        return f"– {name}: skipped, {result.message}"
    return f"✗ {name}: {result.message}\n  {result.reproduce}"
