"""Groups: what Values that are made together have in place of parents of their own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import Any

Value = Any  # of engine.py, which imports this file

created = partial(next, count())  # creation order is a topological order: parents come first


class Group:
    """The shared parents of several Values, its members, which pass their gradients on together.

    A member's parents are the group, and its slopes are its place in it. So one pass over the rows
    serves all members, by whatever is fast for rows: a subclass says how.
    rows: the Values that the members depend on, all of which require a gradient; None once freed.
    slopes: the numbers that a subclass makes the members' slopes of. size: how many members it has.
    A sweep that finds any of them visits all rows; what only others depend on gets a gradient of 0.
    """

    __slots__ = ("index", "members", "rows", "size", "slopes")

    def __init__(self, rows: Sequence[Sequence[Value]], slopes: Any, size: int) -> None:
        self.index = created()
        self.members: Any = None  # during a sweep, those that it has found
        self.rows: Any = rows
        self.slopes = slopes
        self.size = size

    def edges(self, place: int) -> list[tuple[Value, float]]:
        """The Values that the member at this place depends on, each with its slope."""
        raise NotImplementedError

    def carry(self, members: list[Value]) -> None:
        """Add to the .grad of the Values in rows what the gradients of these members contribute."""
        raise NotImplementedError

    def free(self) -> None:
        """Let the rows go, if the sweep has found all members; else only these let the group go."""
        if len(self.members) == self.size:
            self.rows, self.slopes = None, ()
        else:
            for value in self.members:
                value.parents, value.slopes = None, ()
