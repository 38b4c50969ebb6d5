"""What stands in the place of a Value's parents where many numbers are made of the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import Any

Value = Any  # of engine.py, which is made of what is here

created = partial(next, count())  # creation order is a topological order: parents come first


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
