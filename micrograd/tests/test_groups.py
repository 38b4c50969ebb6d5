"""Rows that are swept as one, and sums that grow: the same gradients as number by number."""

from __future__ import annotations

import gc
import itertools
import math
import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

import micrograd
from micrograd import Value, floats, no_grad, ops, rowwise, scalar
from micrograd.floats import WRITTEN_OUT
from micrograd.operators import LONGEST

inf, nan = math.inf, math.nan


def leaf(number: float = 2.0) -> Value:
    return Value(number, requires_grad=True)


def leaves(*numbers: float) -> list[Value]:
    return [leaf(number) for number in numbers]


def grads(values: list[Value]) -> list[float | None]:
    return [value.grad for value in values]


def one_at_a_time(
    function: Callable[[list[Value], list[Value]], list[Value]],
    pairs: list[tuple[float, float]],
    wanted: tuple[bool, bool],
) -> list[list[str]]:
    """Each result of function, with its parents' gradients, when the other results are not used."""
    flags = list(itertools.islice(itertools.cycle([(True, True), wanted]), len(pairs)))
    found = []
    for i, gradient in itertools.product(range(len(pairs)), (3.0, inf)):
        xs = [Value(a, requires_grad=p) for (a, _), (p, _) in zip(pairs, flags, strict=True)]
        ys = [Value(b, requires_grad=q) for (_, b), (_, q) in zip(pairs, flags, strict=True)]
        out = function(xs, ys)[i]
        if out.requires_grad:
            out.backward(gradient)
        numbers = [out.data, out.requires_grad, xs[i].grad or 0.0, ys[i].grad or 0.0]
        found.append(list(map(repr, numbers)))
    return found


@pytest.mark.parametrize("wanted", list(itertools.product([True, False], repeat=2)))
@pytest.mark.parametrize(
    ("row", "single"),
    [
        (rowwise.adds, scalar.add),
        (rowwise.ratios, scalar.div),
        (lambda xs, _: rowwise.relus(xs), lambda x, _: scalar.relu(x)),
        (lambda xs, _: rowwise.exps_of(xs, 1.0, [0.0] * len(xs)), lambda x, _: scalar.exp(x)),
    ],
)
def test_a_row_is_what_its_numbers_would_be(row, single, wanted) -> None:
    """To the bit, even where not all require a gradient."""
    pairs = list(itertools.product([0.0, -0.0, 2.0, -3.0, 1e3, inf, -inf, nan], repeat=2))

    assert one_at_a_time(row, pairs, wanted) == one_at_a_time(
        lambda xs, ys: list(map(single, xs, ys)), pairs, wanted
    )


@pytest.mark.parametrize("wanted", list(itertools.product([True, False], repeat=2)))
def test_a_product_of_matrices_is_what_dot_products_would_be(wanted) -> None:
    pairs = [(2.0, 3.0), (-1.0, 0.0), (0.5, 7.0)]

    assert one_at_a_time(
        lambda xs, ys: rowwise.dots(xs, ys, len(xs), len(ys))[:: len(xs) + 1],
        pairs,
        wanted,
    ) == one_at_a_time(
        lambda xs, ys: [scalar.dot([x], [y]) for x, y in zip(xs, ys, strict=True)], pairs, wanted
    )


@pytest.mark.parametrize("n", [0, 1, 2, 3, WRITTEN_OUT - 1, WRITTEN_OUT, WRITTEN_OUT + 1])
def test_sums_of_products_are_the_same_in_every_way(n) -> None:
    """To the bit, however long the rows are."""
    drawn = random.Random(n)
    odd = [0.0, -0.0, 1e308, -1e308, inf, nan]
    xs, ys = ([[drawn.gauss() for _ in range(n)] for _ in range(4)] for _ in range(2))
    for rows in (xs, ys):
        rows[0] = drawn.choices([0.0, -0.0], k=n)
        rows[1] = drawn.choices(odd, k=n)

    assert list(map(repr, floats.sumprods(xs, ys))) == [
        repr(floats.sumprod(x, y)) for x in xs for y in ys
    ]
    assert floats.sumprods(xs, []) == []


def test_a_group_is_drawn_as_its_numbers_would_be() -> None:
    xs, ys = [leaf(1.0), Value(2.0)], leaves(3.0, 4.0)
    for row, single in ((rowwise.adds, scalar.add), (rowwise.ratios, scalar.div)):
        assert micrograd.draw(row(ys, ys)[1]) == micrograd.draw(single(ys[1], ys[1]))
        assert micrograd.draw(row(xs, ys)[0]) == micrograd.draw(single(xs[0], ys[0]))


