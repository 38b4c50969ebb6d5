"""The Value, and backward: how gradients flow from one number to the numbers it was made of.

Knows nothing of any particular operation: what each computes, and its slopes, is in scalar.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import chain, compress, repeat
from numbers import Real
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from .groups import Group, created

FREED = "an earlier backward() has freed this graph: keep it with retain_graph=True"
recording = True  # whether operations remember what they are made of


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Inside, operations record nothing, and their results do not require a gradient."""
    global recording
    before, recording = recording, False
    try:
        yield
    finally:
        recording = before


class Value:
    """A number that remembers which numbers it was made of.

    data: the number, a float. grad: the gradient, of a leaf only; None until one arrives.
    parents: the Values it was made of that require a gradient; () for a leaf, None once freed.
    slopes: d(data)/d(parent) for each parent, in the same order; parents past the last slope get a
    gradient of exactly zero, as those that floor() rounded. edges() reads both, however they are
    stored: one by one as here, shared by many Values (groups.py), or as the terms of a sum of
    products (operators.py). index: creation order. Raises TypeError if data is not a real number.
    """

    __slots__ = ("data", "grad", "index", "parents", "requires_grad", "slopes")

    data: float
    grad: Any  # float | None; in a sweep a float
    parents: Any  # tuple[Value, ...] | Group | terms: parent, slope, parent, slope, … | None
    slopes: Any  # tuple[float, ...] | place in a Group | how many terms, None for all of them

    def __init__(
        self,
        data: float,
        requires_grad: bool = False,
        parents: tuple[Value, ...] = (),
        slopes: tuple[float, ...] = (),
    ) -> None:
        self.data = data if type(data) is float else as_float(data)
        self.grad = None
        self.index = created()
        self.parents = parents
        self.requires_grad = requires_grad
        self.slopes = slopes

    # operators.py binds these, in one list; here they are declared for type checkers.
    if TYPE_CHECKING:

        def __add__(self, other: Value | float) -> Value: ...
        def __lt__(self, other: Value | float) -> bool: ...
        def __neg__(self) -> Value: ...

        __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__
        __pow__ = __rpow__ = __add__
        __le__ = __gt__ = __ge__ = __lt__
        __abs__ = abs = reciprocal = exp = expm1 = log = log1p = sqrt = rsqrt = __neg__
        sin = cos = erf = tanh = sigmoid = relu = __neg__

    def backward(self, gradient: float = 1.0, retain_graph: bool = False) -> None:
        """Add gradient · d(self)/d(leaf) to the .grad of every leaf that self depends on.

        The graph is freed as it is swept, unless retain_graph; freed, it cannot be swept again.
        The slopes stay those of the forward pass, whatever has been written into leaves since.
        Raises RuntimeError if self does not require a gradient, or if the graph has been freed.
        """
        if not self.requires_grad:
            raise RuntimeError("backward() of a Value that does not require a gradient")
        sweep([self], [as_float(gradient)], retain_graph)

    def edges(self) -> list[tuple[Value, float]]:
        """The parents that require a gradient, each with its slope."""
        parents, slopes = self.parents, self.slopes
        if parents is None:
            raise RuntimeError(FREED)
        if isinstance(parents, Group):
            if parents.rows is None:
                raise RuntimeError(FREED)
            return parents.edges(slopes)
        if type(slopes) is not tuple:
            parents = slopes = iter(parents[:slopes])  # zip takes a parent and its slope in turn
        return list(zip(parents, chain(slopes, repeat(0.0)), strict=False))

    def detach(self) -> Value:
        """The same number, cut off from the graph."""
        return Value(self.data)

    def __reduce__(self) -> Any:
        # A copied or unpickled Value is a leaf with its own place on the tape.
        if self.parents != ():
            raise TypeError("only leaves can be copied or pickled: detach() this Value first")
        return type(self), (self.data, self.requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Value:
        """A copy that keeps .grad, which copy.copy and pickle drop, as in torch."""
        make, arguments = self.__reduce__()
        made: Value = make(*arguments)
        made.grad = self.grad
        return made

    def __float__(self) -> float:
        return self.data

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else str(self)

    def __repr__(self) -> str:
        leaf = self.requires_grad and self.parents == ()
        return f"Value({self.data!r}{', requires_grad=True' if leaf else ''})"


def node(data: float, parents: Sequence[Value], slopes: Sequence[float]) -> Value:
    """A Value made of parents; it keeps those that require a gradient, with their slopes."""
    if recording:
        for parent in parents:
            if not parent.requires_grad:
                needed = [parent.requires_grad for parent in parents]
                parents, slopes = list(compress(parents, needed)), list(compress(slopes, needed))
                break
        if parents:
            return Value(data, True, tuple(parents), tuple(slopes))
    return Value(data)


def sweep(roots: Sequence[Value], gradients: Sequence[float], retain_graph: bool) -> None:
    """Carry gradients from the roots, which all require one, back to the leaves."""
    nodes: list[Any] = []
    leaves: list[Value] = []
    try:
        _find(roots, nodes, leaves)
    except BaseException:
        _forget([*nodes, *leaves])
        raise
    nodes.sort(key=attrgetter("index"))
    for root, gradient in zip(roots, gradients, strict=True):
        root.grad += gradient
    try:
        while nodes:
            value = nodes[-1]  # the newest: all that was made of it has had its turn
            if isinstance(value, Group):
                value.carry(value.members)
                for member in value.members:
                    member.grad = None
                if not retain_graph:
                    value.free()
                value.members = None
            else:
                dout, value.grad = value.grad, None
                parents, slopes = value.parents, value.slopes
                if type(slopes) is not tuple:
                    parents = slopes = iter(parents[:slopes])  # as in edges()
                for parent, slope in zip(parents, slopes):  # noqa: B905 (twice as fast)
                    parent.grad += slope * dout
                if not retain_graph:
                    value.parents, value.slopes = None, ()
            del nodes[-1]
    finally:
        _forget(nodes)  # left over after an interruption


def _find(roots: Sequence[Value], nodes: list[Any], leaves: list[Value]) -> None:
    """Append all nodes from the roots on, and leaves without a gradient; set their .grad to zero.

    That zero is an object of this sweep's own, and marks what has been found. A leaf that has a
    gradient keeps it, to add to; a .grad set on a Value in between, as z.grad = 1.0, is ignored.
    """
    zero = float("0")  # a literal could be the same object as other zeros
    waiting: list[Sequence[Value]] = [roots]
    members: list[Value] = []
    group: Any = members  # that of the member before, which mostly is the next one's, too
    while waiting:
        for value in waiting.pop():
            if value.grad is zero:
                continue
            parents = value.parents
            if parents is group:
                members.append(value)
            elif not parents:
                if parents is None:
                    raise RuntimeError(FREED)
                if value.grad is not None:
                    continue
                leaves.append(value)
            elif isinstance(parents, Group):
                group = parents
                if group.members is None:
                    if group.rows is None:
                        raise RuntimeError(FREED)
                    nodes.append(group)
                    group.members = []
                    waiting.extend(group.rows)
                members = group.members
                members.append(value)
            else:
                if type(value.slopes) is not tuple:
                    parents = parents[: value.slopes : 2]
                waiting.append(parents)
                nodes.append(value)
            value.grad = zero


def _forget(nodes: Sequence[Any]) -> None:
    """Reset the .grad of what an interrupted sweep has not reached."""
    for value in nodes:
        if isinstance(value, Group):
            for member in value.members or ():
                member.grad = None
            value.members = None
        else:
            value.grad = None


def as_value(number: Value | float) -> Value:
    """A Value as it is; a number as a constant."""
    return number if isinstance(number, Value) else Value(number)


def as_float(number: Any) -> float:
    if not isinstance(number, Real):
        raise TypeError(f"expected a number, not {type(number).__name__}")
    return float(number)
