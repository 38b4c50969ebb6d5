"""What users may do wrong, and what two of them do at once: named, not answered with a number."""

from __future__ import annotations

import contextvars
import copy
import importlib
import pickle
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch


@pytest.fixture(params=["minigrad", "cudagrad"])
def package(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module(request.param)


@pytest.fixture(params=["micrograd", "minigrad", "cudagrad"])
def engine(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module(request.param)


def leaf(package: Any, *numbers: float) -> Any:
    return package.tensor(list(numbers), requires_grad=True)


@pytest.mark.parametrize("shape", [(), (2,), (2, 2), (3,)])
def test_an_op_without_its_pullback_is_no_pair(package: Any, shape: tuple[int, ...]) -> None:
    @package.op
    def forgetful(x):
        return x

    with pytest.raises(TypeError, match="forgetful: an op returns its value and its pullback"):
        forgetful(package.ops.ones(shape))


def test_a_second_value_is_no_pullback(package: Any) -> None:
    @package.op
    def twice(x):
        return x, x

    with pytest.raises(TypeError, match="twice: an op returns its value and its pullback"):
        twice(leaf(package, 1.0))


def test_an_op_without_a_gradient_has_not_been_freed(package: Any) -> None:
    @package.op
    def constant(x):
        return x, None

    with pytest.raises(RuntimeError, match="through constant, which returned None for a pullback"):
        constant(leaf(package, 1.0)).backward()


def test_threads_leave_no_grad_in_any_order(package: Any) -> None:
    x, entered, left, recorded = leaf(package, 1.0), threading.Event(), threading.Event(), []

    def other() -> None:
        recorded.append((x * 2).requires_grad)  # no_grad() is of the first thread alone
        with package.no_grad():
            entered.set()
            left.wait(60)
            recorded.append((x * 2).requires_grad)

    thread = threading.Thread(target=other)
    with package.no_grad():
        thread.start()
        entered.wait(60)
    left.set()
    thread.join()

    assert recorded == [True, False]
    assert (x * 2).requires_grad


def test_a_generator_leaves_no_grad_in_another_context(package: Any) -> None:
    def numbers() -> Iterator[bool]:
        with package.no_grad():
            yield (leaf(package, 1.0) * 2).requires_grad

    running = numbers()  # as an asynchronous one that asyncio closes after a break

    assert contextvars.copy_context().run(next, running) is False
    running.close()
    assert (leaf(package, 1.0) * 2).requires_grad


def test_what_was_computed_of_weights_of_before_is_refused(package: Any) -> None:
    layer = package.nn.Linear(1, 1)
    for overwrite in (
        lambda: layer.load_state_dict({"weight": [[5.0]], "bias": [0.0]}),
        lambda: package.nn.init.constant_(layer.weight, 5.0),
        lambda: package.nn.init.uniform_(layer.weight),
    ):
        square = (layer.weight * layer.weight).sum()
        overwrite()
        with pytest.raises(RuntimeError, match=r"through mul, .* overwritten since"):
            square.backward()


@pytest.mark.parametrize(
    ("numbers", "dtype"),
    [
        ([np.float64(1 / 3)], "float64"),
        ([1.0, np.float64(1 / 3)], "float64"),
        ([[1, 2], [1, np.float64(1 / 3)]], "float64"),
        ([np.ones(2), np.ones(2)], "float64"),
        ([np.float32(1), np.float64(1 / 3)], "float64"),
        ([np.array(1.0, ">f8")], "float64"),
        ([np.float32(1), 1.0], "float32"),
        ([np.int64(1), 1.0], "float32"),
        ([[1.0], [2]], "float32"),
    ],
)
def test_a_list_keeps_the_digits_of_what_is_in_it(package: Any, numbers: Any, dtype: str) -> None:
    """As torch.tensor does."""
    made = package.tensor(numbers)
    assert made.dtype == dtype
    assert made.tolist() == np.asarray(numbers, dtype).tolist()


def test_a_list_keeps_the_digits_of_tensors_in_it(package: Any) -> None:
    within = [package.tensor(np.float64(1 / 3)), 1.0]
    assert package.tensor(within).tolist() == [1 / 3, 1.0]


def test_an_optimizer_knows_its_options_and_its_state(package: Any) -> None:
    optim, p = package.optim, leaf(package, 1.0)
    with pytest.raises(ValueError, match="AdamW: unknown option weight_decy; known: amsgrad"):
        optim.AdamW([{"params": [p], "weight_decy": 0.0}])

    sgd, adam = optim.SGD([p], momentum=0.9), optim.Adam([p])
    p.grad = package.tensor([1.0])
    sgd.step()
    theirs, ours = sgd.state_dict(), adam.state_dict()
    for state, message in (
        (theirs, "Adam.load_state_dict: unknown option dampening, momentum, nesterov"),
        ({**ours, "state": theirs["state"]}, "Adam.load_state_dict: unknown state momentum_buffer"),
        ({"state": {}}, "Adam.load_state_dict: no param_groups in the state"),
        ({}, "Adam.load_state_dict: no param_groups and no state in the state"),
    ):
        with pytest.raises(ValueError, match=message):
            adam.load_state_dict(state)
        assert adam.state_dict() == ours

    groups = [{**group, "param_names": ["p"], "foreach": None} for group in ours["param_groups"]]
    adam.load_state_dict({"state": {}, "param_groups": groups})
    assert adam.param_groups[0]["param_names"] == ["p"]


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "RMSprop", "Adam"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_state_is_a_copy_on_the_way_out_and_in(engine: Any, name: str, count: int) -> None:
    kind, momentum = getattr(engine.optim, name), {"momentum": 0.5}
    options = momentum if name in ("SGD", "RMSprop") else {}
    layer = engine.nn.Linear(3, 1, bias=count == 2)

    def step(optimizer: Any) -> None:
        optimizer.zero_grad()
        engine.ops.sum(layer(engine.tensor([[1.0, 2.0, 3.0]]))).backward()
        optimizer.step()

    first, second = (kind(layer.parameters(), **options) for _ in range(2))
    step(first)
    state = first.state_dict()
    kept = copy.deepcopy(state)

    step(first)
    second.load_state_dict(state)
    step(second)

    assert repr(state) == repr(kept)
    assert repr(first.state_dict()) != repr(kept)


def test_an_option_that_a_state_lacks_is_the_default(engine: Any) -> None:
    layer = engine.nn.Linear(1, 1)
    optimizer = engine.optim.SGD(layer.parameters(), lr=0.5)
    with_more = engine.optim.SGD([{"params": layer.parameters(), "weight_decay": 0.25}], lr=0.5)
    state = optimizer.state_dict()
    for group in state["param_groups"]:
        del group["weight_decay"]

    with_more.load_state_dict(state)

    assert with_more.param_groups[0]["weight_decay"] == 0


def test_a_scheduler_knows_its_state(package: Any) -> None:
    rates = package.optim.lr_scheduler
    optimizer = package.optim.SGD([leaf(package, 1.0)])
    step, double = rates.StepLR(optimizer, 3), rates.LambdaLR(optimizer, lambda epoch: 2.0)
    row = rates.SequentialLR(optimizer, [rates.StepLR(optimizer, 1), double], [2])
    for scheduler in (step, double, row):
        state = scheduler.state_dict()
        for wrong, message in (
            ({**state, "gama": 3}, "unexpected: gama"),
            ({name: state[name] for name in state if name != "last_epoch"}, "missing: last_epoch"),
            ({}, "missing: "),
        ):
            with pytest.raises(ValueError, match=message):
                scheduler.load_state_dict(wrong)
            assert scheduler.state_dict() == state
    two = rates.LambdaLR(package.optim.SGD([{"params": [leaf(package, 1.0)]} for _ in "ab"]), abs)
    rows = rates.SequentialLR(optimizer, [rates.StepLR(optimizer, 1) for _ in range(3)], [2, 4])
    for scheduler, other, message in (
        (double, two, "load_state_dict of LambdaLR: states of 2 parts for 1"),
        (row, rows, "load_state_dict of SequentialLR: states of 3 parts for 2"),
    ):
        with pytest.raises(ValueError, match=message):
            scheduler.load_state_dict(other.state_dict())
    step.load_state_dict({**step.state_dict(), "_step_count": 1})  # as torch has it
    assert not hasattr(step, "_step_count")


def test_what_is_no_parameter_is_told(engine: Any) -> None:
    nn, optim, model = engine.nn, engine.optim, engine.nn.Linear(1, 1)
    sgd = optim.SGD(model.parameters())
    for call, name, found in (
        (lambda: optim.SGD(model), "SGD", "Linear"),
        (lambda: optim.SGD([{"params": model}]), "SGD", "Linear"),
        (lambda: sgd.add_param_group({"params": None}), "SGD", "NoneType"),
        (lambda: nn.utils.clip_grad_norm_(model, 1.0), "clip_grad_norm_", "Linear"),
        (lambda: nn.utils.clip_grad_norm_(nn.Sequential(model), 1.0), "clip_grad_norm_", "Linear"),
        (lambda: nn.utils.clip_grad_norm_(model.state_dict(), 1.0), "clip_grad_norm_", "str"),
        (lambda: nn.utils.clip_grad_value_(None, 1.0), "clip_grad_value_", "NoneType"),
    ):
        expected = f"^{name}: expected parameters, as of model.parameters\\(\\), not {found}$"
        with pytest.raises(TypeError, match=expected):
            call()
    with pytest.raises(TypeError, match="SGD: parameters are numbered: a set of them has no order"):
        sgd.add_param_group({"params": set()})


@pytest.mark.parametrize("state", [None, [1], "state param_groups"])
def test_a_state_is_a_dict(engine: Any, state: Any) -> None:
    rates, optimizer = (
        engine.optim.lr_scheduler,
        engine.optim.AdamW(engine.nn.Linear(1, 1).parameters()),
    )
    step = rates.StepLR(optimizer, 2)
    for holder in (
        optimizer,
        step,
        rates.LambdaLR(optimizer, abs),
        rates.SequentialLR(optimizer, [step], []),
    ):
        before, name = holder.state_dict(), type(holder).__name__
        with pytest.raises(
            TypeError, match=rf"{name}.*: expected a dict, as of state_dict\(\), not"
        ):
            holder.load_state_dict(state)
        assert holder.state_dict() == before


def test_a_group_without_its_parameters_is_told(engine: Any) -> None:
    optimizer = engine.optim.SGD(engine.nn.Linear(2, 1).parameters(), lr=0.1)
    state = optimizer.state_dict()
    del state["param_groups"][0]["params"]
    with pytest.raises(ValueError, match=r"SGD\.load_state_dict: a group without params"):
        optimizer.load_state_dict(state)


def test_lists_of_several_lengths_are_told_by_their_name(engine: Any) -> None:
    layer = engine.nn.Linear(2, 2)
    before = layer.state_dict()
    with pytest.raises(RuntimeError, match=r"misshapen: weight .*no numbers: weight"):
        layer.load_state_dict({"weight": [[1.0, 2.0], [3.0]], "bias": [0.0, 0.0]})
    assert all(np.array_equal(before[name], value) for name, value in layer.state_dict().items())


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_a_seed_has_64_bits(engine: Any, seed: int) -> None:
    with pytest.raises(ValueError, match="manual_seed: seed must be"):
        engine.manual_seed(seed)


def test_a_negative_seed_counts_from_the_end(engine: Any) -> None:
    drawn = []
    for seed in (-1, 2**64 - 1, 1):
        engine.manual_seed(seed)
        drawn.append(repr(engine.ops.randn((2, 3))))
    assert drawn[0] == drawn[1] != drawn[2]


def test_options_of_a_gpt_are_bools(engine: Any) -> None:
    for name in ("bias", "gradient_checkpointing"):
        with pytest.raises(TypeError, match=f"GPTConfig: {name} must be a bool, not int"):
            engine.gpt.GPTConfig(8, 4, 1, 1, 4, **{name: 0})


def test_a_checkpoint_leaves_the_generator_where_it_was(package: Any) -> None:
    drawn = []
    for backward in (False, True):
        package.manual_seed(0)
        out = package.checkpoint(package.ops.dropout, leaf(package, *[1.0] * 40))
        package.ops.randn(3)
        if backward:
            out.sum().backward()
        drawn.append(package.ops.randn(4).tolist())
    assert drawn[0] == drawn[1]


def test_a_narrow_index_is_not_read_from_the_end(package: Any) -> None:
    table = package.ops.ones((300, 2))
    for wrong in (np.int8(-1), np.int16(-1), np.int16(300)):
        with pytest.raises(IndexError, match="out of range"):
            package.ops.embedding(package.tensor(np.array([wrong])), table)


def test_a_checkpoint_returns_the_same_both_times(package: Any) -> None:
    once = iter([True, False])
    out = package.checkpoint(lambda x: x * x if next(once) else None, leaf(package, 3.0))
    with pytest.raises(RuntimeError, match="computed again, the function did something else"):
        out.sum().backward()


def test_a_scheduler_says_what_it_expects(engine: Any) -> None:
    rates, model = engine.optim.lr_scheduler, engine.nn.Linear(1, 1)
    optimizer = engine.optim.SGD(model.parameters())
    step = rates.StepLR(optimizer, 2)
    for call, message in (
        (lambda: rates.StepLR(None, 2), "StepLR: expected an optimizer, not NoneType"),
        (lambda: rates.LambdaLR(model, abs), "LambdaLR: expected an optimizer, not Linear"),
        (lambda: rates.SequentialLR(None, [step], []), "SequentialLR: expected an optimizer, not"),
        (
            lambda: rates.LambdaLR(optimizer, 0.5),
            "LambdaLR: expected functions of the epoch, not f",
        ),
        (lambda: rates.LambdaLR(optimizer, [None]), "LambdaLR: expected functions of the epoch"),
        (lambda: rates.StepLR(optimizer, None), "StepLR: step_size must be a number, not NoneType"),
        (lambda: rates.StepLR(optimizer, 2, None), "StepLR: gamma must be a number"),
        (lambda: rates.StepLR(optimizer, 2, 0.1, None), "StepLR: last_epoch must be a number"),
        (lambda: rates.ExponentialLR(optimizer, "a"), "ExponentialLR: gamma must be a number"),
        (lambda: rates.LinearLR(optimizer, None), "LinearLR: start_factor must be a number"),
        (lambda: rates.LinearLR(optimizer, 0.5, None), "LinearLR: end_factor must be a number"),
        (lambda: rates.LinearLR(optimizer, 0.5, 1.0, None), "LinearLR: total_iters must be a numb"),
        (lambda: rates.CosineAnnealingLR(optimizer, None), "CosineAnnealingLR: T_max must be a n"),
        (lambda: rates.CosineAnnealingLR(optimizer, 5, None), "eta_min must be a number"),
        (lambda: rates.SequentialLR(optimizer, step, []), "schedulers must be a list, not StepLR"),
        (lambda: rates.SequentialLR(optimizer, [step], None), "milestones must be a list, not N"),
        (lambda: rates.SequentialLR(optimizer, [None], []), "expected schedulers, not NoneType"),
        (lambda: rates.SequentialLR(optimizer, [step, step], [None]), "a milestone must be a numb"),
    ):
        with pytest.raises(TypeError, match=message):
            call()


def test_names_that_are_passed_over_are_told(package: Any) -> None:
    layer = package.nn.Linear(1, 1)
    found = layer.load_state_dict({"wieght": [[5.0]], "bias": [1.0]}, strict=False)
    assert (found.missing_keys, found.unexpected_keys) == (["weight"], ["wieght"])
    assert layer.load_state_dict(layer.state_dict()) == ([], [])


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW"])
def test_every_optimizer_climbs(package: Any, name: str) -> None:
    kind, down, up = getattr(package.optim, name), leaf(package, 1.0), leaf(package, 1.0)
    for p, options in ((down, {}), (up, {"maximize": True})):
        p.grad = package.tensor([2.0])
        kind([p], lr=0.5, **options).step()
    assert down.item() < 1.0 < up.item()


def test_gradients_are_forgotten_or_zeroed(package: Any) -> None:
    layer, without = package.nn.Linear(2, 1), leaf(package, 1.0)
    optimizer = package.optim.SGD([*layer.parameters(), without])
    for owner in (layer, optimizer):
        layer(package.tensor([[1.0, 2.0]])).sum().backward()
        owner.zero_grad(set_to_none=False)
        assert (layer.weight.grad.tolist(), layer.bias.grad.tolist()) == ([[0.0, 0.0]], [0.0])
        assert without.grad is None
        layer(package.tensor([[1.0, 2.0]])).sum().backward()
        assert layer.weight.grad.tolist() == [[1.0, 2.0]]
        owner.zero_grad()
        assert layer.weight.grad is layer.bias.grad is None


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "RMSprop", "Adam"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_state_follows_its_parameters_to_another_dtype(
    package: Any, name: str, count: int
) -> None:
    options: dict[str, Any] = {"momentum": 0.5} if name in ("SGD", "RMSprop") else {}
    ends = []
    for dtype in ("float32", "float64"):
        layer = package.nn.Linear(1, 1, bias=count == 2)
        layer.to(dtype)
        for parameter in layer.parameters():
            package.nn.init.constant_(parameter, 0.5)
        optimizer = getattr(package.optim, name)(layer.parameters(), lr=0.25, **options)
        for number in range(3):
            for parameter in layer.parameters():
                parameter.grad = package.ops.full(parameter.shape, 0.75, dtype=parameter.dtype)
            optimizer.step()
            if number == 0:
                layer.to("float64")
        state = optimizer.state_dict()["state"]
        assert {x.dtype for s in state.values() for n, x in s.items() if n != "step"} == {
            np.dtype("float64")
        }
        ends.append(layer.weight.item())
    assert ends[0] == pytest.approx(ends[1], rel=1e-6)
    assert layer.weight.dtype == "float64"


def test_a_mode_is_true_or_false(package: Any) -> None:
    with pytest.raises(ValueError, match="train: mode must be True or False, not 'no'"):
        package.nn.Dropout().train("no")


@pytest.mark.parametrize("convert", [lambda x: x.to("float32"), lambda x: x * 0.5])
def test_integers_get_no_rounded_gradient(package: Any, convert: Any) -> None:
    x = package.tensor([1, 2])
    x.requires_grad = True  # torch refuses it here
    with pytest.raises(TypeError, match="only floating tensors can require a gradient, not int64"):
        (convert(x) * 0.5).sum().backward()
    assert x.grad is None


def test_a_frozen_parameter_of_integers_is_copied(package: Any) -> None:
    frozen = package.nn.Parameter(package.tensor([1, 2]), requires_grad=False)
    for copied in (copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
        other = copied(frozen)
        assert (type(other), other.tolist(), other.dtype) == (type(frozen), [1, 2], "int64")
        assert not other.requires_grad


def test_a_deep_copy_has_a_gradient_of_its_own(package: Any) -> None:
    x = leaf(package, 2.0)
    (x * 3.0).backward()
    other = copy.deepcopy(x)
    (other * 5.0).backward()

    assert (x.grad.tolist(), other.grad.tolist()) == ([3.0], [8.0])
    assert pickle.loads(pickle.dumps(x)).grad is None


def test_a_deep_copy_of_a_layer_has_no_gradient_yet(package: Any) -> None:
    there = torch.nn.Linear(2, 1)
    layer = package.nn.Linear(2, 1)
    for made, x in ((there, torch.ones(1, 2)), (layer, package.ops.ones(1, 2))):
        made(x).sum().backward()
        assert made.weight.grad is not None
        other = copy.deepcopy(made)
        assert (other.weight.grad, other.bias.grad) == (None, None)
        assert other.weight.tolist() == made.weight.tolist()


def test_a_wrong_operand_is_told_with_the_op(package: Any) -> None:
    ops, x = package.ops, package.tensor([[1.0]])
    for call, message in (
        (lambda: x + None, "add: expected a tensor, an array or a number, not NoneType"),
        (lambda: x * [2.0], "mul: expected a tensor, an array or a number, not list"),
        (lambda: x ** "a", "pow: expected a tensor, an array or a number, not str"),
        (lambda: x @ None, "matmul: expected a tensor, not NoneType"),
        (lambda: ops.linear(x, None), "linear: expected a tensor, not NoneType"),
        (lambda: ops.embedding(package.tensor([0]), None), "embedding: expected a tensor, not N"),
        (lambda: ops.cross_entropy(x, None), "cross_entropy: expected a tensor, not NoneType"),
        (lambda: ops.linear(x, weight=None), "linear: expected a tensor, not NoneType"),
    ):
        with pytest.raises(TypeError, match=message):
            call()


def test_a_tensor_of_another_package_is_told_with_the_package(package: Any) -> None:
    ops, x, theirs = package.ops, package.tensor([1.0]), torch.tensor([1.0])
    for call, op in (
        (lambda: x + theirs, "add"),
        (lambda: theirs + x, "add"),
        (lambda: x[theirs.long()], "getitem"),
        (lambda: ops.relu(torch.nn.Parameter(theirs)), "relu"),
        (lambda: package.nn.Linear(1, 1)(theirs), "linear"),
        (lambda: ops.cat([x, theirs]), "cat"),
        (lambda: ops.stack([theirs, x]), "stack"),
        (lambda: ops.split(theirs, 1), "split"),
        (lambda: ops.narrow(theirs, 0, 0, 1), "narrow"),
        (lambda: ops.zeros_like(theirs), "zeros_like"),
        (lambda: ops.full_like(theirs, 1.0), "full_like"),
        (lambda: ops.var_mean(theirs), "var_mean"),
        (lambda: ops.einsum("i,i->", x, theirs), "einsum"),
    ):
        with pytest.raises(TypeError, match=f"^{op}: expected a tensor of .*grad, not of torch"):
            call()


def test_a_number_is_formatted_as_one_of_pythons(package: Any) -> None:
    loss = leaf(package, 2.0).sum() * 1.25

    assert f"{loss:.3f} {loss}" == "2.500 tensor(2.5, dtype=float32, op=mul)"


def test_a_result_goes_on_to_require_a_gradient(package: Any) -> None:
    result = leaf(package, 1.0) * 2.0
    with pytest.raises(RuntimeError, match="only a leaf can stop requiring a gradient"):
        result.requires_grad_(False)
    assert result.requires_grad


@pytest.mark.parametrize("convert", [bool, float, int, "{:.3f}".format, lambda x: x.item()])
def test_several_numbers_are_not_one(package: Any, convert: Any) -> None:
    with pytest.raises(RuntimeError, match=r"bool\(\) need one element, this .* shape \(2,\)"):
        convert(package.tensor([1.0, 2.0]))


def test_what_goes_wrong_within_an_op_of_the_users_is_told_as_it_is(package: Any) -> None:
    @package.op
    def mistaken(x):
        return np.no_such_thing, None

    with pytest.raises(AttributeError, match="no_such_thing"):
        mistaken(package.tensor([1.0]))


def test_data_is_an_array_and_a_gradient_a_tensor(package: Any) -> None:
    x, layer = leaf(package, 1.0), package.nn.Linear(1, 1)
    x.data = package.tensor([2.0])
    layer.weight.data = package.tensor([[2.0]])
    with pytest.raises(TypeError, match=r"mul: \.data of a tensor is a .* array, not a Tensor"):
        x * 2
    with pytest.raises(TypeError, match=r"linear: \.data of a tensor is a .* array, not a Tensor"):
        layer(package.tensor([[1.0]]))

    y = leaf(package, 1.0)
    y.grad = 0.0
    with pytest.raises(TypeError, match=r"backward: \.grad is a tensor or None, not float"):
        (y * 2).backward()
    with pytest.raises(TypeError, match=r"step: \.grad is a tensor or None, not float"):
        package.optim.SGD([y]).step()


def test_a_number_of_numpys_counts_as_one_of_pythons(package: Any) -> None:
    """As in torch: a loss divided by np.sqrt(n) must not become float64."""
    tensor, ops = package.tensor, package.ops
    whole, small, x = tensor(1), tensor(1, dtype="int32"), leaf(package, 1.0, 2.0)
    for made, dtype in (
        (x.sum() / np.sqrt(4.0), "float32"),
        (np.float64(2) * x.sum(), "float32"),
        (x * np.float64(2), "float32"),
        (whole * np.float64(0.5), "float32"),
        (small + np.int64(2), "int32"),
        (small + np.float32(2), "float32"),
        (tensor(1.0, dtype="float64") * np.float32(2), "float64"),
        (tensor([True]) + np.int64(1), "int64"),
        (ops.clamp(x.sum(), np.float64(0)), "float32"),
        (ops.full(2, np.float64(0.5)), "float32"),
        (ops.full(2, tensor(0.5, dtype="float64")), "float32"),
        (ops.full(2, small), "int64"),
        (ops.arange(tensor(2.0, dtype="float64")), "float32"),
        (ops.where(x > 1, x.sum(), np.float64(0)), "float32"),
    ):
        assert made.dtype == dtype
    assert (x.sum() / np.sqrt(4.0)).item() == 1.5
    assert tensor(np.float64(1 / 3)).item() == 1 / 3  # not an operand: it keeps its digits


def test_a_number_beyond_the_range_is_infinite_without_a_warning(package: Any) -> None:
    numbers = np.array([1e300, -1e300, 1.5])
    layer = package.nn.Linear(3, 1, bias=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer.load_state_dict({"weight": numbers[None]})
        for made in (
            package.tensor(numbers.tolist()),
            package.tensor(numbers, dtype="float32"),
            layer.weight.detach()[0],
        ):
            assert (made.dtype, made.tolist()) == (np.float32, [np.inf, -np.inf, 1.5])
        made = package.tensor(np.array([np.nan, -1.5]), dtype="int64")
    assert made.tolist() == torch.tensor([np.nan, -1.5]).long().tolist()


def test_a_tensor_is_filled_with_a_number_that_fits(package: Any) -> None:
    x = package.tensor([1.0])
    with pytest.raises(ValueError, match=r"constant_: val 1e\+300 does not fit into float32"):
        package.nn.init.constant_(x, 1e300)
    assert x.tolist() == [1.0]
    assert package.nn.init.constant_(x, np.inf).tolist() == [np.inf]


def test_where_refuses_a_number_that_does_not_fit(package: Any) -> None:
    where, condition = package.ops.where, package.tensor([True, False])
    for number, dtype in ((2**40, "int32"), (1e300, "float32"), (300, "uint8")):
        with pytest.raises(ValueError, match=f"where: .* does not fit into {dtype}"):
            where(condition, package.tensor([1, 2], dtype=dtype), number)
    assert where(condition, package.tensor([1.0, 2.0]), -np.inf).tolist() == [1.0, -np.inf]


def test_an_unsigned_dtype_takes_negative_numbers(package: Any) -> None:
    """They count from its end, as in torch."""
    ops, x, mask = package.ops, package.tensor([0, 3], dtype="uint8"), package.tensor([True, False])
    for made, numbers in (
        (ops.masked_fill(x, mask, -1), [255, 3]),
        (ops.where(mask, x, -1), [0, 255]),
        (ops.clamp(x, -1, 1), [1, 1]),
        (ops.full_like(x, -1), [255, 255]),
        (ops.full(1, -1, dtype="uint8"), [255]),
        (ops.scatter(x, 0, package.tensor([0]), -1), [255, 3]),
    ):
        assert (made.dtype, made.tolist()) == ("uint8", numbers)
    for wrong in (-300, 300, -1.0):
        with pytest.raises(ValueError, match=r"masked_fill: .* does not fit into uint8"):
            ops.masked_fill(x, mask, wrong)
    with pytest.raises(ValueError, match="pad: value -1 does not fit into uint8"):
        ops.pad(x, (1, 0), value=-1)  # which torch takes as a float
    with pytest.raises(ValueError, match="hardtanh: no uint8 from min_val -1 to max_val 1"):
        ops.hardtanh(x, -1, 1)


def test_whether_any_of_uint8_is_not_0_is_uint8(package: Any) -> None:
    numbers = np.array([[0, 0, 0], [0, 7, 1], [3, 2, 255]], np.uint8)
    for name in ("any", "all"):
        for given in ({}, {"dim": 1}, {"dim": ()}, {"dim": (0, -1), "keepdim": True}):
            want = getattr(torch, name)(torch.tensor(numbers), **given)
            found = getattr(package.ops, name)(package.tensor(numbers), **given)
            assert (found.dtype, found.tolist()) == (np.uint8, want.tolist())
        assert getattr(package.ops, name)(package.tensor([1], dtype="int8")).dtype == bool


def test_a_factor_that_does_not_fit_is_refused(package: Any) -> None:
    """As in torch, where it would be infinite, or wrap around."""
    ops, x, small = package.ops, package.tensor([1.0]), package.tensor([1], dtype="uint8")
    square = package.tensor([[1.0]])
    for call in (
        lambda: ops.add(x, x, alpha=1e300),
        lambda: ops.add(small, small, alpha=256),
        lambda: ops.rsub(x, x, alpha=1e300),
        lambda: ops.addmm(square, square, square, beta=1e300),
        lambda: ops.leaky_relu(x, 1e300),
        lambda: ops.elu(x, 1e300),
        lambda: ops.softplus(x, 1e300),
        lambda: ops.softplus(x, 1.0, 1e300),
    ):
        with pytest.raises(ValueError, match=r"^\w+: \w+ \S+ does not fit into \w+$"):
            call()


def test_a_tensor_of_one_integer_is_an_index(package: Any) -> None:
    """So that names[logits.argmax()] is one, as with torch."""
    names = ["ada", "lin", "bo"]
    assert names[package.tensor([0.5, 0.25, 2.0]).argmax()] == "bo"
    assert names[package.tensor([True])] == "lin"
    assert list(range(package.tensor(2))) == [0, 1]
    for other in (package.tensor(1.0), package.tensor([0, 1]), package.tensor([], dtype="int64")):
        with pytest.raises(TypeError, match="one integer is an index, not"):
            names[other]


def test_what_has_no_dims_is_not_iterated(package: Any) -> None:
    with pytest.raises(TypeError, match="0-d tensor"):
        list(package.tensor(1.0))
    assert [row.tolist() for row in package.tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]


def test_ints_of_numpy_are_ints(package: Any) -> None:
    ops, x, two = package.ops, package.tensor(np.arange(12.0).reshape(3, 4)), np.int64(2)

    assert [part.shape for part in ops.split(x, two)] == [(2, 4), (1, 4)]
    assert [part.shape for part in ops.chunk(x, two, two - 1)] == [(3, 2), (3, 2)]
    assert ops.unflatten(x, 1, np.int64(4)).shape == (3, 4)
    assert ops.topk(x, two)[0].tolist() == [[3, 2], [7, 6], [11, 10]]
    assert ops.one_hot(package.tensor([1]), two).tolist() == [[0, 1]]


def test_a_float32_of_numpy_does_not_round_what_is_float64(package: Any) -> None:
    numbers, third = np.array([[0.25, -1.0, 3.0], [0.5, 2.0, 0.0]]), np.float32(1 / 3)
    target, where = package.tensor([1, 2]), {"dim": 1, "correction": third}
    for name, more in (("var", where), ("std", where)):
        x = package.tensor(numbers, requires_grad=True)
        there = torch.tensor(numbers, requires_grad=True)
        getattr(package.ops, name)(x, **more).sum().backward()
        getattr(torch, name)(there, **more).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), there.grad.numpy(), rtol=1e-13, atol=1e-15)
    loss = package.ops.cross_entropy(package.tensor(numbers), target, label_smoothing=third)
    want = torch.nn.functional.cross_entropy(
        torch.tensor(numbers), torch.tensor([1, 2]), label_smoothing=float(third)
    )
    assert loss.item() == pytest.approx(want.item(), rel=1e-13)
    kept = [package.tensor([0.1, 0.2, 0.3], "float64"), package.tensor([1.0, 2.0, 3.0], "float64")]
    wanted = [torch.tensor(statistic.tolist(), dtype=torch.float64) for statistic in kept]
    package.ops.batch_norm(package.tensor(numbers), *kept, training=True, momentum=third)
    torch.nn.functional.batch_norm(
        torch.tensor(numbers), *wanted, training=True, momentum=float(third)
    )
    for ours, theirs in zip(kept, wanted, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-13)


def test_einsum_sums_small_integers_as_torch_does(package: Any) -> None:
    rows = np.array([[100, 100, 100], [1, 2, 3]], np.int8)
    for equation, operands in (
        ("ij->", [rows]),
        ("ij->i", [rows]),
        ("ij->ji", [rows]),
        ("ij,i->ij", [rows, rows[:, 0]]),
        ("ij,i->i", [rows, rows[:, 0]]),
        ("ij,kj->ik", [rows, rows]),
    ):
        found = package.ops.einsum(equation, *map(package.tensor, operands)).numpy()
        want = torch.einsum(equation, *map(torch.tensor, operands)).numpy()
        assert (found.dtype, found.tolist()) == (want.dtype, want.tolist()), equation


@pytest.mark.parametrize("number", [np.float32(0.5), np.float64(2.0), np.bool_(True)])
def test_a_factor_of_integers_is_an_integer(package: Any, number: Any) -> None:
    x = package.tensor([1, 2])
    for op in (package.ops.add, package.ops.sub, package.ops.rsub):
        with pytest.raises(TypeError, match="alpha must be a number for int64"):
            op(x, x, alpha=number)
        assert op(x, x, alpha=np.int32(2)).dtype == np.int64


def test_a_tensor_is_no_number_whose_gradient_would_be_lost(package: Any) -> None:
    ops, x, number = package.ops, leaf(package, 1.0, -2.0), package.tensor(0.5, requires_grad=True)
    for call in (
        lambda: ops.add(x, x, alpha=number),
        lambda: ops.leaky_relu(x, number),
        lambda: ops.elu(x, number),
        lambda: ops.softplus(x, number),
        lambda: ops.hardtanh(x, -1, number),
        lambda: ops.pad(x, (1, 1), value=number),
        lambda: ops.scatter(x, 0, package.tensor([0]), value=number),
    ):
        with pytest.raises(TypeError, match=r"^\w+: \w+ must be a number, not "):
            call()


def test_a_range_has_a_step_that_is_a_number(package: Any) -> None:
    with pytest.raises(ValueError, match="arange: steps of nan do not lead from 0 to 5"):
        package.ops.arange(0, 5, float("nan"))


def test_a_number_is_in_a_tensor_of_any_dims(package: Any) -> None:
    x = package.tensor([[1, 2], [3, 4]])
    assert 3 in x
    assert package.tensor(4) in x
    assert 5 not in x
    assert 1 not in package.tensor([])


def test_an_error_names_the_function_that_was_called(package: Any) -> None:
    ops, utils, x = package.ops, package.nn.utils, package.tensor([1.0, 2.0])
    for call, message in (
        (lambda: ops.cat([x, x], (0, 1)), "^cat: dim must be an int, not tuple"),
        (lambda: ops.narrow(x, 0, 0.5, 1), "^narrow: start .*must be"),
        (lambda: ops.narrow(x, 0, True, 1), "^narrow: start .*must be"),
        (lambda: utils.clip_grad_norm_([], "a"), "clip_grad_norm_: max_norm must be a number"),
        (lambda: utils.clip_grad_norm_([], 1.0, "inf"), "norm_type must be a number"),
        (lambda: utils.clip_grad_value_([], "a"), "clip_grad_value_: clip_value must be a number"),
    ):
        with pytest.raises(TypeError, match=message):
            call()


def test_targets_among_no_classes_are_refused(package: Any) -> None:
    for loss in (package.ops.cross_entropy, package.ops.nll_loss):
        with pytest.raises((ValueError, IndexError), match=loss.__name__):
            loss(package.ops.zeros((2, 0)), package.tensor([-100, -100]))


def test_a_probability_is_told_by_its_name(package: Any) -> None:
    ops, x = package.ops, package.tensor([[1.0, 2.0]])
    target = package.tensor([0])
    with pytest.raises(ValueError, match="label_smoothing must be between 0 and 1"):
        ops.cross_entropy(x, target, label_smoothing=1.5)
    with pytest.raises(TypeError, match="dropout: p must be a number"):
        ops.dropout(x, "a")
    with pytest.raises(TypeError, match="Dropout: p must be a number"):
        package.nn.Dropout("a")
    with pytest.raises(ValueError, match="MultiheadAttention: dropout must be between 0 and 1"):
        package.nn.MultiheadAttention(2, 1, dropout=2.0)


@pytest.mark.parametrize("training", [False, True])
def test_running_statistics_are_tensors(package: Any, training: bool) -> None:
    x, mean, variance = package.tensor([[1.0], [3.0]]), package.tensor([0.0]), package.tensor([1.0])

    for given in ((mean.numpy(), variance), (mean, variance.numpy())):
        with pytest.raises(TypeError, match="batch_norm: running statistics are tensors"):
            package.ops.batch_norm(x, *given, training=training)


def test_classes_are_int64(package: Any) -> None:
    for dtype in (np.int32, np.uint8):
        with pytest.raises(
            TypeError, match=f"one_hot: classes must be int64, not {np.dtype(dtype)}"
        ):
            package.ops.one_hot(package.tensor(np.array([0, 1], dtype)), 2)


@pytest.mark.parametrize("shape", [True, (2, True)])
def test_a_bool_is_no_length(package: Any, shape: Any) -> None:
    with pytest.raises(TypeError, match="zeros: a shape is a tuple of ints, not "):
        package.ops.zeros(shape)


def test_torch_and_numpy_take_a_tensor(package: Any) -> None:
    for data in ([1.0, 2.0], [[1, 2, 3]], [True], 2.0):
        x = package.tensor(data)

        assert torch.equal(torch.tensor(x), torch.tensor(data))
        assert np.from_dlpack(x).tolist() == data
    with pytest.raises((RuntimeError, BufferError), match="requires a gradient"):
        torch.tensor(leaf(package, 1.0))


def test_a_tensor_is_printed_in_its_shape(package: Any) -> None:
    matrix = package.tensor([[1, 2], [3, 4]])

    assert repr(matrix) == "tensor([[1, 2],\n        [3, 4]], dtype=int64)"
    assert repr(package.ops.zeros(2, 0, 3)) == "tensor([], shape=(2, 0, 3), dtype=float32)"
    assert repr(package.tensor([])) == "tensor([], dtype=float32)"


def test_no_dtype_is_the_one_there_is(package: Any) -> None:
    layer = package.nn.Linear(1, 1).to(package.float64)

    assert layer.to(None).weight.dtype == layer.weight.to(None).dtype == package.float64
    assert package.tensor([1, 2]).to(None).dtype == package.int64


def test_what_does_not_promote_refuses_two_dtypes(package: Any) -> None:
    ops, x = package.ops, package.tensor([[0.5, 0.25], [0.125, 1.0]])
    double = package.tensor([[0.5, 0.25], [0.125, 1.0]], dtype="float64")
    for call in (
        lambda: ops.cross_entropy(x, double),
        lambda: ops.cross_entropy(x, package.tensor([0, 1]), double[0]),
        lambda: ops.nll_loss(x, package.tensor([0, 1]), double[0]),
        lambda: ops.binary_cross_entropy(x, double),
        lambda: ops.binary_cross_entropy_with_logits(x, x, pos_weight=double),
        lambda: ops.layer_norm(x, 2, double[0]),
        lambda: ops.batch_norm(x, double[0], double[1]),
        lambda: ops.linear(x, double),
        lambda: ops.matmul(x, double),
        lambda: ops.einsum("ij,jk->ik", x, double),
    ):
        with pytest.raises(TypeError, match="dtypes differ: float32 and float64"):
            call()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64"])
def test_sums_and_products_of_integers_are_int64(package: Any, dtype: str) -> None:
    ops, x = package.ops, package.tensor(np.full(20, 3).astype(dtype))
    one = int(x[0].item())

    for made, wanted in (
        (ops.sum(x), 20 * one),
        (ops.prod(x), one**20),
        (ops.cumsum(x, 0)[-1], 20 * one),
        (ops.cumsum(x[0], 0), one),
    ):
        assert (made.dtype, made.item()) == (np.int64, wanted)


def test_einsum_refuses_booleans_in_its_own_name(package: Any) -> None:
    mask = package.tensor([[True, False], [False, True]])
    with pytest.raises(TypeError, match="einsum: expected numbers, not booleans"):
        package.ops.einsum("ij,jk->ik", mask, mask)