def test_what_others_of_a_row_have_for_slopes_does_not_matter() -> None:
    xs, ys = leaves(1.0, 1.0), leaves(0.0, 2.0)
    rowwise.ratios(xs, ys)[1].backward()

    assert (xs[1].grad, ys[1].grad) == (0.5, -0.25)
    assert not any(math.isnan(x.grad or 0.0) for x in [*xs, *ys])


def test_a_group_that_was_swept_for_all_members_is_freed() -> None:
    x, w = leaves(2.0, 3.0), leaves(5.0, 7.0)
    outs = rowwise.dots(x, w, 2, 2)
    scalar.total(outs).backward()

    for again in (outs[0].edges, outs[0].backward, (outs[0] * 2).backward):
        with pytest.raises(RuntimeError, match="freed"):
            again()
    assert (grads(x), grads(w)) == ([12.0, 12.0], [5.0, 5.0])


def test_an_interrupted_sweep_leaves_no_gradient_in_the_graph(monkeypatch) -> None:
    x = micrograd.tensor([[1.0, 2.0]], requires_grad=True)
    w = micrograd.tensor([[3.0, 4.0], [5.0, 6.0]], requires_grad=True)
    loss = ops.sum(ops.linear(ops.relu(ops.linear(x, w)), w))

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    for kind in (rowwise.Dots, rowwise.Each):
        with monkeypatch.context() as patch:
            patch.setattr(kind, "carry", interrupted)
            with pytest.raises(KeyboardInterrupt):
                loss.backward(retain_graph=True)
        for value in (*x[0], *w[0], *w[1]):
            value.grad = None
    loss.backward()

    assert micrograd.grad(x) == [[8 * 3.0 + 10 * 5.0, 8 * 4.0 + 10 * 6.0]]


def test_a_sum_of_products_is_one_node() -> None:
    xs, ys = leaves(2.0, 3.0, 4.0), leaves(5.0, 6.0, 7.0)
    gc.collect()
    before = sum(type(thing) is Value for thing in gc.get_objects())
    out = sum(x * y for x, y in zip(xs, ys, strict=True))

    assert sum(type(thing) is Value for thing in gc.get_objects()) == before + 1
    factors = zip(xs, [5.0, 6.0, 7.0], ys, [2.0, 3.0, 4.0], strict=True)
    assert out.edges() == [edge for x, b, y, a in factors for edge in ((x, b), (y, a))]
    out.backward()
    assert grads(xs) == [5.0, 6.0, 7.0]
    assert grads(ys) == [2.0, 3.0, 4.0]
    assert out.parents is None


@pytest.mark.parametrize(
    "total",
    [
        lambda a, b, x: a * b + b * x + x * a,
        lambda a, b, x: sum([b * x, x * a], a * b),
        lambda a, b, x: Value(0.0) + a * b + b * x + x * a,
        lambda a, b, x: 0.0 + a * b + b * x + x * a,
    ],
)
def test_a_sum_of_products_is_one_node_however_it_is_written(total) -> None:
    a, b, x = values = leaves(2.0, 3.0, 5.0)
    out = total(a, b, x)

    assert out.edges() == [(a, 3.0), (b, 2.0), (b, 5.0), (x, 3.0), (x, 2.0), (a, 5.0)]
    out.backward()
    assert (out.data, grads(values)) == (31.0, [8.0, 7.0, 5.0])


def test_a_product_joins_what_is_no_sum() -> None:
    a, b = leaves(2.0, 3.0)
    for other, edges in ((a, [(a, 1.0)]), (e := a.exp(), [(e, 1.0)]), (Value(7.0), []), (7, [])):
        out = other + a * b
        assert out.edges() == [*edges, (a, 3.0), (b, 2.0)]
        assert out.data == float(other) + 6.0
        out.backward()
    assert grads([a, b]) == [4 * 3.0 + 1.0 + e.data, 4 * 2.0]


def test_sums_that_share_their_terms_are_drawn_and_swept_apart() -> None:
    a, b, c = values = leaves(2.0, 3.0, 5.0)
    first = a * b + b * b
    longer = first + c * c
    other = first + a * c

    assert first.edges() == [(a, 3.0), (b, 2.0), (b, 3.0), (b, 3.0)]
    assert longer.edges() == [*first.edges(), (c, 5.0), (c, 5.0)]
    assert other.edges() == [(first, 1.0), (a, 5.0), (c, 2.0)]
    scalar.total([first, longer]).backward(retain_graph=True)
    assert grads(values) == [2 * 3.0, 2 * (2.0 + 3.0 + 3.0), 10.0]
    (longer + other).backward()
    assert grads(values) == [4 * 3.0 + 5.0, 4 * 8.0, 20.0 + 2.0]


