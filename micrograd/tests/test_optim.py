"""Optimizers: the first steps of each worked out by hand, groups, state, and refusals."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable

import pytest

import micrograd
from micrograd import Value, nn, ops, optim
from micrograd.lists import unnest

ALL = [optim.SGD, optim.Adagrad, optim.RMSprop, optim.Adam, optim.AdamW]
STATEFUL = [
    lambda params: optim.SGD(params, 0.1, momentum=0.9, dampening=0.2),
    lambda params: optim.Adagrad(params, 0.1, lr_decay=0.1),
    lambda params: optim.RMSprop(params, 0.1, momentum=0.5, centered=True),
    lambda params: optim.Adam(params, 0.1, weight_decay=0.1, amsgrad=True),
    lambda params: optim.AdamW(params, 0.1),
]


def parameter(*numbers: float) -> nn.Parameter:
    return nn.Parameter(numbers)


def give(tensor: list | Value, gradient: object) -> None:
    for value, number in zip(unnest(tensor)[0], unnest(gradient)[0], strict=True):
        value.grad = number


def path(make: Callable, *gradients: float, start: float = 2.0) -> list[float]:
    """The number after each step, with these gradients."""
    x = Value(start, requires_grad=True)
    optimizer, places = make([x]), []
    for gradient in gradients:
        give(x, gradient)
        optimizer.step()
        places.append(x.data)
    return places


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda p: optim.SGD(p, 0.1), [1.6, 1.5]),
        (lambda p: optim.SGD(p, 0.1, maximize=True), [2.4, 2.5]),
        (lambda p: optim.SGD(p, 0.1, weight_decay=0.5), [1.5, 1.325]),
        (lambda p: optim.SGD(p, 0.1, 0.5), [1.6, 1.3]),
        (lambda p: optim.SGD(p, 0.1, 0.5, dampening=0.25), [1.6, 1.325]),
        (lambda p: optim.SGD(p, 0.1, 0.5, nesterov=True), [1.4, 1.15]),
        (lambda p: optim.Adagrad(p, 0.1, eps=0.0), [1.9, 1.9 - 0.1 / math.sqrt(17)]),
        (
            lambda p: optim.Adagrad(p, 0.1, lr_decay=1.0, initial_accumulator_value=9.0, eps=1.0),
            [2 - 0.4 / 6, 2 - 0.4 / 6 - 0.05 / (math.sqrt(26) + 1)],
        ),
        (
            lambda p: optim.RMSprop(p, 0.1, 0.75, eps=1.0),
            [2 - 0.4 / 3, 2 - 0.4 / 3 - 0.1 / (math.sqrt(3.25) + 1)],
        ),
        (
            lambda p: optim.RMSprop(p, 0.1, 0.75, eps=0.0, momentum=0.5),
            [1.8, 1.8 - 0.1 * (1 + 1 / math.sqrt(3.25))],
        ),
        (
            lambda p: optim.RMSprop(p, 0.1, 0.75, eps=0.0, centered=True),
            [2 - 0.4 / math.sqrt(3), 2 - 0.4 / math.sqrt(3) - 0.1 / 1.5],
        ),
        (
            lambda p: optim.Adam(p, 0.1, (0.5, 0.75), 0.0),
            [1.9, 1.9 - 0.2 / math.sqrt(3.25 / 0.4375)],
        ),
        (lambda p: optim.Adam(p, 0.1, (0.0, 0.0), 1.0), [1.92, 1.87]),
        (lambda p: optim.Adam(p, 0.1, (0.0, 0.0), 0.0, amsgrad=True), [1.9, 1.875]),
        (
            lambda p: optim.Adam(p, 0.3, (0.0, 0.0), 1.0, weight_decay=0.5),
            [1.75, 1.75 - 0.3 * 1.875 / 2.875],
        ),
        (lambda p: optim.AdamW(p, 0.1, (0.0, 0.0), 0.0, 0.5), [1.8, 1.61]),
    ],
)
def test_two_steps_worked_out_by_hand(make: Callable, expected: list[float]) -> None:
    for place, known in zip(path(make, 4.0, 1.0), expected, strict=True):
        assert math.isclose(place, known, rel_tol=1e-12)


@pytest.mark.parametrize("make", ALL)
def test_every_optimizer_finds_the_bottom(make: type[optim.Optimizer]) -> None:
    x = parameter(1.0, -2.0)
    optimizer = make([x], lr=0.1)
    for _ in range(200):
        give(x, [2 * (x[0].data - 0.5), 2 * (x[1].data - 0.25)])
        optimizer.step()

    tolerance = 0.6 if make is optim.Adagrad else 0.1
    assert micrograd.tolist(x) == pytest.approx([0.5, 0.25], abs=tolerance)


@pytest.mark.parametrize("make", STATEFUL)
def test_what_has_no_gradient_stays(make: Callable) -> None:
    still, number, empty = parameter(1.0), Value(2.0, requires_grad=True), nn.Parameter([[], []])
    optimizer = make([still, number, empty])
    for _ in range(2):
        give(number, 3.0)
        optimizer.step()

    assert micrograd.tolist(still) == [1.0]
    assert number.data != 2.0
    assert list(optimizer.state_dict()["state"]) == [1]
    optimizer.zero_grad()
    assert number.grad is None


def test_a_value_without_a_gradient_has_one_of_0() -> None:
    x = parameter(1.0, 2.0)
    x[0].grad = 1.0
    optim.AdamW([x], lr=0.1).step()

    assert x[1].data == 2.0 * (1 - 0.1 * 0.01)


@pytest.mark.parametrize("make", ALL)
def test_what_is_divided_by_zero_is_nan(make: type[optim.Optimizer]) -> None:
    x = parameter(1.0, 1.0)
    give(x, [0.0, 4.0])
    options = {} if make is optim.SGD else {"eps": 0.0, "weight_decay": 0.0}
    make([x], lr=0.1, **options).step()

    assert math.isnan(x[0].data) == (make is not optim.SGD)
    assert math.isfinite(x[1].data)


# Groups


def test_groups_have_options_of_their_own() -> None:
    x, y, z = parameter(1.0), parameter(1.0), parameter(1.0)
    optimizer = optim.SGD([{"params": x, "lr": 0.5}, {"params": (p for p in [y])}], lr=0.25)
    optimizer.add_param_group({"params": [z], "momentum": 0.5, "initial_lr": 2.0})
    for _ in range(2):
        for tensor in (x, y, z):
            give(tensor, [1.0])
        optimizer.step()

    assert [x[0].data, y[0].data, z[0].data] == [0.0, 0.5, 0.375]
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.step()
    assert [x[0].data, y[0].data] == [0.0, 0.25]
    assert [g["params"] for g in optimizer.state_dict()["param_groups"]] == [[0], [1], [2]]
    assert optimizer.state_dict()["param_groups"][2]["initial_lr"] == 2.0
    assert list(optimizer.state_dict()["state"]) == [2]


def test_options_of_the_caller_are_not_written_to() -> None:
    group = {"params": [parameter(1.0)], "lr": 0.5}
    optim.Adam([group])

    assert set(group) == {"params", "lr"}


# State


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (STATEFUL[0], ["momentum_buffer"]),
        (STATEFUL[1], ["step", "sum"]),
        (STATEFUL[2], ["step", "square_avg", "grad_avg", "momentum_buffer"]),
        (STATEFUL[3], ["step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"]),
        (STATEFUL[4], ["step", "exp_avg", "exp_avg_sq"]),
    ],
)
def test_a_state_goes_out_and_in_under_torchs_names(make: Callable, names: list[str]) -> None:
    one, other = [parameter(1.0, 2.0), parameter(3.0)], [parameter(1.0, 2.0), parameter(3.0)]
    first, second = make(one), make(other)
    for step in range(6):
        if step == 3:
            state = first.state_dict()
            second = make(other)
            second.param_groups[0]["lr"] = 7.0
            second.load_state_dict(state)
            assert list(state["state"][0]) == names
        for params in (one, other):
            give(params[0], [step - 2.5, 1.0])
            give(params[1], [0.5])
        first.step()
        second.step()

    assert micrograd.tolist(one[0]) == micrograd.tolist(other[0])
    assert micrograd.tolist(one[1]) == micrograd.tolist(other[1])
    assert state["state"][1].get("step", 3) == 3  # a copy: the three steps since are not in it


def test_a_state_is_read_as_torch_writes_it() -> None:
    x = parameter(1.0, 2.0)
    optimizer = optim.Adam([x])
    saved = optimizer.state_dict()["param_groups"][0]
    mean = array("d", [0.5, 0.5])
    state = {"step": 3.0, "exp_avg": mean, "exp_avg_sq": [1.0, 2.0]}
    optimizer.load_state_dict(
        {
            "state": {5: {**state, "max_exp_avg_sq": None}},
            "param_groups": [{**saved, "lr": 0.5, "fused": None, "params": [5]}],
        }
    )
    loaded = optimizer.state_dict()

    assert list(loaded["state"]) == [0]
    assert loaded["state"][0]["step"] == 3
    assert isinstance(loaded["state"][0]["step"], int)
    assert loaded["state"][0]["exp_avg"] == [0.5, 0.5]
    assert list(loaded["state"][0]) == ["step", "exp_avg", "exp_avg_sq"]
    assert loaded["param_groups"][0]["lr"] == 0.5


def test_weights_go_on_to_decay_apart_when_adamw_takes_over_from_adam() -> None:
    x = parameter(2.0)
    optimizer = optim.AdamW([x], 0.1, (0.0, 0.0), 0.0)
    optimizer.load_state_dict(optim.Adam([x], 0.1, (0.0, 0.0), 0.0, 0.5).state_dict())
    give(x, [4.0])
    optimizer.step()

    assert math.isclose(x[0].data, 1.8)


def test_a_state_of_another_optimizer_is_refused() -> None:
    x = parameter(2.0)
    give(x, [1.0])
    sgd, adam = optim.SGD([x], momentum=0.9), optim.Adam([x])
    sgd.step()
    own, other = adam.state_dict(), sgd.state_dict()
    for state, message in (
        ({}, "no param_groups and no state in the state"),
        ({"state": {}}, "no param_groups in the state"),
        (other, "unknown option dampening, momentum, nesterov"),
        (
            own | {"state": other["state"]},
            "unknown state momentum_buffer; known: exp_avg, exp_avg_sq, .*, step",
        ),
    ):
        with pytest.raises(ValueError, match=f"Adam.load_state_dict: {message}"):
            adam.load_state_dict(state)
        assert adam.state_dict() == own


def test_a_state_that_does_not_fit_is_refused_before_anything_changes() -> None:
    optimizer = optim.SGD([{"params": [parameter(1.0)]}, {"params": [parameter(2.0, 3.0)]}])
    before = optimizer.state_dict()
    groups = before["param_groups"]
    changed = [{**group, "lr": 9.0} for group in groups]
    for state, saved, message in (
        ({}, changed[:1], r"groups of \[1\] parameters instead of \[1, 1\]"),
        ({"0": {}}, changed, r"a state of parameters in no group: \['0'\]"),
        (
            {0: {"momentum_buffer": [1.0]}, 1: {"momentum_buffer": [1.0]}},
            changed,
            r"momentum_buffer of shape \(1,\) for a parameter of \(2,\)",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict({"state": state, "param_groups": saved})
        assert optimizer.state_dict() == before


# Refusals


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: optim.SGD(p, lr=-1.0), "lr must not be negative, is -1.0"),
        (lambda p: optim.SGD(p, lr=math.nan), "lr must not be negative, is nan"),
        (lambda p: optim.SGD(p, momentum=-1.0), "momentum must not be negative"),
        (lambda p: optim.SGD(p, nesterov=True), "nesterov needs a momentum, and no dampening"),
        (lambda p: optim.SGD(p, 1.0, 0.5, 0.1, nesterov=True), "nesterov needs a momentum"),
        (lambda p: optim.Adagrad(p, lr_decay=-1.0), "lr_decay must not be negative"),
        (lambda p: optim.Adagrad(p, initial_accumulator_value=-1.0), "initial_accumulator_value"),
        (lambda p: optim.RMSprop(p, alpha=-1.0), "alpha must not be negative"),
        (
            lambda p: optim.Adam(p, betas=(0.9, 1.0)),
            r"betas must lie in \[0, 1\), are \(0.9, 1.0\)",
        ),
        (lambda p: optim.AdamW(p, eps=-1.0), "eps must not be negative"),
        (lambda p: optim.AdamW([{"params": p, "weight_decay": -1}]), "weight_decay must not be"),
        (
            lambda p: optim.AdamW([{"params": p, "weight_decy": 0.0}]),
            "AdamW: unknown option weight_decy; known: amsgrad, betas, .*, weight_decay",
        ),
        (lambda p: optim.SGD([{"params": p, "fused": True}]), "SGD: unknown option fused"),
        (lambda p: optim.SGD([]), "at least one parameter"),
        (lambda p: optim.SGD([*p, *p]), "a parameter is there twice"),
        (lambda p: optim.SGD([{"params": p}, {"params": p}]), "a parameter is there twice"),
        (lambda p: optim.SGD([ops.mul(p[0], 2.0)]), "only leaves can be optimized"),
    ],
)
def test_what_has_no_meaning_is_refused(make: Callable, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make([parameter(1.0)])


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (optim.SGD, {"lr": "a"}, "SGD: lr must be a number"),
        (optim.SGD, {"momentum": None}, "SGD: momentum must be a number"),
        (optim.Adam, {"betas": 0.9}, "betas must be two numbers, not 0.9"),
        (optim.Adam, {"betas": (0.9,)}, r"betas must be two numbers, not \(0.9,\)"),
        (optim.AdamW, {"betas": (0.9, "a")}, "AdamW: betas must be a number"),
    ],
)
def test_options_are_numbers(kind: Callable, options: dict, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        kind([parameter(1.0)], **options)


@pytest.mark.parametrize("make", ALL)
def test_every_optimizer_climbs(make: type[optim.Optimizer]) -> None:
    """maximize negates the gradient, not the step: weight decay tells the two apart."""
    x, y = parameter(2.0), parameter(2.0)
    up, down = make([x], lr=0.1, weight_decay=0.5, maximize=True), make([y], 0.1, weight_decay=0.5)
    for gradient in (4.0, -1.0, 3.0):
        give(x, [gradient])
        give(y, [-gradient])
        up.step()
        down.step()

    assert x[0].data == y[0].data != 2.0


def test_gradients_can_be_made_0() -> None:
    for owner in (nn.Linear(1, 1), optim.SGD([parameter(1.0), parameter(2.0)])):
        params = getattr(owner, "param_groups", [{}])[0].get("params") or [owner.weight, owner.bias]
        give(params[0], unnest(params[0])[0])
        owner.zero_grad(set_to_none=False)

        assert [unnest(x)[0][0].grad for x in params] == [0.0, None]
        owner.zero_grad()
        assert unnest(params[0])[0][0].grad is None


def test_an_optimizer_prints_its_options_by_group() -> None:
    groups = [{"params": [parameter(1.0)]}, {"params": [parameter(2.0)], "lr": 0.5}]

    assert repr(optim.SGD(groups, 0.1)) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    lr: 0.1\n    maximize: False\n"
        "    momentum: 0\n    nesterov: False\n    weight_decay: 0\nParameter Group 1\n"
        "    dampening: 0\n    lr: 0.5\n    maximize: False\n    momentum: 0\n"
        "    nesterov: False\n    weight_decay: 0\n)"
    )


def test_a_group_may_be_empty_and_come_late() -> None:
    first, late = parameter(1.0), parameter(1.0)
    optimizer = optim.SGD([{"params": []}, {"params": [first]}], 0.5, momentum=0.5)
    give(first, [1.0])
    optimizer.step()
    optimizer.add_param_group({"params": late, "lr": 0.25})
    give(late, [1.0])
    optimizer.step()
    other = optim.SGD([{"params": []}, {"params": [first]}, {"params": [late]}])
    other.load_state_dict(optimizer.state_dict())

    assert sorted(optimizer.state_dict()["state"]) == [0, 1]
    assert other.state_dict() == optimizer.state_dict()
    assert [group["lr"] for group in other.param_groups] == [0.5, 0.5, 0.25]


def test_what_is_no_parameter_is_refused() -> None:
    with pytest.raises(TypeError, match="a set of them has no order"):
        optim.SGD({1.0, 2.0})
    for group in ([parameter(1.0)], {"lr": 0.5}):
        with pytest.raises(TypeError, match="a group is a dict with parameters as 'params'"):
            optim.SGD([parameter(2.0)]).add_param_group(group)
    with pytest.raises(TypeError, match="only Values can be optimized, not float"):
        optim.SGD([[1.0, 1.0]])
    with pytest.raises(TypeError, match="put a single one in a list"):
        optim.SGD(parameter(1.0))
    with pytest.raises(TypeError, match=r"as of model\.parameters\(\), not Linear"):
        optim.SGD(nn.Linear(1, 1))
    x = parameter(1.0)
    give(x, [1.0])
    with pytest.raises(NotImplementedError, match="Optimizer must define updated"):
        optim.Optimizer([x], {}).step()


def test_a_state_has_the_shape_of_its_parameter() -> None:
    x = nn.Parameter([[1.0, 2.0], [3.0, 4.0]])
    optimizer = optim.SGD([x], 0.1, momentum=0.5)
    give(x, [[1.0, 2.0], [3.0, 4.0]])
    optimizer.step()
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)

    assert state["state"] == {0: {"momentum_buffer": [[1.0, 2.0], [3.0, 4.0]]}}
    assert optimizer.state_dict() == state


def test_gradients_go_by_the_numbers_from_before_a_step() -> None:
    """Slopes are numbers, stored in the forward pass: later changes of weights do not matter."""
    x, y = nn.Parameter([[2.0, 3.0]]), nn.Parameter([[5.0], [7.0]])
    loss = ops.sum(ops.mul(ops.matmul(x, y), x))
    loss.backward(retain_graph=True)
    before = micrograd.grad(x), micrograd.grad(y)
    optimizer = optim.SGD([x, y], lr=0.1)
    optimizer.step()
    optimizer.zero_grad()
    nn.init.constant_(x, 9.0)
    loss.backward()

    assert (micrograd.grad(x), micrograd.grad(y)) == before
