"""Primitives for rows: what scalar.py computes number by number, computed and swept all at once.

The numbers and their gradients are the same, and every number is still a Value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import compress, count, repeat
from operator import mul
from typing import Any

from . import engine, floats, scalar
from .engine import Value
from .groups import Group

Rows = Sequence[Sequence[float]]
Column = tuple[Sequence[Value], Sequence[Any]]  # parents, and a slope for each

_new = object.__new__
_NOBODY = Value(0.0)  # takes the gradients that nobody wants
_NOBODY.grad = 0.0


def each(numbers: Sequence[float], *columns: Column) -> list[Value]:
    """Values of these numbers, each made of one parent from every column (parents, slopes).

    A slope of None is exactly 0: the parent gets a gradient of 0, whatever arrives.
    """
    if engine.recording:
        flags = [[parent.requires_grad for parent in parents] for parents, _ in columns]
        kept = [
            (parents if all(own) else _takers(parents, own), slopes)
            for (parents, slopes), own in zip(columns, flags, strict=True)
            if any(own)
        ]
        if kept:
            rows, rows_of_slopes = zip(*kept, strict=True)
            members = _members(Each(rows, rows_of_slopes, len(numbers)), numbers)
            if any(map(all, flags)):
                return members
            return _or_constants(members, map(any, zip(*flags, strict=True)))
    return list(map(Value, numbers))


def _members(group: Group, numbers: Sequence[float]) -> list[Value]:
    """The Values of a group: what Value() does, written out, which takes half the time."""
    index = group.index  # all are as old as the group, which is younger than its rows
    members = list(map(_new, repeat(Value, len(numbers))))
    for value, number, place in zip(members, numbers, count()):
        value.data, value.grad, value.index = number, None, index
        value.parents, value.requires_grad, value.slopes = group, True, place
    return members


def _takers(parents: Sequence[Value], wanted: Iterable[bool]) -> list[Value]:
    """The parents, with _NOBODY in place of those that are not wanted."""
    return [x if flag else _NOBODY for x, flag in zip(parents, wanted, strict=True)]


def _or_constants(members: list[Value], wanted: Iterable[bool]) -> list[Value]:
    """The members, with a constant for those not wanted, as none of their parents is trained."""
    return [x if flag else Value(x.data) for x, flag in zip(members, wanted, strict=True)]


class Each(Group):
    """Values that each have one parent and one slope in every row; a slope of None is 0."""

    __slots__ = ()

    def edges(self, place: int) -> list[tuple[Value, float]]:
        columns = zip(self.rows, self.slopes, strict=True)
        pairs = [(parents[place], slopes[place]) for parents, slopes in columns]
        return [(parent, slope or 0.0) for parent, slope in pairs if parent is not _NOBODY]

    def carry(self, members: list[Value]) -> None:
        for parents, slopes in zip(self.rows, self.slopes, strict=True):
            for value in members:
                place = value.slopes
                slope = slopes[place]
                if slope is not None:
                    parents[place].grad += slope * value.grad


def dots(xs: Sequence[Value], ys: Sequence[Value], n: int, m: int) -> list[Value]:
    """The dot product of each of the n rows of xs with each of the m rows of ys.

    All rows have one length, and are stored one after the other.
    """
    a, b = [x.data for x in xs], [y.data for y in ys]
    a_rows, b_rows = in_rows(a, n), in_rows(b, m)
    results = floats.sumprods(a_rows, b_rows)
    if engine.recording:
        (x_takers, x_wanted), (y_takers, y_wanted) = _wanted(xs, n), _wanted(ys, m)
        if x_takers or y_takers:
            members = _members(Dots((x_takers, y_takers), (a, b), n, m), results)
            if all(x_wanted) or all(y_wanted):
                return members
            return _or_constants(members, [x or y for x in x_wanted for y in y_wanted])
    return list(map(Value, results))


def in_rows(items: Sequence[Any], n: int) -> list[Sequence[Any]]:
    """items as n rows of equal length."""
    length = len(items) // n if n else 0
    return list(zip(*[iter(items)] * length, strict=True)) if length else [()] * n


def _in_columns(items: Sequence[Any], n: int) -> list[Sequence[Any]]:
    """The columns of items, which are n rows of equal length."""
    length = len(items) // n
    return [items[place::length] for place in range(length)]


def _wanted(items: Sequence[Value], n: int) -> tuple[Sequence[Value], list[bool]]:
    """The takers of n rows, none if no item requires a gradient; and whether each row has any."""
    flags = [item.requires_grad for item in items]
    if all(flags):
        return items, [bool(flags)] * n
    if not any(flags):
        return (), [False] * n
    return _takers(items, flags), list(map(any, in_rows(flags, n)))


class Dots(Group):
    """Dot products of the n rows of xs with the m rows of ys; a and b are their numbers.

    The slope of x·y along x is y. So the gradient of an element of x is a dot product again: of
    the products' gradients with the elements that each y has in the same place.
    """

    __slots__ = ("m", "n")

    def __init__(self, rows: Sequence[Sequence[Value]], slopes: Rows, n: int, m: int) -> None:
        super().__init__(rows, slopes, n * m)
        self.n, self.m = n, m

    def edges(self, place: int) -> list[tuple[Value, float]]:
        i, j = divmod(place, self.m)
        (xs, ys), (a, b) = self.rows, self.slopes
        # xs or ys is empty if nothing in it requires a gradient.
        pairs = [*zip(in_rows(xs, self.n)[i], in_rows(b, self.m)[j], strict=False)]
        pairs += zip(in_rows(ys, self.m)[j], in_rows(a, self.n)[i], strict=False)
        return [(parent, slope) for parent, slope in pairs if parent is not _NOBODY]

    def carry(self, members: list[Value]) -> None:
        (xs, ys), (a, b) = self.rows, self.slopes
        douts = [0.0] * (self.n * self.m)  # of the members, in their places
        for value in members:
            douts[value.slopes] = value.grad
        if xs:
            _give(xs, in_rows(douts, self.n), _in_columns(b, self.m))
        if ys:
            _give(ys, _in_columns(douts, self.n), _in_columns(a, self.n))


def _give(parents: Sequence[Value], douts: Rows, slopes: Rows) -> None:
    """Add to the parents' gradients the dot products of each row of douts with each of slopes."""
    for parent, gradient in zip(parents, floats.sumprods(douts, slopes), strict=True):
        parent.grad += gradient


