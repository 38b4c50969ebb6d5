"""Mutants that change no result, and why: the one list of what need not be killed.

An entry that names no mutant, or one that a case does kill, is an error.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Equivalent:
    """In a function of an engine, mutated comes to the same as original, for a reason."""

    engine: str
    function: str
    original: str
    mutated: str
    reason: str


EQUIVALENTS = (
    Equivalent(
        "micrograd",
        "prod",
        "before = accumulate(numbers[:-1], product, initial=1.0)",
        "before = accumulate(numbers, product, initial=1.0)",
        "one product too many, which map() does not reach",
    ),
    Equivalent(
        "micrograd",
        "prod",
        "return node(result, xs, list(map(product, before, after)))",
        "return node(result, xs, list(map(product, after, before)))",
        "factors may be exchanged",
    ),
    *(
        Equivalent(
            "micrograd",
            "spread",
            "slopes = [math.inf * square for square in squares]",
            f"slopes = [{factor} * (math.inf * square) for square in squares]",
            "of infinity there is no multiple",
        )
        for factor in (2, 0.5)
    ),
)
