"""Primitives of rows: what those of scalar.py make number by number, made and swept at once.

The numbers, and the gradients that come of them, are the same. Every number is still a Value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, compress
from operator import mul
from typing import Any

from . import engine, floats, scalar
from .engine import Value, node
from .groups import Group

Rows = Sequence[Sequence[Value]]
Column = tuple[Sequence[Value], Sequence[Any]]  # parents, and a slope of each

_new = object.__new__
_NOBODY = Value(0.0)  # takes the gradients that nobody wants
_NOBODY.grad = 0.0


def each(numbers: Sequence[float], *columns: Column) -> list[Value]:
    """Values of these numbers, each made of one parent from every column: (parents, slopes).

    A slope of None is 0, and makes 0 of whatever gradient arrives.
    """
    if engine.recording:
        wanted = [[parent.requires_grad for parent in parents] for parents, _ in columns]
        kept = list(compress(columns, [True in flags for flags in wanted]))
        if kept and all(False not in flags for flags in wanted if True in flags):
            return _members(Each(kept), numbers)
        if kept:  # some of the results require no gradient
            edges = zip(*(zip(*column, strict=True) for column in kept), strict=True)
            return [_apart(number, own) for number, own in zip(numbers, edges, strict=True)]
    return list(map(Value, numbers))


def _members(group: Group, numbers: Iterable[float]) -> list[Value]:
    """The Values of a group; what Value() does, written out, for that takes half the time."""
    index, members = group.index, []  # all are as old as the group, which is younger than its rows
    for place, number in enumerate(numbers):
        value = _new(Value)
        value.data, value.grad, value.index = number, None, index
        value.parents, value.requires_grad, value.slopes = group, True, place
        members.append(value)
    return members


def _apart(number: float, edges: Iterable[tuple[Value, float | None]]) -> Value:
    """A node of these parents and slopes, where None is no slope."""
    ordered = sorted(edges, key=lambda edge: edge[1] is None)
    slopes = [slope for _, slope in ordered if slope is not None]
    return node(number, [parent for parent, _ in ordered], slopes)


class Each(Group):
    """Values made one by one, of as many columns of parents and slopes."""

    __slots__ = ("columns",)

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__([parents for parents, _ in columns])
        self.columns = [
            column if None not in column[1] else _without_flat(*column) for column in columns
        ]

    def edges(self, place: int) -> list[tuple[Value, float]]:
        slopes = [slopes[place] for _, slopes in self.columns]
        return list(zip([row[place] for row in self.rows], slopes, strict=True))

    def carry(self, members: list[Value]) -> None:
        places = [value.slopes for value in members]
        douts = [value.grad for value in members]
        for parents, slopes in self.columns:
            for place, dout in zip(places, douts, strict=True):
                parents[place].grad += slopes[place] * dout


def _without_flat(parents: Sequence[Value], slopes: Sequence[float | None]) -> Column:
    """A column in which nobody has a slope of None."""
    takers = [_NOBODY if s is None else x for x, s in zip(parents, slopes, strict=True)]
    return takers, [slope or 0.0 for slope in slopes]


def dots(xs: Rows, ys: Rows) -> list[Value]:
    """The dot product of each row of xs with every row of ys, all of one length."""
    a, b = ([[x.data for x in row] for row in rows] for rows in (xs, ys))
    results = floats.sumprods(a, b)
    if engine.recording:
        (x_takers, x_whole), (y_takers, y_whole) = _takers(xs), _takers(ys)
        if x_whole or y_whole:  # all of the results require a gradient
            return _members(Dots(x_takers, a, y_takers, b), results)
        if x_takers or y_takers:
            pairs = [(i, j) for i in range(len(a)) for j in range(len(b))]
            return [
                node(number, (*xs[i], *ys[j]), (*b[j], *a[i]))
                for number, (i, j) in zip(results, pairs, strict=True)
            ]
    return list(map(Value, results))


def _takers(rows: Rows) -> tuple[Rows, bool]:
    """rows with nobody for what requires no gradient, [] if nothing does; if every row has some."""
    flags = [x.requires_grad for row in rows for x in row]
    if False not in flags:
        return rows, bool(flags)
    if True not in flags:
        return [], False
    takers = [[x if x.requires_grad else _NOBODY for x in row] for row in rows]
    return takers, all(any(x is not _NOBODY for x in row) for row in takers)


class Dots(Group):
    """Dot products of rows of xs, the numbers a, with rows of ys, the numbers b.

    The slope of x·y along x is y: what the gradients bring to x is a dot product again, of them
    with the numbers that stand where x does in each y.
    """

    __slots__ = ("a", "b", "xs", "ys")

    def __init__(
        self, xs: Rows, a: Sequence[Sequence[float]], ys: Rows, b: Sequence[Sequence[float]]
    ) -> None:
        super().__init__([*xs, *ys])
        self.xs, self.a, self.ys, self.b = xs, a, ys, b

    def edges(self, place: int) -> list[tuple[Value, float]]:
        i, j = divmod(place, len(self.b))
        pairs = [*zip(self.xs[i], self.b[j], strict=True)] if self.xs else []
        pairs += zip(self.ys[j], self.a[i], strict=True) if self.ys else []
        return [(parent, slope) for parent, slope in pairs if parent is not _NOBODY]

    def carry(self, members: list[Value]) -> None:
        n = len(self.b)
        douts = _in_places(members, len(self.a) * n)
        rows = [douts[start : start + n] for start in range(0, len(douts), n)]
        _give(self.xs, rows, self.b)
        _give(self.ys, zip(*rows, strict=True), self.a)


def _in_places(members: list[Value], size: int) -> list[float]:
    """The gradients of a group's Values at their places, 0 where none has come."""
    douts = [0.0] * size
    for value in members:
        douts[value.slopes] = value.grad
    return douts


def _give(
    parents: Rows, douts: Iterable[Sequence[float]], slopes: Sequence[Sequence[float]]
) -> None:
    """Add to the gradients of each row of parents a row of douts times slopes, a matrix."""
    if parents:
        gradients = floats.sumprods(douts, list(zip(*slopes, strict=True)))
        for parent, gradient in zip(chain.from_iterable(parents), gradients, strict=True):
            parent.grad += gradient


def adds(xs: Sequence[Value], ys: Sequence[Value]) -> list[Value]:
    """add of each pair."""
    ones = [1.0] * len(xs)
    return each([x.data + y.data for x, y in zip(xs, ys, strict=True)], (xs, ones), (ys, ones))


def relus(xs: Sequence[Value]) -> list[Value]:
    """relu of each."""
    numbers = [0.0 if x.data <= 0.0 else x.data for x in xs]
    return each(numbers, (xs, [None if x.data <= 0.0 else 1.0 for x in xs]))


def exps_of(xs: Sequence[Value], scale: float, shifts: Sequence[float]) -> list[Value]:
    """exp of each scale · x - its shift, scale and shifts constant."""
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
    """Each x / its y · its scale."""
    factors, divisors = [scale.data for scale in scales], [y.data for y in ys]
    quotients = floats.ratios([x.data for x in xs], divisors)
    slopes = floats.ratios(factors, divisors)
    shares = [-q * slope for q, slope in zip(quotients, slopes, strict=True)]
    numbers = list(map(mul, quotients, factors))
    return each(numbers, (xs, slopes), (ys, shares), (scales, quotients))


# What does for rows what a primitive does for numbers.
OF_ROWS: dict[Callable[..., Value], Callable[..., list[Value]]] = {
    scalar.add: adds,
    scalar.relu: relus,
}