def adds(xs: Sequence[Value], ys: Sequence[Value]) -> list[Value]:
    """add of each pair."""
    ones = [1.0] * len(xs)
    return each([x.data + y.data for x, y in zip(xs, ys, strict=True)], (xs, ones), (ys, ones))


def owned(items: Sequence[Any]) -> Sequence[Any]:
    """scalar.own of each item that is a Value."""
    trained = [type(x) is Value and x.requires_grad and not x.parents for x in items]
    if not engine.recording or not any(trained):
        return items
    leaves = list(compress(items, trained))
    copies = _members(Copies([leaves], (), len(leaves)), [leaf.data for leaf in leaves])
    if len(copies) == len(items):
        return copies
    copied = iter(copies)
    return [next(copied) if leaf else x for x, leaf in zip(items, trained, strict=True)]


class Copies(Group):
    """Values that are each a copy of their one parent."""

    __slots__ = ()

    def edges(self, place: int) -> list[tuple[Value, float]]:
        return [(self.rows[0][place], 1.0)]

    def carry(self, members: list[Value]) -> None:
        (parents,) = self.rows
        for value in members:
            parents[value.slopes].grad += value.grad


def relus(xs: Sequence[Value]) -> list[Value]:
    """relu of each."""
    numbers = [0.0 if x.data <= 0.0 else x.data for x in xs]
    return each(numbers, (xs, [None if x.data <= 0.0 else 1.0 for x in xs]))


def exps_of(xs: Sequence[Value], scale: float, shifts: Sequence[float]) -> list[Value]:
    """exp(scale · x - shift) of each x and its shift; scale and shifts are constants."""
    numbers = floats.exps([scale * x.data - shift for x, shift in zip(xs, shifts, strict=True)])
    return each(numbers, (xs, [scale * number for number in numbers]))


def ratios(xs: Sequence[Value], ys: Sequence[Value]) -> list[Value]:
    """div of each pair."""
    divisors = [y.data for y in ys]
    numbers = floats.ratios([x.data for x in xs], divisors)
    inverses = floats.ratios([1.0] * len(xs), divisors)
    slopes = floats.ratios([-number for number in numbers], divisors)
    return each(numbers, (xs, inverses), (ys, slopes))


def scaled_ratios(xs: Sequence[Value], ys: Sequence[Value], scales: Sequence[Value]) -> list[Value]:
    """x / y · scale, for each triple."""
    factors, divisors = [scale.data for scale in scales], [y.data for y in ys]
    quotients = floats.ratios([x.data for x in xs], divisors)
    slopes = floats.ratios(factors, divisors)
    shares = [-q * slope for q, slope in zip(quotients, slopes, strict=True)]
    numbers = list(map(mul, quotients, factors))
    return each(numbers, (xs, slopes), (ys, shares), (scales, quotients))


# The primitives that have a counterpart for rows.
OF_ROWS: dict[Callable[..., Value], Callable[..., list[Value]]] = {
    scalar.add: adds,
    scalar.relu: relus,
}
