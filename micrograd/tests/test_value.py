"""Numbers known by hand: the operators and methods of a Value, their slopes, and IEEE's edges."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import pytest

import micrograd
from micrograd import Value, ops, rowwise, scalar

inf, nan = math.inf, math.nan


def same(got: float, want: float) -> bool:
    """Equal to a few roundings, infinities and NaN included."""
    return (math.isnan(got) and math.isnan(want)) or math.isclose(got, want, rel_tol=1e-15)


def gradients(function: Callable[..., Value], *numbers: float) -> tuple[float, list[Any]]:
    leaves = [Value(number, requires_grad=True) for number in numbers]
    out = function(*leaves)
    out.backward()
    return out.data, [leaf.grad for leaf in leaves]


@pytest.mark.parametrize(
    ("function", "numbers", "value", "slopes"),
    [
        (operator.add, (2.0, 5.0), 7.0, (1.0, 1.0)),
        (operator.sub, (2.0, 5.0), -3.0, (1.0, -1.0)),
        (operator.mul, (2.0, 5.0), 10.0, (5.0, 2.0)),
        (operator.truediv, (2.0, 4.0), 0.5, (0.25, -0.125)),
        (operator.pow, (2.0, 3.0), 8.0, (12.0, 8.0 * math.log(2.0))),
        (operator.neg, (2.0,), -2.0, (-1.0,)),
        (Value.exp, (1.0,), math.e, (math.e,)),
        (Value.log, (4.0,), math.log(4.0), (0.25,)),
        (Value.sqrt, (9.0,), 3.0, (1.0 / 6.0,)),
        (Value.tanh, (math.log(2.0),), 0.6, (0.64,)),
        (Value.sigmoid, (math.log(3.0),), 0.75, (0.1875,)),
        (Value.relu, (3.0,), 3.0, (1.0,)),
        (Value.relu, (-3.0,), 0.0, (0.0,)),
        (Value.relu, (0.0,), 0.0, (0.0,)),
        (scalar.normal_cdf, (0.0,), 0.5, (1.0 / math.sqrt(2.0 * math.pi),)),
        (scalar.maximum, (2.0, 5.0), 5.0, (0.0, 1.0)),
        (scalar.maximum, (5.0, 5.0), 5.0, (0.5, 0.5)),
        (scalar.minimum, (2.0, 5.0), 2.0, (1.0, 0.0)),
        (lambda x: x * x * x, (2.0,), 8.0, (12.0,)),
        (lambda *xs: scalar.total(xs), (1.0, 2.0, 4.0), 7.0, (1.0, 1.0, 1.0)),
        (lambda *xs: scalar.dot(xs[:2], xs[2:]), (1.0, 2.0, 3.0, 4.0), 11.0, (3.0, 4.0, 1.0, 2.0)),
        (lambda x: scalar.dot((x, x), (x, x)), (3.0,), 18.0, (12.0,)),
        (lambda *xs: scalar.largest(xs), (1.0, 4.0, 4.0), 4.0, (0.0, 0.5, 0.5)),
        (lambda *xs: scalar.smallest(xs), (1.0, 4.0, 4.0), 1.0, (1.0, 0.0, 0.0)),
        (abs, (-3.0,), 3.0, (-1.0,)),
        (Value.abs, (0.0,), 0.0, (0.0,)),
        (Value.reciprocal, (-4.0,), -0.25, (-0.0625,)),
        (Value.expm1, (math.log(3.0),), 2.0, (3.0,)),
        (Value.log1p, (3.0,), math.log(4.0), (0.25,)),
        (Value.rsqrt, (4.0,), 0.5, (-0.0625,)),
        (Value.sin, (0.0,), 0.0, (1.0,)),
        (Value.cos, (0.0,), 1.0, (0.0,)),
        (Value.erf, (0.0,), 0.0, (2.0 / math.sqrt(math.pi),)),
        (scalar.sign, (-3.0,), -1.0, (0.0,)),
        (scalar.floor, (-1.5,), -2.0, (0.0,)),
        (scalar.ceil, (-1.5,), -1.0, (0.0,)),
        (lambda x: scalar.round(x, 0), (2.5,), 2.0, (0.0,)),
        (lambda x: scalar.round(x, -2), (251.0,), 300.0, (0.0,)),
        (scalar.floor_divide, (-7.0, 2.0), -4.0, (0.0, 0.0)),
        (scalar.trunc_divide, (-7.0, 2.0), -3.0, (0.0, 0.0)),
        (scalar.softplus, (0.0,), math.log(2.0), (0.5,)),
        (scalar.xlogx, (1.0,), 0.0, (1.0,)),
        (scalar.deviation, (4.0,), 2.0, (0.25,)),
        (scalar.deviation, (0.0,), 0.0, (0.0,)),
        (scalar.clamp, (5.0, 1.0, 3.0), 3.0, (0.0, 0.0, 1.0)),
        (scalar.clamp, (0.0, 1.0, 3.0), 1.0, (0.0, 1.0, 0.0)),
        (scalar.clamp, (3.0, 1.0, 3.0), 3.0, (1.0, 0.0, 0.0)),
        (scalar.clamp_min, (1.0, 1.0), 1.0, (1.0, 0.0)),
        (scalar.clamp_max, (2.0, 1.0), 1.0, (0.0, 1.0)),
        (scalar.binary_cross_entropy, (0.5, 1.0), math.log(2.0), (-2.0, 0.0)),
        (lambda *xs: scalar.prod(xs), (2.0, 3.0, 4.0), 24.0, (12.0, 8.0, 6.0)),
        (lambda *xs: scalar.prod(xs), (2.0, 0.0, 4.0), 0.0, (0.0, 8.0, 0.0)),
        (lambda *xs: scalar.prod(xs), (0.0, 0.0, 4.0), 0.0, (0.0, 0.0, 0.0)),
        (lambda *xs: scalar.logsumexp(xs), (1e3, 1e3), 1e3 + math.log(2.0), (0.5, 0.5)),
        (
            lambda *xs: scalar.logsumexp(xs[:2], xs[2]),
            (3.0, 3.0, 1.0),
            2.0 + math.log(2.0),
            (0.5, 0.5, -1.0),
        ),
        (
            lambda *xs: scalar.root_mean_square(xs[:2], 9.0),
            (3.0, 3.0),
            math.sqrt(18.0),
            (0.5 / math.sqrt(2.0),) * 2,
        ),
        (
            lambda x, y, z: rowwise.scaled_ratios([x], [y], [z])[0],
            (6.0, 2.0, 5.0),
            15.0,
            (2.5, -7.5, 3.0),
        ),
        (lambda x, y: rowwise.ratios([x], [y])[0], (2.0, 4.0), 0.5, (0.25, -0.125)),
        (lambda x, y: rowwise.adds([x], [y])[0], (2.0, 5.0), 7.0, (1.0, 1.0)),
        (lambda x: rowwise.relus([x])[0], (3.0,), 3.0, (1.0,)),
        (lambda x: rowwise.relus([x])[0], (-3.0,), 0.0, (0.0,)),
        (lambda x: rowwise.exps_of([x], 2.0, [6.0])[0], (3.0,), 1.0, (2.0,)),
        (lambda a, b, c: a + b * c, (2.0, 3.0, 4.0), 14.0, (1.0, 4.0, 3.0)),
        (
            lambda a, b, c, d: rowwise.dots([a, b], [c, d], 1, 1)[0],
            (2.0, 3.0, 4.0, 5.0),
            23.0,
            (4.0, 5.0, 2.0, 3.0),
        ),
    ],
)
def test_value_and_slopes(function, numbers, value, slopes) -> None:
    out, grads = gradients(function, *numbers)

    assert same(out, value)
    assert all(map(same, grads, slopes))


@pytest.mark.parametrize("number", [3, 3.0, True])
@pytest.mark.parametrize(
    "function", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
)
def test_numbers_on_either_side_are_constants(function, number) -> None:
    x = Value(2.0, requires_grad=True)

    right, left = function(x, number), function(number, x)

    assert same(right.data, function(2.0, number))
    assert same(left.data, function(number, 2.0))
    assert right.parents == left.parents == (x,)


@pytest.mark.parametrize(
    ("function", "numbers", "value", "slopes"),
    [
        (Value.exp, (1000.0,), inf, (inf,)),
        (Value.exp, (-1000.0,), 0.0, (0.0,)),
        (Value.log, (0.0,), -inf, (inf,)),
        (Value.log, (-1.0,), nan, (-1.0,)),
        (Value.sqrt, (0.0,), 0.0, (inf,)),
        (Value.sqrt, (-1.0,), nan, (nan,)),
        (Value.sigmoid, (1000.0,), 1.0, (0.0,)),
        (Value.sigmoid, (-1000.0,), 0.0, (0.0,)),
        (Value.tanh, (1000.0,), 1.0, (0.0,)),
        (Value.relu, (nan,), nan, (1.0,)),
        (operator.truediv, (1.0, 0.0), inf, (inf, -inf)),
        (operator.truediv, (1.0, -0.0), -inf, (-inf, -inf)),
        (operator.truediv, (0.0, 0.0), nan, (inf, nan)),
        (operator.mul, (1e300, 1e300), inf, (1e300, 1e300)),
        (operator.pow, (0.0, 0.0), 1.0, (0.0, 0.0)),
        (operator.pow, (0.0, 2.0), 0.0, (0.0, 0.0)),
        (operator.pow, (0.0, 0.5), 0.0, (inf, 0.0)),
        (operator.pow, (0.0, -1.0), inf, (-inf, -inf)),
        (operator.pow, (-0.0, -1.0), -inf, (-inf, inf)),
        (operator.pow, (-8.0, 1.0 / 3.0), nan, (nan, nan)),
        (operator.pow, (-2.0, 3.0), -8.0, (12.0, nan)),
        (operator.pow, (nan, 0.0), 1.0, (0.0, nan)),
        (operator.pow, (1e200, 2.0), inf, (2e200, inf)),
        (operator.pow, (-1e200, 3.0), -inf, (inf, nan)),
        (scalar.maximum, (nan, 1.0), nan, (1.0, 1.0)),
        (lambda *xs: scalar.largest(xs), (inf, nan, 1.0), nan, (0.0, 1.0, 0.0)),
        (lambda *xs: scalar.smallest(xs), (-inf, nan, 1.0), nan, (0.0, 1.0, 0.0)),
        (Value.abs, (nan,), nan, (0.0,)),
        (Value.reciprocal, (-0.0,), -inf, (-inf,)),
        (Value.expm1, (1000.0,), inf, (inf,)),
        (Value.log1p, (-1.0,), -inf, (inf,)),
        (Value.log1p, (-2.0,), nan, (-1.0,)),
        (Value.rsqrt, (0.0,), inf, (-inf,)),
        (Value.rsqrt, (-1.0,), nan, (nan,)),
        (Value.sin, (inf,), nan, (nan,)),
        (Value.cos, (-inf,), nan, (nan,)),
        (Value.erf, (inf,), 1.0, (0.0,)),
        (scalar.floor, (inf,), inf, (0.0,)),
        (scalar.ceil, (nan,), nan, (0.0,)),
        (scalar.floor_divide, (1.0, 0.0), inf, (0.0, 0.0)),
        (scalar.trunc_divide, (1.0, -0.0), -inf, (0.0, 0.0)),
        (scalar.softplus, (-1000.0,), 0.0, (0.0,)),
        (scalar.softplus, (1000.0,), 1000.0, (1.0,)),
        (scalar.xlogx, (0.0,), 0.0, (nan,)),
        (scalar.clamp, (nan, 1.0, 3.0), nan, (0.0, 0.0, 0.0)),
        (scalar.clamp_min, (1.0, nan), nan, (0.0, 0.0)),
        (scalar.binary_cross_entropy, (1.0, 0.0), 100.0, (1.0 / scalar.LEAST_DIVISOR, -inf)),
        (lambda *xs: scalar.prod(xs), (inf, 2.0), inf, (nan, inf)),
        (lambda *xs: scalar.prod(xs), (nan, 2.0), nan, (nan, nan)),
        (lambda *xs: scalar.logsumexp(xs), (-inf, -inf), -inf, (nan, nan)),
        (lambda *xs: scalar.logsumexp(xs), (inf, 1e3), inf, (nan, 0.0)),
    ],
)
def test_infinities_and_nan_as_in_torch(function, numbers, value, slopes) -> None:
    out, grads = gradients(function, *numbers)

    assert same(out, value)
    assert all(map(same, grads, slopes))


@pytest.mark.parametrize(
    ("numbers", "product", "slopes"),
    [
        ((2.0**-700, 2.0**-700, 5.0), 0.0, (5 * 2.0**-700, 5 * 2.0**-700, 0.0)),
        ((2.0**-530, 2.0**-530, 3.0), 3 * 2.0**-1060, (3 * 2.0**-530, 3 * 2.0**-530, 2.0**-1060)),
        ((2.0**700, 2.0**700, 2.0**-900), inf, (2.0**-200, 2.0**-200, inf)),
    ],
)
def test_each_slope_of_a_product_is_right_where_the_product_is_not(
    numbers, product, slopes
) -> None:
    """torch, whose slopes are quotients of the product throughout, loses these."""
    assert gradients(lambda *xs: scalar.prod(xs), *numbers) == (product, list(slopes))


@pytest.mark.parametrize("target", [0, 1])
def test_an_infinite_logit_leaves_no_probability(target) -> None:
    x = micrograd.tensor([1.0, inf, 0.0], requires_grad=True)
    loss = ops.cross_entropy(x, target)
    loss.backward()

    assert all(map(math.isnan, (loss.data, *micrograd.grad(x))))


@pytest.mark.parametrize("taken", [True, False])
def test_what_where_leaves_gets_zero_even_of_an_infinite_gradient(taken) -> None:
    x, y = Value(0.0, requires_grad=True), Value(0.0, requires_grad=True)

    scalar.where(taken, x, y).sqrt().backward()

    assert (x.grad, y.grad) == ((inf, 0.0) if taken else (0.0, inf))


def test_what_clamp_leaves_gets_zero_even_of_an_infinite_gradient() -> None:
    x = Value(-1.0, requires_grad=True)
    scalar.clamp_min(x, Value(0.0)).sqrt().backward()

    assert x.grad == 0.0


def test_order_and_truth_are_the_numbers_but_equality_is_identity() -> None:
    x, y = Value(1.0), Value(2.0, requires_grad=True)

    assert (x < y, x <= 1, y > x, x >= 1.5) == (True, True, True, False)
    assert 0.5 < x < 3
    assert (max(x, y), sorted([y, x])) == (y, [x, y])
    assert (bool(x), bool(Value(0.0)), bool(Value(nan))) == (True, False, True)
    assert x == x
    assert x != Value(1.0)
    assert len({x, y, Value(1.0)}) == 3
    with pytest.raises(TypeError, match="'<' not supported between instances of 'Value' and 'str'"):
        assert x < "2"


@pytest.mark.parametrize("data", ["3", None, [1.0], 1j, Value(1.0)])
def test_what_is_no_number(data) -> None:
    with pytest.raises(TypeError, match="expected a number, not"):
        Value(data)


@pytest.mark.parametrize("other", ["3", None, [1.0]])
def test_operators_refuse_what_is_no_number(other) -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        Value(1.0) + other


def test_repr() -> None:
    x = Value(2.5, requires_grad=True)

    assert repr(x) == "Value(2.5, requires_grad=True)"
    assert repr(x * 2) == "Value(5.0)"
    assert repr(Value(2)) == "Value(2.0)"
    assert f"{x:.3f} {x}" == "2.500 Value(2.5, requires_grad=True)"
    assert float(x) == 2.5
