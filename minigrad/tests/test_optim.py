"""Optimizers: the first steps of each worked out by hand, groups, state, and refusals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import nn, optim

ALL = [optim.SGD, optim.Adagrad, optim.RMSprop, optim.Adam, optim.AdamW]
STATEFUL = [
    lambda params: optim.SGD(params, 0.1, momentum=0.9, dampening=0.2),
    lambda params: optim.Adagrad(params, 0.1, lr_decay=0.1),
    lambda params: optim.RMSprop(params, 0.1, momentum=0.5, centered=True),
    lambda params: optim.Adam(params, 0.1, weight_decay=0.1, amsgrad=True),
    lambda params: optim.AdamW(params, 0.1),
]


def parameter(*numbers: float) -> nn.Parameter:
    return nn.Parameter(np.array(numbers))


def give(tensor: minigrad.Tensor, gradient: object) -> None:
    tensor.grad = minigrad.tensor(np.asarray(gradient, tensor.dtype))


def path(make: Callable, *gradients: float, start: float = 2.0) -> list[float]:
    """The parameter after each of the steps with these gradients."""
    x = nn.Parameter(np.array(start))
    optimizer, places = make([x]), []
    for gradient in gradients:
        give(x, gradient)
        optimizer.step()
        places.append(x.item())
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
        give(x, 2 * (x.data - np.array([0.5, 0.25])))
        optimizer.step()

    assert np.allclose(x.data, [0.5, 0.25], atol=0.6 if make is optim.Adagrad else 0.1)


@pytest.mark.parametrize("make", STATEFUL)
def test_what_has_no_gradient_stays_and_dtypes_and_shapes_do_too(make: Callable) -> None:
    still, number = parameter(1.0), nn.Parameter(np.array(2.0, np.float32))
    empty = nn.Parameter(np.zeros((2, 0)))
    optimizer = make([still, number, empty])
    for _ in range(2):
        give(number, 3.0)
        give(empty, np.zeros((2, 0)))
        optimizer.step()

    assert still.item() == 1.0
    assert 0 not in optimizer.state_dict()["state"]
    assert isinstance(number.data, np.ndarray)
    assert (number.dtype, number.shape) == (np.float32, ())
    optimizer.zero_grad()
    assert number.grad is None


def test_a_step_leaves_the_arrays_of_before_alone() -> None:
    x = parameter(1.0, 2.0)
    data, optimizer = x.data, optim.SGD([x], 0.1, momentum=0.9)
    give(x, [3.0, 4.0])
    optimizer.step()
    x.grad.data *= 100.0

    assert data.tolist() == [1.0, 2.0]
    assert optimizer.state[0]["momentum_buffer"].tolist() == [3.0, 4.0]


# Groups


def test_groups_have_options_of_their_own() -> None:
    x, y, z = parameter(1.0), parameter(1.0), parameter(1.0)
    optimizer = optim.SGD([{"params": x, "lr": 0.5}, {"params": (p for p in [y])}], lr=0.25)
    optimizer.add_param_group({"params": [z], "momentum": 0.5, "name": "late"})
    for _ in range(2):
        for tensor in (x, y, z):
            give(tensor, [1.0])
        optimizer.step()

    assert [x.item(), y.item(), z.item()] == [0.0, 0.5, 0.375]
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.step()
    assert [x.item(), y.item()] == [0.0, 0.25]
    assert [g["params"] for g in optimizer.state_dict()["param_groups"]] == [[0], [1], [2]]
    assert optimizer.state_dict()["param_groups"][2]["name"] == "late"
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

    assert [p.tolist() for p in one] == [p.tolist() for p in other]
    assert state["state"][1].get("step", 3) == 3  # a copy: the three steps since are not in it


def test_a_state_is_read_as_torch_writes_it() -> None:
    x = parameter(1.0, 2.0)
    optimizer = optim.Adam([x])
    saved = optimizer.state_dict()["param_groups"][0]
    mean = minigrad.tensor([0.5, 0.5])
    state = {"step": np.array(3.0, np.float32), "exp_avg": mean, "exp_avg_sq": [1.0, 2.0]}
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
    assert loaded["state"][0]["exp_avg"].dtype == np.float64
    assert list(loaded["state"][0]) == ["step", "exp_avg", "exp_avg_sq"]
    assert loaded["param_groups"][0]["lr"] == 0.5


def test_weights_go_on_to_decay_apart_when_adamw_takes_over_from_adam() -> None:
    x = parameter(2.0)
    optimizer = optim.AdamW([x], 0.1, (0.0, 0.0), 0.0)
    optimizer.load_state_dict(optim.Adam([x], 0.1, (0.0, 0.0), 0.0, 0.5).state_dict())
    give(x, [4.0])
    optimizer.step()

    assert math.isclose(x.item(), 1.8)


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
        (lambda p: optim.SGD([]), "at least one parameter"),
        (lambda p: optim.SGD([*p, *p]), "a parameter is there twice"),
        (lambda p: optim.SGD([{"params": p}, {"params": p}]), "a parameter is there twice"),
        (lambda p: optim.SGD([p[0] * 2.0]), "only leaves can be optimized"),
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
    with pytest.raises(TypeError, match="only tensors can be optimized, not ndarray"):
        optim.SGD([np.ones(2)])
    with pytest.raises(TypeError, match="put a single one in a list"):
        optim.SGD(parameter(1.0))
    with pytest.raises(TypeError, match=r"as of model\.parameters\(\), not Linear"):
        optim.SGD(nn.Linear(1, 1))
    x = parameter(1.0)
    give(x, [1.0])
    with pytest.raises(NotImplementedError, match="Optimizer must define updated"):
        optim.Optimizer([x], {}).step()


# Many parameters as one vector


def several(seed: int) -> list[nn.Parameter]:
    rng = np.random.default_rng(seed)
    shapes = [(3, 2), (), (4,), (0, 2), (2, 3)]
    return [nn.Parameter(rng.standard_normal(shape)) for shape in shapes]


@pytest.mark.parametrize("make", STATEFUL)
def test_parameters_move_together_as_they_would_alone(make: Callable) -> None:
    """Even if some have no gradient for a while or are exchanged, or if a state is loaded."""
    together, alone = several(0), several(0)
    one, each = make(together), [make([parameter]) for parameter in alone]
    rng = np.random.default_rng(1)
    for step in range(6):
        if step == 3:
            one.load_state_dict(one.state_dict())
            together[0].data = np.asfortranarray(together[0].data)
        if step == 4:
            together[2].data = alone[2].data = np.ones(4)
        for i, (own, other) in enumerate(zip(together, alone, strict=True)):
            gradient = rng.standard_normal(own.shape)
            for tensor in (own, other):
                tensor.grad = None if (step, i) in ((1, 0), (2, 4)) else minigrad.tensor(gradient)
        for optimizer in (one, *each):
            optimizer.step()

        assert [p.tolist() for p in together] == [p.tolist() for p in alone]
        assert all(p.data.flags.writeable for p in together)
    assert one.state_dict()["state"].keys() == set(range(5))


def test_what_looks_at_a_whole_parameter_is_given_each_alone() -> None:
    class Normalized(optim.Optimizer):
        def updated(self, data: Any, grad: Any, state: Any, group: Any) -> Any:
            return data - grad / np.abs(grad).max()

    x, y = parameter(1.0, 2.0), parameter(3.0)
    give(x, [1.0, 2.0])
    give(y, [4.0])
    Normalized([x, y], {}).step()

    assert (x.tolist(), y.tolist()) == ([0.5, 1.0], [2.0])


def test_a_long_parameter_is_moved_in_blocks() -> None:
    rng = np.random.default_rng(0)
    numbers, gradients = rng.standard_normal((2, 3, 50_000))
    long, short = nn.Parameter(numbers), [nn.Parameter(row) for row in numbers]
    optimizers = [optim.AdamW([long], 0.1), optim.AdamW(short, 0.1)]
    for _ in range(2):
        give(long, gradients)
        for row, gradient in zip(short, gradients, strict=True):
            give(row, gradient)
        for optimizer in optimizers:
            optimizer.step()

    assert np.array_equal(long.data, [row.data for row in short])


@pytest.mark.parametrize("count", [1, 2])
def test_no_gradient_goes_by_numbers_that_a_step_has_written(count: int) -> None:
    xs = [parameter(2.0, 3.0) for _ in range(count)]
    loss = sum((x * x).sum() for x in xs)
    loss.backward(retain_graph=True)
    optimizer = optim.SGD(xs, lr=0.1)
    for _ in range(2):
        optimizer.step()
    optimizer.zero_grad()

    with pytest.raises(RuntimeError, match=r"mul.*overwritten"):
        loss.backward()
    assert [x.grad for x in xs] == [None] * count