def test_slopes_are_those_of_when_a_product_was_made() -> None:
    a, b, c = values = leaves(2.0, 3.0, 5.0)
    out = a * b + b * c
    for value in values:
        value.data = 100.0
    (out + a * b).backward()

    assert grads(values) == [3.0 + 100.0, 2.0 + 5.0 + 100.0, 3.0]


def test_sums_on_the_way_may_be_used_and_go_on_differently() -> None:
    a, b, c, d = leaves(2.0, 3.0, 4.0, 5.0)
    first = 0 + a * b
    second = first + b * c
    other = first + c * d
    third = second + d * a

    assert [value.data for value in (first, second, other, third)] == [6.0, 18.0, 26.0, 28.0]
    (first + second * 10 + other * 100 + third * 1000).backward()
    # a b counts 1111 times, b c 1010, c d 100 and d a 1000 times.
    assert (a.grad, b.grad) == (1111 * 3 + 1000 * 5, 1111 * 2 + 1010 * 4)
    assert (c.grad, d.grad) == (1010 * 3 + 100 * 5, 100 * 4 + 1000 * 2)


def test_a_product_in_a_sum_may_be_used_elsewhere() -> None:
    x, y = leaf(2.0), leaf(3.0)
    product = x * y
    out = sum([product, product, x * x])
    (out + product * product).backward()

    assert (x.grad, y.grad) == (2 * 3 + 2 * 2 + 2 * 6 * 3, 2 * 2 + 2 * 6 * 2)


def test_a_sum_may_take_in_what_was_made_of_it() -> None:
    x, y = leaf(2.0), leaf(3.0)
    total = 0 + x * y
    for _ in range(3):
        total = total + total * x
    total.backward()

    assert total.data == 6.0 * 3**3
    assert (x.grad, y.grad) == (3.0 * 3**3 + 6.0 * 3 * 3**2, 2.0 * 3**3)


@pytest.mark.parametrize("n", [LONGEST // 4 - 1, LONGEST // 4, LONGEST // 4 + 1, 10_000])
def test_a_sum_of_any_length(n) -> None:
    x = leaf()
    ys = leaves(*map(float, range(n)))
    sum(x * y for y in ys).backward()

    assert x.grad == sum(range(n))
    assert grads(ys) == [2.0] * n


def test_every_sum_on_the_way_is_swept_in_reasonable_time() -> None:
    n, x, total = 10_000, leaf(), 0
    sums = [total := total + x * x for _ in range(n)]
    scalar.total(sums).backward()

    assert x.grad == sum(range(1, n + 1)) * 4.0


def test_a_sum_of_what_partly_requires_no_gradient() -> None:
    x, y = leaf(2.0), Value(3.0)
    out = sum([x * x, x * y, y * y, x * 5, y, 7])

    assert out.data == 4.0 + 6.0 + 9.0 + 10.0 + 3.0 + 7.0
    out.backward()
    assert (x.grad, y.grad) == (4.0 + 3.0 + 5.0, None)
    assert not sum([y * y, y * y]).requires_grad


def test_what_has_fewer_slopes_than_parents_is_no_product() -> None:
    x, y, z = leaves(2.0, 3.0, 5.0)
    left = scalar.maximum(x, y)
    sum([x * z, left, z * z]).backward(retain_graph=True)
    sum([left, x * z]).backward()

    assert grads([x, y, z]) == [5.0 + 5.0, 2.0, 2.0 + 10.0 + 2.0]


def test_inside_no_grad_no_sum_grows() -> None:
    x = leaf(2.0)
    total = 0 + x * x
    product = x * x
    with no_grad():
        outs = [0 + product, total + product, x * x]
    assert not any(out.requires_grad for out in outs)
    (total + product).backward()

    assert x.grad == 8.0


def test_a_freed_product_is_noticed_in_a_sum() -> None:
    x = leaf(2.0)
    product = x * x
    product.backward()
    for out in (0 + product, sum([x * x, product])):
        with pytest.raises(RuntimeError, match="freed"):
            out.backward()
    assert x.grad == 4.0


def test_a_swept_sum_may_not_be_added_to() -> None:
    x = leaf(2.0)
    total = 0 + x * x
    total.backward()
    with pytest.raises(RuntimeError, match="freed"):
        (total + x * x).backward()

    kept = 0 + x * x
    kept.backward(retain_graph=True)
    (kept + x * x).backward()
    assert x.grad == 4.0 + 4.0 + 8.0


def test_the_sign_of_zero() -> None:
    x, y = leaf(-0.0), leaf(1.0)

    assert math.copysign(1.0, (0 + x * y).data) == 1.0


def test_bytes_per_term() -> None:
    n, x = 10_000, leaf()
    ys = leaves(*[2.0] * 16)
    tracemalloc.start()
    sums = [sum(x * y for y in ys) for _ in range(n // 16)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(sums) == n // 16
    assert size / n <= 64
