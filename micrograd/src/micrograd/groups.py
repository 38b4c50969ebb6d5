"""What stands in the place of a Value's parents where many numbers are made of the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

Value = Any  # of engine.py, which is made of what is here

LONGEST = 128  # parents of a sum that grows: each of the sums on the way may be swept as well
created = count().__next__  # creation order is a topological order: parents come first


class Group:
    """What several Values were made of together: from here their gradients go on all at once.

    Each of its Values has the group for parents, and for slopes its place in it. So the numbers in
    rows are gone through once for all of them, by what is fast at rows: a subclass says how.
    rows: the Values that they depend on, all of which require a gradient. When one of the group's
    Values is swept, rows are too, with a gradient of 0 where other Values alone depend on them.
    """

    __slots__ = ("index", "members", "rows")

    def __init__(self, rows: Sequence[Sequence[Value]]) -> None:
        self.index = created()
        self.members: Any = None  # in a sweep those of its Values that were found
        self.rows = rows

    def edges(self, place: int) -> list[tuple[Value, float]]:
        """What the Value at a place depends on, and the slopes."""
        raise NotImplementedError

    def carry(self, members: list[Value]) -> None:
        """Add to the .grad of all in rows what the gradients of some of the Values make of it."""
        raise NotImplementedError


class Terms:
    """The terms of a sum that grows: a Value that has them for parents is the sum of the first.

    How many parents are its own stands in its slopes. It has no copy of them until it is swept, by
    when most such sums have given way to the next.
    """

    __slots__ = ("parents", "slopes")

    def __init__(self, parents: Sequence[Value], slopes: Sequence[float]) -> None:
        self.parents, self.slopes = [*parents], [*slopes]

    def first(self, count: int) -> tuple[tuple[Value, ...], tuple[float, ...]]:
        """So many parents, and their slopes."""
        return tuple(self.parents[:count]), tuple(self.slopes[:count])

    def edges(self, count: int) -> list[tuple[Value, float]]:
        return list(zip(*self.first(count), strict=True))
