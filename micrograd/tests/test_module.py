"""Modules: what is found by which name, what the state is, and how they print."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import pytest

import micrograd
from micrograd import Value, nn, ops


class Scale(nn.Module):
    """A parameter, a buffer and a module, without a super().__init__()."""

    def __init__(self) -> None:
        self.linear = nn.Linear(2, 2, bias=False)
        self.factor = nn.Parameter([3.0])
        self.register_buffer("seen", ops.zeros((), dtype=int))
        self.register_buffer("mask", None)

    def forward(self, x: list) -> list:
        return ops.mul(self.linear(x), self.factor)


class Array:
    """Something with a tolist(), like NumPy's arrays."""

    def __init__(self, numbers: object) -> None:
        self.tolist = lambda: numbers


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
    assert next(model.buffers()) == model[0].seen == 0
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
    model.mask = [True]

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
    with pytest.raises(TypeError, match="Scale: factor must be a Parameter, not list"):
        model.factor = ops.mul(model.factor, 2.0)
    with pytest.raises(TypeError, match="Scale: linear must be a Module, not function"):
        model.linear = ops.linear
    with pytest.raises(TypeError, match="Scale: seen must be a Tensor, not str"):
        model.seen = "0"
    with pytest.raises(TypeError, match="CrossEntropyLoss: weight must be a Tensor, not dict"):
        nn.CrossEntropyLoss({})


def test_parts_can_be_replaced_and_deleted() -> None:
    model = Scale()
    model.linear = nn.Tanh()
    model.factor = nn.Parameter([1.0, 2.0])

    assert model.state_dict()["factor"] == [1.0, 2.0]
    assert names(model.named_modules()) == ["", "linear"]
    model.factor = None
    del model.linear
    assert list(model.state_dict()) == ["seen"]


def test_a_state_is_a_copy_and_goes_back_to_the_kind_of_each_part() -> None:
    model = Scale()
    state = model.state_dict()
    state["factor"] = [1]
    state["seen"] = 7.0
    model.load_state_dict(state)

    assert micrograd.tolist(model.factor) == [1.0]
    assert (type(model.factor[0].data), type(model.seen)) == (float, int)
    assert model.seen == 7
    state["linear.weight"][0][0] = 5.0
    assert model.linear.weight[0][0].data != 5.0


def test_a_state_may_be_made_of_arrays() -> None:
    state = {name: Array(numbers) for name, numbers in Scale().state_dict().items()}
    model = Scale()
    model.load_state_dict(state)

    assert model.state_dict() == {name: array.tolist() for name, array in state.items()}


def test_what_a_buffer_is_made_of_stays() -> None:
    model = nn.Module()
    own = {"values": ops.zeros((2, 2)), "floats": [0.5], "ids": (1, 2), "mask": [True]}
    for name, tensor in own.items():
        model.register_buffer(name, tensor)
    new = {"values": [[1, 2], [3, 4]], "floats": [2], "ids": [3.0, 4.0], "mask": [0]}
    model.load_state_dict(new)

    assert model.state_dict() == {**new, "mask": [False]}
    assert model.values is own["values"]
    assert isinstance(model.values[1][0], Value)
    assert [type(model.floats[0]), type(model.ids[0]), type(model.mask[0])] == [float, int, bool]


def test_what_was_not_loaded_is_told() -> None:
    layer = nn.Linear(1, 1)
    state = {"bias": [2.0], "wieght": [[3.0]]}
    missing, unexpected = layer.load_state_dict(state, strict=False)

    assert (missing, unexpected) == (["weight"], ["wieght"])
    assert layer.load_state_dict(layer.state_dict()).unexpected_keys == []


def test_a_state_without_numbers_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"no numbers: factor; missing: seen, linear\.weight"):
        Scale().load_state_dict({"factor": ["a"]})


def test_modes_and_gradients_reach_every_part() -> None:
    model = nn.Sequential(Scale(), nn.BatchNorm1d(2))
    x = [[1.0, 2.0], [3.0, 5.0]]
    ops.sum(ops.square(model(x))).backward()
    model.eval()

    assert not any(module.training for module in model.modules())
    assert all(micrograd.grad(parameter) is not None for parameter in model.parameters())
    model.zero_grad()
    assert all(micrograd.grad(parameter) is None for parameter in model.parameters())
    model.requires_grad_(False)
    assert not ops.sum(model(x)).requires_grad
    model.requires_grad_()
    assert ops.sum(model(x)).requires_grad


def test_a_mode_is_true_or_false() -> None:
    with pytest.raises(ValueError, match="train: mode must be True or False, not 'no'"):
        nn.Linear(1, 1).train("no")


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
    micrograd.backward(ops.add(one([[1.0, 2.0]]), other([[3.0, 4.0]])))

    assert micrograd.grad(one[0].weight) == [[1.0, 2.0]]
    assert micrograd.grad(other[0].weight) == [[3.0, 4.0]]
    assert one.state_dict() == other.state_dict()
    assert min(v.index for v in other[0].weight[0]) > max(v.index for v in one[0].weight[0])


def test_a_copy_is_tied_and_frozen_where_the_model_is() -> None:
    one = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, bias=False))
    one[1].weight = one[0].weight
    other = copy.deepcopy(one.requires_grad_(False))

    assert other[1].weight is other[0].weight
    assert not ops.sum(other([1.0, 2.0])).requires_grad


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

    assert micrograd.tolist(model([-1.0, 3.0])) == [0.0, 3.0]
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


@pytest.mark.parametrize(
    ("call", "op"),
    [
        (lambda x: x + x, "add"),
        (lambda x: x + micrograd.tensor([1.0, 2.0]), "add"),
        (lambda x: micrograd.tensor([1.0, 2.0]) + x, "add"),
        (lambda x: Value(2.0) + x, "add"),
        (lambda x: x.__iadd__(x), "add"),
        (lambda x: x * 2, "mul"),
        (lambda x: 2 * x, "mul"),
        (lambda x: Value(2.0) * x, "mul"),
    ],
)
def test_a_parameter_does_not_add_as_a_list_does(call, op: str) -> None:
    x = nn.Parameter([1.0, 2.0])
    with pytest.raises(TypeError, match=rf"use ops.{op}\(x, y\)"):
        call(x)

    assert micrograd.tolist([x, x]) == [[1.0, 2.0]] * 2  # which adds lists on its way


def test_a_parameter_is_a_list() -> None:
    with pytest.raises(ValueError, match=r"write \[number\]"):
        nn.Parameter(1.0)


@pytest.mark.parametrize("name", ["requires_grad", "grad", "data"])
def test_what_a_list_does_not_have_cannot_be_set(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        setattr(nn.Linear(2, 1).weight, name, False)


def test_models_may_be_deep() -> None:
    model = nn.ModuleList([nn.Linear(1, 1, bias=False)])
    for _ in range(2000):
        model = nn.ModuleList([model])
    names = [name for name, _ in model.named_modules()]

    assert names[-1] == ".".join("0" * 2001)
    assert list(model.state_dict()) == [f"{names[-1]}.weight"]
