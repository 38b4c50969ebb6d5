"""Modules: what is found by which name, what the state is, and how they print."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import minigrad
from minigrad import nn, ops


class Scale(nn.Module):
    """A parameter, a buffer and a module, without a super().__init__()."""

    def __init__(self) -> None:
        self.linear = nn.Linear(2, 2, bias=False)
        self.factor = nn.Parameter(minigrad.tensor([3.0]))
        self.register_buffer("seen", ops.zeros((), dtype=int))
        self.register_buffer("mask", None)

    def forward(self, x: minigrad.Tensor) -> minigrad.Tensor:
        return ops.mul(self.linear(x), self.factor)


def names(pairs: object) -> list[str]:
    return [name for name, _ in pairs]


def test_parameters_buffers_and_modules_have_names() -> None:
    model = nn.Sequential(Scale(), nn.Tanh())

    assert names(model.named_parameters()) == ["0.factor", "0.linear.weight"]
    assert names(model.named_buffers()) == ["0.seen"]
    assert names(model.named_children()) == ["0", "1"]
    assert names(model.named_modules()) == ["", "0", "0.linear", "1"]
    assert list(model.state_dict()) == ["0.factor", "0.seen", "0.linear.weight"]
    assert list(model.modules()) == [model, model[0], model[0].linear, model[1]]
    assert list(model.children()) == [model[0], model[1]]
    assert next(model.buffers()) is model[0].seen
    assert next(model.parameters()) is model[0].factor


def test_what_is_there_twice_has_one_name_but_two_in_the_state() -> None:
    layer = nn.Linear(2, 2, bias=False)
    model = nn.Sequential(layer, nn.Tanh(), layer)

    assert names(model.named_parameters()) == ["0.weight"]
    assert names(model.named_children()) == ["0", "1"]
    assert names(model.named_modules()) == ["", "0", "1"]
    assert list(model.state_dict()) == ["0.weight", "2.weight"]
    assert len(model) == 3


def test_what_is_assigned_to_a_buffer_is_the_buffer() -> None:
    model = Scale()
    model.seen = ops.add(model.seen, 2)
    model.mask = minigrad.tensor([True])

    assert model.state_dict()["seen"] == 2
    assert names(model.named_buffers()) == ["seen", "mask"]
    del model.seen
    model.mask = None
    assert names(model.named_buffers()) == []


@pytest.mark.parametrize("name", ["", "a.b", "forward", "factor"])
def test_a_buffer_needs_a_name_of_its_own(name: str) -> None:
    with pytest.raises(KeyError, match="empty, has a dot in it, or is taken"):
        Scale().register_buffer(name, None)


def test_nothing_stops_being_trained_unnoticed() -> None:
    model = Scale()
    with pytest.raises(TypeError, match="Scale: factor must be a Parameter, not Tensor"):
        model.factor = ops.mul(model.factor, 2.0)
    with pytest.raises(TypeError, match="Scale: linear must be a Module, not function"):
        model.linear = ops.linear
    with pytest.raises(TypeError, match="Scale: seen must be a Tensor, not ndarray"):
        model.seen = np.zeros(())
    with pytest.raises(TypeError, match="CrossEntropyLoss: weight must be a Tensor, not list"):
        nn.CrossEntropyLoss([1.0, 2.0])


def test_parts_can_be_replaced_and_deleted() -> None:
    model = Scale()
    model.linear = nn.Tanh()
    model.factor = nn.Parameter([1.0, 2.0])

    assert model.state_dict()["factor"].tolist() == [1.0, 2.0]
    assert names(model.named_modules()) == ["", "linear"]
    model.factor = None
    del model.linear
    assert list(model.state_dict()) == ["seen"]


def test_a_state_is_a_copy_and_goes_back_in_the_dtype_of_each_part() -> None:
    model = Scale().to("float64")
    state = model.state_dict()
    state["factor"] = [0.1]  # float32 would not hold it
    state["seen"] = 7.0
    model.load_state_dict(state)

    assert model.factor.item() == 0.1
    assert model.seen.dtype == np.int64
    assert model.seen.item() == 7
    state["linear.weight"][:] = 5.0
    assert 5.0 not in model.linear.weight.data


def test_a_state_without_numbers_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"no numbers: factor; missing: seen, linear\.weight"):
        Scale().load_state_dict({"factor": ["a"]})


def test_modes_dtypes_and_gradients_reach_every_part() -> None:
    model = nn.Sequential(Scale(), nn.BatchNorm1d(2))
    model(minigrad.tensor([[1.0, 2.0], [3.0, 5.0]])).sum().backward()
    model.to("float64").eval()

    assert not any(module.training for module in model.modules())
    assert {p.dtype.name for p in model.parameters()} == {"float64"}
    assert {p.grad.dtype.name for p in model.parameters()} == {"float64"}
    assert [b.dtype.name for b in model.buffers()] == ["int64", "float64", "float64", "int64"]
    model.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())
    model.requires_grad_(False)
    assert not model(minigrad.tensor(np.ones((3, 2)))).requires_grad
    for dtype in ("int64", "float16"):
        with pytest.raises(TypeError, match=dtype):
            model.to(dtype)


def test_train_is_asked_of_every_module() -> None:
    class Frozen(nn.BatchNorm1d):
        def train(self, mode: bool = True) -> Frozen:
            return super().train(False)

    model = nn.Sequential(nn.Sequential(Frozen(2), nn.Tanh())).train()

    assert [module.training for module in model.modules()] == [True, True, False, True]


def test_apply_calls_with_the_parts_first() -> None:
    called = []
    model = nn.Sequential(nn.Sequential(nn.Tanh()), nn.ReLU())

    assert model.apply(lambda module: called.append(type(module).__name__)) is model
    assert called == ["Tanh", "Sequential", "ReLU", "Sequential"]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_has_gradients_of_its_own(copied: object) -> None:
    one = nn.Sequential(nn.Linear(2, 1, bias=False))
    other = copied(one)
    x, y = minigrad.tensor([[1.0, 2.0]]), minigrad.tensor([[3.0, 4.0]])
    ops.add(one(x), other(y)).backward()

    assert one[0].weight.grad.tolist() == [[1.0, 2.0]]
    assert other[0].weight.grad.tolist() == [[3.0, 4.0]]
    assert one[0].weight.tolist() == other[0].weight.tolist()


def test_a_sequence_is_a_list_of_modules() -> None:
    first, second, third = nn.ReLU(), nn.Tanh(), nn.Sigmoid()
    for row in (nn.Sequential(first, second), nn.ModuleList([first, second])):
        assert row.append(third) is row
        assert list(row) == [first, second, third]
        assert row[-1] is third
        row[1] = nn.Linear(1, 1)
        assert names(row.named_parameters()) == ["1.weight", "1.bias"]
        del row[0]
        assert names(row.named_parameters()) == ["0.weight", "0.bias"]
        with pytest.raises(TypeError, match="expected a module, not function"):
            row.append(ops.relu)
        with pytest.raises(IndexError):
            row[2]


def test_modules_are_put_in_and_taken_out_as_of_a_list() -> None:
    first, second, third = nn.ReLU(), nn.Tanh(), nn.Sigmoid()
    for row in (nn.Sequential(first, third), nn.ModuleList([first, third])):
        assert row.insert(1, second) is row
        assert list(row) == [first, second, third]
        assert names(row.named_children()) == ["0", "1", "2"]
        assert row.pop(-2) is second
        assert list(row) == [first, third]
        before = row
        row += [second]
        assert row is before
        assert names(row.named_children()) == ["0", "1", "2"]
        with pytest.raises(TypeError, match="insert: expected a module, not function"):
            row.insert(0, ops.relu)
        with pytest.raises(IndexError):
            row.pop(3)
        assert list(row) == [first, third, second]


def test_a_sequential_feeds_each_module_with_the_one_before() -> None:
    model = nn.Sequential(OrderedDict(negative=nn.LeakyReLU(2.0), positive=nn.ReLU()))

    assert model(minigrad.tensor([-1.0, 3.0])).tolist() == [0.0, 3.0]
    assert names(model.named_children()) == ["negative", "positive"]
    assert model[1] is model.positive
    assert names(nn.Sequential(*model, nn.Tanh())[1:].named_children()) == ["1", "2"]
    assert names(nn.ModuleList([*model, nn.Tanh()])[1:].named_children()) == ["0", "1"]


def test_a_module_prints_as_torchs() -> None:
    class Wordy(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Sequential(nn.ReLU(), nn.Sequential())

        def extra_repr(self) -> str:
            return "one\ntwo"

    lines = [nn.Tanh(), nn.Tanh(), nn.Sequential(nn.ReLU()), nn.Sequential(nn.ReLU()), nn.Tanh()]

    assert repr(Wordy()) == (
        "Wordy(\n  one\n  two\n  (inner): Sequential(\n    (0): ReLU()\n"
        "    (1): Sequential()\n  )\n)"
    )
    assert repr(nn.ModuleList(lines)) == (
        "ModuleList(\n  (0-1): 2 x Tanh()\n  (2-3): 2 x Sequential(\n    (0): ReLU()\n  )\n"
        "  (4): Tanh()\n)"
    )


def test_a_module_without_a_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match="ModuleList has no forward"):
        nn.ModuleList()(1)
