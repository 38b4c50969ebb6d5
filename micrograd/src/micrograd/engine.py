"""The Value, and backward: how gradients flow from one number to the numbers it was made of.

Knows the maths of no operation: what an operation computes, and its slopes, is in scalar.py.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from numbers import Real
from operator import attrgetter
from typing import TYPE_CHECKING, Any

_created = itertools.count()  # creation order is a topological order: parents come first
_index = attrgetter("index")
_grad_enabled = True


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Inside, operations record nothing, and their results do not require a gradient."""
    global _grad_enabled
    before, _grad_enabled = _grad_enabled, False
    try:
        yield
    finally:
        _grad_enabled = before


class Value:
    """A number that remembers which numbers it was made of.

    data: the number, a float. grad: the gradient, of a leaf only; None until one arrives.
    parents: the Values it depends on and that require a gradient; () for a leaf; None once freed.
    slopes: d(data)/d(parent) for each parent, in the same order. Parents past the last slope
    receive a gradient of exactly zero: where() did not take them, or floor() rounded them.
    index: when it was made. Raises TypeError for data that is not a real number.
    """

    __slots__ = ("data", "grad", "index", "parents", "requires_grad", "slopes")

    data: float
    grad: float | None
    parents: tuple[Value, ...] | None
    slopes: tuple[float, ...] | None

    def __init__(self, data: float, requires_grad: bool = False) -> None:
        self.data = data if type(data) is float else as_float(data)
        self.grad = None
        self.index = next(_created)
        self.parents = ()
        self.requires_grad = requires_grad
        self.slopes = ()

    # The operators and the methods of these names are bound in scalar.py, in one list.
    if TYPE_CHECKING:

        def __add__(self, other: Value | float) -> Value: ...
        def __radd__(self, other: float) -> Value: ...
        def __sub__(self, other: Value | float) -> Value: ...
        def __rsub__(self, other: float) -> Value: ...
        def __mul__(self, other: Value | float) -> Value: ...
        def __rmul__(self, other: float) -> Value: ...
        def __truediv__(self, other: Value | float) -> Value: ...
        def __rtruediv__(self, other: float) -> Value: ...
        def __pow__(self, other: Value | float) -> Value: ...
        def __rpow__(self, other: float) -> Value: ...
        def __neg__(self) -> Value: ...
        def __abs__(self) -> Value: ...
        def abs(self) -> Value: ...
        def reciprocal(self) -> Value: ...
        def exp(self) -> Value: ...
        def expm1(self) -> Value: ...
        def log(self) -> Value: ...
        def log1p(self) -> Value: ...
        def sqrt(self) -> Value: ...
        def rsqrt(self) -> Value: ...
        def sin(self) -> Value: ...
        def cos(self) -> Value: ...
        def erf(self) -> Value: ...
        def tanh(self) -> Value: ...
        def sigmoid(self) -> Value: ...
        def relu(self) -> Value: ...

    def backward(self, gradient: float = 1.0, retain_graph: bool = False) -> None:
        """Add gradient · d(self)/d(leaf) to the .grad of every leaf that self depends on.

        The graph is freed as it is swept, unless retain_graph; freed, it cannot be swept again.
        Raises RuntimeError if self does not require a gradient, or if the graph has been freed.
        """
        if not self.requires_grad:
            raise RuntimeError("backward() of a Value that does not require a gradient")
        sweep([self], [as_float(gradient)], retain_graph)

    def detach(self) -> Value:
        """The same number, cut off from the graph."""
        return Value(self.data)

    def __float__(self) -> float:
        return self.data

    def __repr__(self) -> str:
        leaf = self.requires_grad and self.parents == ()
        return f"Value({self.data!r}{', requires_grad=True' if leaf else ''})"


def node(data: float, parents: Sequence[Value], slopes: Sequence[float]) -> Value:
    """A Value made of parents: it keeps those that require a gradient, with their slopes."""
    out = Value(data)
    if _grad_enabled:
        needed = [parent.requires_grad for parent in parents]
        if any(needed):
            out.requires_grad = True
            if not all(needed):
                slopes = tuple(itertools.compress(slopes, needed))
                parents = tuple(itertools.compress(parents, needed))
            out.parents, out.slopes = tuple(parents), tuple(slopes)
    return out


def outputs(items: Sequence[Any]) -> Sequence[Any]:
    """items as an operation may return them: inside no_grad, cut off from the graph."""
    if _grad_enabled:
        return items
    return [
        item.detach() if isinstance(item, Value) and item.requires_grad else item for item in items
    ]


def sweep(roots: Sequence[Value], gradients: Sequence[float], retain_graph: bool) -> None:
    """Carry gradients from the roots, which all require one, back to the leaves."""
    unswept = tape(roots)
    pending = dict.fromkeys(unswept, 0.0)  # gradients of the Values that are still to be swept
    for root, gradient in zip(roots, gradients, strict=True):
        pending[root] += gradient
    while unswept:
        value = unswept.pop()
        dout = pending.pop(value)
        if not value.parents:
            value.grad = dout if value.grad is None else value.grad + dout
            continue
        for parent, slope in zip(value.parents, value.slopes or (), strict=False):
            pending[parent] += slope * dout
        if not retain_graph:
            value.parents = value.slopes = None


def tape(roots: Sequence[Value]) -> list[Value]:
    """Every Value that the roots' gradients reach, oldest first."""
    found = dict.fromkeys(roots)
    waiting = list(found)
    while waiting:
        value = waiting.pop()
        if value.parents is None:
            raise RuntimeError(
                "backward() through a graph that an earlier backward() has freed: "
                "keep it with retain_graph=True"
            )
        for parent in value.parents:
            if parent not in found:
                found[parent] = None
                waiting.append(parent)
    return sorted(found, key=_index)


def as_value(number: Value | float) -> Value:
    """A Value as it is; a number as a constant."""
    return number if isinstance(number, Value) else Value(number)


def as_float(number: Any) -> float:
    if not isinstance(number, Real):
        raise TypeError(f"expected a number, not {type(number).__name__}")
    return float(number)
