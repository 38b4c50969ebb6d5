"""What a fault is, and the list of all faults of ops."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import minigrad
from minigrad import op

from ..spec.case import Case


def _on_arrays(function: Any) -> bool:
    """Whether op made this op, from a function of arrays that returns a value and its pullback."""
    return inspect.unwrap(function).__annotations__["return"] == "Output"


def _right(name: str) -> Any:
    """An op of minigrad; if op made it, the function of arrays that it was made from."""
    function = getattr(minigrad.ops, name)
    return inspect.unwrap(function) if _on_arrays(function) else function


right = SimpleNamespace(**{name: _right(name) for name in minigrad.ops.__all__})


@dataclass(frozen=True)
class Fault:
    """A wrong op, layer, optimizer or scheduler; its docstring says what is wrong."""

    name: str  # of the right one, which it replaces
    title: str  # the name under which the fault was written
    wrong: Callable[..., Any]
    checks: frozenset[str]  # that must reject it, and no others
    rule: int | None = None  # in parity's README, if the fault illustrates one
    case: Case | None = None  # set if the op is right and this case is what is wrong
    raises: bool = False  # where it has no wrong numbers, or not only
    space: Any = minigrad.ops  # the module that has the right one

    @property
    def id(self) -> str:
        return f"{self.name}-{self.title}"


FAULTS: list[Fault] = []


def fault(
    name: str, *checks: str, rule: int | None = None, raises: bool = False
) -> Callable[[Any], Any]:
    """Register a function with the op's arguments as a fault.

    If the op is written on arrays, so is the fault: it returns a value and its pullback. If the op
    is composed of other ops, the fault takes and returns Tensors.
    """

    def enter(wrong: Any) -> Any:
        whole, title = getattr(minigrad.ops, name), wrong.__name__
        wrong.__signature__ = inspect.signature(whole)
        wrong.__name__ = name  # in which it refuses a wrong call
        planted = op(wrong) if _on_arrays(whole) else wrong
        FAULTS.append(Fault(name, title, planted, frozenset(checks), rule, raises=raises))
        return wrong

    return enter


def blind_case(name: str, *checks: str) -> Callable[[Any], Any]:
    """Register a function that returns a case that cannot tell a right op from a wrong one."""

    def enter(make: Callable[[], Case]) -> Callable[[], Case]:
        FAULTS.append(Fault(name, make.__name__, make, frozenset(checks), 6, make()))
        return make

    return enter


def gradients(pullback: Any, dout: Any) -> tuple[Any, ...]:
    """One gradient per argument, from either form of pullback: a function, or a tuple of them."""
    if isinstance(pullback, tuple):
        return tuple(function and function(dout) for function in pullback)
    returned = pullback(dout)
    return returned if isinstance(returned, tuple) else (returned,)
