"""Wrong ops: what goes wrong in practice, planted in minigrad to see whether the judge notices.

Each is a function in the place of the right one, wrong in one respect only. Its docstring tells
the story; the decorator names the checks that must reject it, and only those. They are in
faults_of_arrays.py and faults_of_networks.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import minigrad

# The right ops on arrays: each returns its value and its pullback.
right = SimpleNamespace(
    **{name: inspect.unwrap(getattr(minigrad.ops, name)) for name in minigrad.ops.__all__}
)


def gradients(pullback: Any, dout: Any) -> tuple[Any, ...]:
    """What a pullback gives for dout, in either of its forms: one gradient per argument."""
    if isinstance(pullback, tuple):
        return tuple(function and function(dout) for function in pullback)
    returned = pullback(dout)
    return returned if isinstance(returned, tuple) else (returned,)


@dataclass(frozen=True)
class Fault:
    """wrong stands in for the op called name; checks are those that must reject it."""

    name: str
    wrong: Callable[..., Any]
    checks: frozenset[str]

    @property
    def id(self) -> str:
        return f"{self.name}-{self.wrong.__name__}"


FAULTS: list[Fault] = []


def fault(name: str, *checks: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function into FAULTS."""

    def enter(wrong: Callable[..., Any]) -> Callable[..., Any]:
        FAULTS.append(Fault(name, wrong, frozenset(checks)))
        return wrong

    return enter
