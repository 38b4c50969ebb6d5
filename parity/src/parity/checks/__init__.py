"""Does an engine do what the spec says? Each check tests one op on one case."""

from __future__ import annotations

from .items import CHECKS, Item, Result, cases, judge, run
from .measure import BUDGET, FACTOR, InvalidCaseError, MismatchError

__all__ = [
    "BUDGET",
    "CHECKS",
    "FACTOR",
    "InvalidCaseError",
    "Item",
    "MismatchError",
    "Result",
    "cases",
    "judge",
    "run",
]
