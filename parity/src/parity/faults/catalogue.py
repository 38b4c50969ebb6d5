"""What a fault is, and the list of all."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import minigrad
from minigrad import op

from ..spec.case import Case

# The right ops on arrays: each returns its value and its pullback.
right = SimpleNamespace(
    **{name: inspect.unwrap(getattr(minigrad.ops, name)) for name in minigrad.ops.__all__}
)


@dataclass(frozen=True)
class Fault:
    """wrong stands in for the op called name; checks are those that must reject it.

    rule: the number of the rule in parity's README that it shows, where there is one.
    case: where the op is right and this case of it is what is wrong.
    """

    name: str
    wrong: Callable[..., Any]
    checks: frozenset[str]
    rule: int | None = None
    case: Case | None = None

    @property
    def id(self) -> str:
        return f"{self.name}-{self.wrong.__name__}"


FAULTS: list[Fault] = []


def fault(name: str, *checks: str, rule: int | None = None) -> Callable[[Any], Any]:
    """Enter a function into FAULTS, which takes the arguments of the op.

    It is on arrays, and returns its value and its pullback, where the right op is; where that is
    composed of others, it is on Tensors.
    """

    def enter(wrong: Any) -> Any:
        whole = getattr(minigrad.ops, name)
        wrong.__signature__ = inspect.signature(whole)
        planted = op(wrong) if hasattr(whole, "__wrapped__") else wrong
        FAULTS.append(Fault(name, planted, frozenset(checks), rule))
        return wrong

    return enter


def blind_case(name: str, *checks: str, rule: int = 6) -> Callable[[Any], Any]:
    """Enter a function into FAULTS, which returns a case of the op that shows nothing."""

    def enter(make: Callable[[], Case]) -> Callable[[], Case]:
        FAULTS.append(Fault(name, make, frozenset(checks), rule, make()))
        return make

    return enter


def gradients(pullback: Any, dout: Any) -> tuple[Any, ...]:
    """What a pullback gives for dout, in either of its forms: one gradient per argument."""
    if isinstance(pullback, tuple):
        return tuple(function and function(dout) for function in pullback)
    returned = pullback(dout)
    return returned if isinstance(returned, tuple) else (returned,)
