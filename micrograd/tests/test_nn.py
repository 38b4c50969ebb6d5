"""Modules and optimizers, against numbers known by hand."""

from __future__ import annotations

import math

import pytest

import micrograd
from micrograd import nn, optim


class Pair(nn.Module):
    def __init__(self) -> None:
        self.first = nn.Linear(2, 2)
        self.second = nn.Linear(2, 2, bias=False)
        self.second.weight = self.first.weight
        self.rest = nn.ModuleList([nn.Dropout(0.5), nn.LayerNorm(2)])


def test_parameters_are_found_by_name() -> None:
    pair = Pair()
    own = ["first.weight", "first.bias", "rest.1.weight", "rest.1.bias"]

    assert [name for name, _ in pair.named_parameters()] == own
    assert set(pair.state_dict()) == {*own, "second.weight"}
    assert next(pair.parameters()) is pair.second.weight


def test_state_goes_from_one_model_to_another() -> None:
    one, other = Pair(), Pair()
    other.load_state_dict(one.state_dict())

    assert other.state_dict() == one.state_dict()
    assert other.second.weight is other.first.weight


def test_a_state_that_does_not_fit() -> None:
    pair = Pair()
    state = pair.state_dict()
    before = pair.state_dict()
    del state["first.bias"]
    state |= {"third": 1.0, "rest.1.bias": [0.0], "rest.1.weight": [9.0, 9.0]}
    with pytest.raises(RuntimeError) as caught:
        pair.load_state_dict(state)
    with pytest.raises(TypeError, match=r"of Pair: expected a dict.* not Pair"):
        pair.load_state_dict(pair)
    text = str(caught.value)

    assert "misshapen: rest.1.bias (1,) instead of (2,)" in text
    assert "missing: first.bias" in text
    assert "unexpected: third" in text
    assert pair.state_dict() == before


def test_not_strict() -> None:
    pair = Pair()
    pair.load_state_dict({"first.bias": (1, 2), "third": 3}, strict=False)

    assert micrograd.tolist(pair.first.bias) == [1.0, 2.0]


def test_train_and_eval() -> None:
    pair = Pair()

    assert not pair.eval().rest[0].training
    assert pair.train().rest[0].training
    assert pair.rest[0](micrograd.tensor([1.0] * 50)) != [1.0] * 50
    x = micrograd.tensor([1.0, 2.0])
    assert pair.eval().rest[0](x) == x


def test_zero_grad() -> None:
    layer = nn.Linear(2, 1)
    micrograd.backward(layer([1.0, 2.0]))
    assert micrograd.grad(layer.weight) == [[1.0, 2.0]]
    layer.zero_grad()

    assert micrograd.grad(layer.weight) is None


def test_initial_weights() -> None:
    micrograd.manual_seed(3)
    numbers = [abs(w) for row in micrograd.tolist(nn.Linear(25, 40).weight) for w in row]
    normal = [w for row in micrograd.tolist(nn.Embedding(50, 20).weight) for w in row]

    assert 0.19 < max(numbers) <= 1 / math.sqrt(25)
    assert 0.9 < sum(w * w for w in normal) / len(normal) < 1.1


def test_optimizers_leave_what_has_no_gradient() -> None:
    x, y = (micrograd.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    optimizer = optim.AdamW([x, y], lr=0.1)
    x[0].backward()
    optimizer.step()

    assert micrograd.tolist(y) == [1.0, 2.0]
    assert micrograd.tolist(x)[1] == 2.0 * (1 - 0.1 * 0.01)


def test_dropout_refuses() -> None:
    with pytest.raises(ValueError, match="Dropout: p must be between 0 and 1"):
        nn.Dropout(1.5)
