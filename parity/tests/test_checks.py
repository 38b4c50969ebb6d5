"""The judge is judged: every kind of fault is seen, and said in words that help."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import minigrad
from parity import checks
from parity.checks.backward import subsets
from parity.checks.differences import meaningless
from parity.checks.envelope import Band
from parity.checks.measure import EPS, Measured, distance
from parity.engines import OURS, Adapter, load, with_ops
from parity.report.entries import worst
from parity.spec import BUILT, BY_NAME, OPS
from parity.spec.case import Case, Op, Reject, constant, ints, randn, uniform, values
from parity.spec.runs import RUNS
from parity.spec.skips import SKIPS, reason

WithOp = Callable[..., Any]

# Small ops of our own: what these tests show depends on no case of the spec.
ADD = Op("add", torch.add, Case(randn(2, 3), randn(3)), Case(randn(2, 3), randn(2, 3)))
EXP = Op("exp", torch.exp, Case(randn(2, 3)))
MAX = Op("max", torch.max, Case(randn(2, 3), dim=1), rejects=[Reject(IndexError, randn(2), dim=1)])
RESHAPE = Op(
    "reshape",
    torch.reshape,
    Case(randn(2, 3), (3, 2)),
    rejects=[Reject(ValueError, randn(2), (3,))],
)
SOFTMAX = Op("softmax", torch.softmax, Case(randn(2, 3), dim=1))
SPLIT = Op("split", torch.split, Case(randn(5), 2))
DROPOUT = Op(
    "dropout",
    torch.nn.functional.dropout,
    Case(uniform(40, 30, low=0.5, high=2.0), p=0.25, chance="p"),
)
RANDN = Op("randn", lambda size: torch.randn(size), Case((80, 70), chance="normal"))
BATCH_NORM = Op(
    "batch_norm",
    torch.nn.functional.batch_norm,
    Case(randn(7, 3), constant(randn(3)), constant(uniform(3, low=0.5, high=2.0)), training=True),
    Case(randn(7, 3), constant(randn(3)), constant(uniform(3, low=0.5, high=2.0))),
)


def run(engine: Any, op: Op, check: str, dtype: str = "float64", case: int = 0) -> checks.Result:
    where: Any = op.rejects if check == "rejects" else op.cases
    return checks.run(engine, op, where[case], check, dtype)


def failure(engine: Any, op: Op, check: str, dtype: str = "float64", case: int = 0) -> str:
    """The message of a check that must fail."""
    result = run(engine, op, check, dtype, case)
    assert result.status == "failed", f"{check} did not see the fault"
    return result.failure


RIGHT = [ADD, EXP, MAX, RESHAPE, SOFTMAX, SPLIT, BATCH_NORM]


@pytest.mark.parametrize("op", RIGHT, ids=lambda op: op.name)
@pytest.mark.parametrize("check", ["forward", "backward", "differences"])
def test_what_is_right_passes(with_op: WithOp, op: Op, check: str) -> None:
    for case in range(len(op.cases)):
        result = run(with_op(**{op.name: op.torch}), op, check, case=case)

        assert result.status == "passed", result.message
        assert result.message == ""


@pytest.mark.parametrize("check", ["forward", "backward"])
def test_a_result_says_how_close_it_was(torch_engine: Adapter, check: str) -> None:
    result = run(torch_engine, SOFTMAX, check, "float32")

    assert (result.engine, result.op, result.case) == ("torch", "softmax", "softmax[0]")
    assert result.error is not None
    assert result.torch_error is not None
    assert 0 < result.torch_error <= result.error < checks.BUDGET
    assert result.seconds > 0


def test_an_op_that_is_not_in_the_spec_is_judged() -> None:
    mish = Op("mish", torch.nn.functional.mish, Case(randn(2, 3)), Case(values([-90.0, 0.5])))

    @minigrad.op
    def right(x):  # type: ignore[no-untyped-def]
        t = np.tanh(np.log1p(np.exp(x)))
        return x * t, lambda dout: dout * (t + x * (1 - t * t) / (1 + np.exp(-x)))

    @minigrad.op
    def wrong(x):  # type: ignore[no-untyped-def]
        t = np.tanh(np.log1p(np.exp(x)))
        return x * t, lambda dout: dout * t

    engine = load("minigrad")
    results = checks.judge(with_ops(engine, mish=right), mish)
    assert {(r.case, r.check) for r in results} == {
        (f"mish[{i}]", check) for i in (0, 1) for check in ("forward", "backward", "differences")
    }
    assert {r.status for r in results} == {"passed"}, [r.message for r in results if r.message]
    failed = [r for r in checks.judge(with_ops(engine, mish=wrong), mish) if r.status == "failed"]
    assert {r.check for r in failed} == {"backward", "differences"}
    assert "finite differences say" in failed[-1].message
    assert "mish" not in engine.ops


def test_a_fault_is_planted_without_touching_the_engine() -> None:
    engine = load("minigrad")
    blind = with_ops(engine, softmax=lambda x, dim: engine.call("softmax", x, dim).detach())

    assert run(blind, SOFTMAX, "forward").status == "passed"
    assert run(blind, SOFTMAX, "backward").status == "failed"
    assert run(engine, SOFTMAX, "backward").status == "passed"


def test_a_failure_says_how_close_torch_was(with_op: WithOp) -> None:
    engine = with_op(softmax=lambda x, dim: torch.softmax(x, dim) * 1.5)
    failed = [run(engine, SOFTMAX, check, "float32") for check in ("forward", "backward")]

    assert [result.status for result in failed] == ["failed", "failed"]
    for result in failed:
        found = worst(failed, result.check)
        assert found is not None
        assert found["torch_error"] == result.torch_error
        assert 0 < (result.torch_error or 0.0) < checks.BUDGET < (result.error or 0.0)


def test_of_several_errors_the_worst_is_told_with_its_share_of_the_tolerance() -> None:
    near, far = Measured.of(3.0, 16.0), Measured.of(8.0, 0.5)

    assert (near.used, far.used) == (3 / 64, 8 / 32)
    assert near.worst(far) == far.worst(near) == Measured(8.0, 16.0, 8 / 32)
    assert near.worst(Measured()) == Measured().worst(near) == near
    assert Band(error=8.0, torch_error=4.0).measured() == Measured(8.0, 4.0, 8 / 128)


@pytest.mark.parametrize("want", [[0.0, 0.0], [0.0, 1.5], [math.inf, math.nan], []])
def test_what_is_exact_is_no_eps_off(want: list[float]) -> None:
    array = np.array(want)

    assert distance(array, array, EPS["float64"])[0] == 0.0


def test_a_failure_says_everything_once(with_op: WithOp) -> None:
    def off(x: torch.Tensor, dim: int) -> torch.Tensor:
        return torch.softmax(x, dim) + torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.5, 0.0]])

    message = failure(with_op(softmax=off), SOFTMAX, "forward", "float32")

    first, case, command = message.splitlines()
    assert re.fullmatch(
        r"other softmax\[0\] forward float32: output 0 \(contiguous\) is off by [\d.e+]+ eps, "
        r"32 allowed \(torch float32 itself: [\d.]+\); worst at \(1, 1\): "
        r"[\d.]+, should be [\d.]+",
        first,
    )
    assert case.strip() == "softmax[0]: (randn(2, 3), dim=1)"
    assert command.strip() == (
        'parity check --engine other --case "softmax[0]" --check forward --dtype float32'
    )


# Wrong values.

WRONG_VALUES = {
    r"at \(0, 0\) is nan, should be 0": lambda x: torch.exp(x) * math.nan,
    r"has shape \(3, 2\), should be \(2, 3\)": lambda x: torch.exp(x).T,
    "is float32, should be float64": lambda x: torch.exp(x).float(),
    "is off by .* eps, 32 allowed": lambda x: torch.exp(x) * (1 + 1e-13),
    "2 outputs .*, should be 1": lambda x: (torch.exp(x), x),
    "tensor 0 of the inputs was changed in place": lambda x: torch.exp(x.detach().mul_(2).div(2)),
    "raised ZeroDivisionError: why": None,
}


@pytest.mark.parametrize("words", WRONG_VALUES)
def test_a_wrong_value_is_seen(with_op: WithOp, words: str) -> None:
    def breaks(x: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError("why")

    message = failure(with_op(exp=WRONG_VALUES[words] or breaks), EXP, "forward")

    assert re.search(words, message), message


def test_an_exception_comes_with_its_traceback(with_op: WithOp) -> None:
    def breaks(x: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError("why")

    assert "in breaks" in run(with_op(exp=breaks), EXP, "forward").traceback
    assert run(with_op(exp=torch.neg), EXP, "forward").traceback == ""


def test_a_wrong_index_is_seen_in_the_second_output(with_op: WithOp) -> None:
    def next_one(x: torch.Tensor, dim: int) -> Any:
        found, indices = torch.max(x, dim)
        return found, (indices + 1) % 3

    assert re.search(r"output 1 .* should be \d", failure(with_op(max=next_one), MAX, "forward"))


def test_an_infinity_must_have_its_sign_and_its_place(with_op: WithOp) -> None:
    log = Op("log", torch.log, Case(values([0.0, 1.0, 2.0]), kink="an infinite slope"))

    def finite(x: torch.Tensor) -> torch.Tensor:
        return torch.log(x).clamp(min=-1e300)

    def positive(x: torch.Tensor) -> torch.Tensor:
        return torch.log(x).abs()

    assert "at (0,) is -1e+300, should be -inf" in failure(with_op(log=finite), log, "forward")
    assert "at (0,) is inf, should be -inf" in failure(with_op(log=positive), log, "forward")


def test_zeros_must_be_exact(with_op: WithOp) -> None:
    relu = Op("relu", torch.relu, Case(values([-1.0, -2.0]), flat="all of it is cut off"))

    def tiny(x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x) + 1e-300

    assert "off by inf eps" in failure(with_op(relu=tiny), relu, "forward")


def test_whole_numbers_of_an_engine_with_one_dtype_are_no_floats() -> None:
    def mul(x: Any, other: Any) -> Any:
        return [[float(left) * float(right) for right in other] for (left,) in x]

    op = Op("mul", torch.mul, Case(ints([[1], [2]]), ints([10, 20, 30])))

    assert run(load("micrograd"), op, "forward").status == "passed"
    assert "int64" in failure(with_ops(load("micrograd"), mul=mul), op, "forward")


def test_a_layout_that_is_ignored_is_seen(with_op: WithOp) -> None:
    def in_order(x: torch.Tensor) -> torch.Tensor:
        """Reads the memory of x from its start, as a kernel does."""
        return torch.exp(torch.as_strided(x, x.shape, (x.shape[1], 1)))

    assert "output 0 (Fortran order)" in failure(with_op(exp=in_order), EXP, "forward")


@pytest.mark.parametrize("check", ["forward", "backward"])
def test_every_layout_is_tried(with_op: WithOp, check: str) -> None:
    strides = set()

    def noted(x: torch.Tensor) -> torch.Tensor:
        strides.add(x.stride())
        return torch.exp(x)

    assert run(with_op(exp=noted), EXP, check).status == "passed"
    assert strides == {(3, 1), (1, 2), (6, 2)}  # contiguous, transposed, every other element


@pytest.mark.parametrize("check", ["forward", "backward"])
def test_every_layout_is_tried_beside_a_scalar(with_op: WithOp, check: str) -> None:
    scaled = Op("mul", torch.mul, Case(randn(2, 3), randn()), Case(randn(), randn(2, 3)))
    strides = set()

    def noted(x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        strides.add(x.stride() or other.stride())
        return x * other

    for case in (0, 1):
        strides.clear()
        result = run(with_op(mul=noted), scaled, check, case=case)
        assert result.status == "passed", result.message
        assert strides == {(3, 1), (1, 2), (6, 2)}


# Wrong gradients.


class Through(torch.autograd.Function):
    """The identity, but for what it does with a gradient."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor, bend: Any) -> torch.Tensor:
        context.bend = bend
        return x.clone()

    @staticmethod
    def backward(context: Any, *douts: torch.Tensor) -> Any:
        return context.bend(*douts), None


def bent(op: Op, bend: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., Any]:
    """op, with bend(gradient) in place of its first input's gradient."""

    def function(x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        return op.torch(Through.apply(x, bend), *args, **kwargs)

    return function


@pytest.mark.parametrize("op", [EXP, SOFTMAX, ADD, SPLIT, MAX], ids=lambda op: op.name)
@pytest.mark.parametrize("check", ["backward", "differences"])
@pytest.mark.parametrize("factor", [0.0, -1.0, 0.999, math.nan])
def test_a_wrong_gradient_is_seen(with_op: WithOp, op: Op, check: str, factor: float) -> None:
    engine = with_op(**{op.name: bent(op, lambda dout: dout * factor)})

    failure(engine, op, check)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_gradient_of_zeros_is_not_hidden_by_ones(with_op: WithOp, dtype: str) -> None:
    """What softmax gives back for a cotangent of ones is zero anyway."""
    engine = with_op(softmax=bent(SOFTMAX, torch.zeros_like))

    assert "(random cotangent) is off by" in failure(engine, SOFTMAX, "backward", dtype)


def test_a_cotangent_of_ones_is_tried_too(
    altered: Callable[..., Any], torch_engine: Adapter
) -> None:
    def backward(tensor: torch.Tensor, gradient: Any) -> None:
        torch_engine.backward(tensor, gradient * 2 if (gradient == 1).all() else gradient)

    message = failure(altered(backward=backward), EXP, "backward")

    assert "gradient of floating input 0 (cotangent of ones) is off by" in message


def test_a_value_that_is_wrong_only_where_a_gradient_is_needed_is_seen(with_op: WithOp) -> None:
    engine = with_op(exp=lambda x: torch.exp(x) + 0.5 * x.requires_grad)

    assert run(engine, EXP, "forward").status == "passed"
    assert "output 0 (random cotangent) is off by" in failure(engine, EXP, "backward")


def test_only_a_gradient_of_zeros_may_be_missing(with_op: WithOp) -> None:
    first = Op("first", lambda x, other: x + 0 * other, Case(randn(2), randn(2), flat="unused"))
    engine = with_op(first=lambda x, other: x.detach() + 0 * other)

    message = failure(engine, first, "backward")

    assert "gradient of floating input 0 (random cotangent) is None" in message


def test_a_missing_gradient_is_seen(with_op: WithOp) -> None:
    engine = with_op(add=lambda x, other: x.detach() + other)

    message = failure(engine, ADD, "backward")
    assert "gradient of floating input 0 (random cotangent) is None" in message


def test_a_gradient_that_nobody_asked_for_is_seen(with_op: WithOp) -> None:
    def generous(x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return x.requires_grad_() + other.requires_grad_()

    message = failure(with_op(add=generous), ADD, "backward")

    assert "only 0 needing one): there should be none" in message


def test_a_forgotten_broadcast_is_seen(altered: Callable[..., Any], torch_engine: Adapter) -> None:
    def grad(tensor: torch.Tensor) -> Any:
        found = torch_engine.grad(tensor)
        return found if found is None or found.ndim == 2 else np.broadcast_to(found, (2, 3))

    message = failure(altered(grad=grad), ADD, "backward")

    assert "gradient of floating input 1 (random cotangent) has shape (2, 3)" in message


def test_the_dtype_of_a_gradient_is_seen(
    altered: Callable[..., Any], torch_engine: Adapter
) -> None:
    def grad(tensor: torch.Tensor) -> Any:
        found = torch_engine.grad(tensor)
        return None if found is None else found.astype(np.float64)

    assert "is float64, should be float32" in failure(
        altered(grad=grad), EXP, "backward", "float32"
    )


def test_every_choice_of_inputs_needs_a_gradient_in_turn() -> None:
    three, four, five = (list(subsets(range(count))) for count in (3, 4, 5))

    assert three == [(0, 1, 2), (0, 1), (0, 2), (1, 2), (0,), (1,), (2,)]
    assert len(set(four)) == 15
    assert five == [(0, 1, 2, 3, 4), (0,), (1,), (2,), (3,), (4,)]


def test_gradients_that_do_not_accumulate_are_seen(altered: Callable[..., Any]) -> None:
    def assign(tensor: torch.Tensor, gradient: Any) -> None:
        leaves = [node.variable for node in leaf_nodes(tensor)]
        gradient = torch.from_numpy(gradient)
        for leaf, found in zip(leaves, torch.autograd.grad(tensor, leaves, gradient), strict=True):
            leaf.grad = found

    assert "accumulated over two calls" in failure(altered(backward=assign), EXP, "backward")


def leaf_nodes(tensor: torch.Tensor) -> set[Any]:
    found, waiting = set(), [tensor.grad_fn]
    while waiting:
        node = waiting.pop()
        if hasattr(node, "variable"):
            found.add(node)
        waiting += [parent for parent, _ in node.next_functions if parent is not None]
    return found


def test_one_tensor_given_twice_is_tried(with_op: WithOp) -> None:
    def confused(x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return x + other if x is not other else x + other.detach()

    message = failure(with_op(add=confused), ADD, "backward", case=1)

    assert "(the same tensor as inputs 0 and 1)" in message


def test_a_changed_cotangent_is_seen(altered: Callable[..., Any], torch_engine: Adapter) -> None:
    def backward(tensor: torch.Tensor, gradient: Any) -> None:
        torch_engine.backward(tensor, gradient)
        gradient *= 2

    message = failure(altered(backward=backward), EXP, "backward")

    assert "the gradient given to backward was changed in place" in message


# Inputs that need no gradient, and those that the call writes into.


def test_a_constant_has_no_gradient_to_be_asked_for(with_op: WithOp) -> None:
    asked = set()

    def noted(x: torch.Tensor, mean: torch.Tensor, var: torch.Tensor, **kwargs: Any) -> Any:
        asked.add((x.requires_grad, mean.requires_grad, var.requires_grad))
        assert x.dtype == mean.dtype == var.dtype
        return BATCH_NORM.torch(x, mean, var, **kwargs)

    engine = with_op(batch_norm=noted)
    for check, dtype in (("backward", "float32"), ("differences", "float64")):
        assert run(engine, BATCH_NORM, check, dtype).status == "passed"
    assert asked == {(True, False, False), (False, False, False)}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_torch_writes_into_its_inputs_must_be_written(with_op: WithOp, dtype: str) -> None:
    def biased(x: torch.Tensor, mean: torch.Tensor, var: torch.Tensor, **kwargs: Any) -> Any:
        before = var.clone()
        y = BATCH_NORM.torch(x, mean, var, **kwargs)
        if kwargs:
            var.data.copy_(0.9 * before + 0.1 * x.detach().var(0, correction=0))
        return y

    def keeps(x: torch.Tensor, mean: torch.Tensor, var: torch.Tensor, **kwargs: Any) -> Any:
        return BATCH_NORM.torch(x, mean.clone(), var, **kwargs)

    for wrong, place in ((biased, 2), (keeps, 1)):
        engine = with_op(batch_norm=wrong)
        for check in ("forward", "backward"):
            message = failure(engine, BATCH_NORM, check, dtype)
            assert f"tensor {place} of the inputs, after the call, is off by" in message
        assert run(engine, BATCH_NORM, "forward", dtype, case=1).status == "passed"


def test_what_torch_leaves_alone_must_be_left_alone_to_the_bit(with_op: WithOp) -> None:
    def nudges(x: torch.Tensor, mean: torch.Tensor, var: torch.Tensor, **kwargs: Any) -> Any:
        y = BATCH_NORM.torch(x, mean, var, **kwargs)
        x.detach().mul_(1 + 2**-52)
        return y

    for case in (0, 1):
        message = failure(with_op(batch_norm=nudges), BATCH_NORM, "forward", case=case)
        assert "tensor 0 of the inputs was changed in place" in message


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
def test_a_leaf_that_was_asked_for_is_one(
    with_op: WithOp, altered: Callable[..., Any], torch_engine: Adapter
) -> None:
    ones = Op("ones", lambda n: torch.ones(n, requires_grad=True), Case(3))
    right = with_op(ones=ones.torch)
    twice = altered(call=right.call, grad=lambda leaf: 2 * torch_engine.grad(leaf))

    assert run(right, ones, "forward").status == "passed"
    for wrong in (torch.ones, lambda n: ones.torch(n) * 1):
        assert run(with_op(ones=wrong), ones, "forward").status == "failed"
    assert "should be a leaf that keeps its gradient" in failure(twice, ones, "forward")


# What must be refused.


def test_a_refusal_must_come_be_of_the_right_kind_and_name_the_op(with_op: WithOp) -> None:
    def refuse(error: Exception) -> Any:
        def function(*args: Any, **kwargs: Any) -> Any:
            raise error

        return with_op(max=function, reshape=function)

    accepts = with_op(max=lambda x, dim: x)
    assert "should raise IndexError, was accepted" in failure(accepts, MAX, "rejects")
    message = failure(refuse(RuntimeError("bad")), MAX, "rejects")
    assert "should raise IndexError, raised RuntimeError: bad" in message
    for op, error in (
        (RESHAPE, ValueError("bad shape")),
        (RESHAPE, ValueError("cannot reshape")),
        (RESHAPE, ValueError("reshapes: bad shape")),
        (MAX, IndexError("tuple index out of range")),
    ):
        message = failure(refuse(error), op, "rejects")
        assert (
            f"the {type(error).__name__} does not begin with {op.name}: {str(error)!r}" in message
        )
    for op, error in (
        (MAX, IndexError("max: dim 1")),
        (RESHAPE, ValueError("reshape: (2,) to (3,)")),
    ):
        assert run(refuse(error), op, "rejects").status == "passed"


def test_a_crash_is_no_refusal(with_op: WithOp) -> None:
    reshape = Op("reshape", torch.reshape, rejects=[Reject(TypeError, randn(2), None)])

    def crashes(x: Any, shape: Any) -> Any:
        return x.reshape(len(shape))

    def names_itself(x: Any, shape: Any) -> Any:
        try:
            return crashes(x, shape)
        except TypeError as error:
            raise TypeError(f"reshape: {error}") from error

    def refuses(x: Any, shape: Any) -> Any:
        try:
            return crashes(x, shape)
        except TypeError:
            raise TypeError(f"reshape: a shape is a tuple of ints, not {shape}") from None

    message = failure(with_op(reshape=crashes), reshape, "rejects")
    assert "the TypeError does not begin with reshape" in message
    message = failure(with_op(reshape=names_itself), reshape, "rejects")
    assert "a crash is no refusal: TypeError: reshape: object of type 'NoneType'" in message
    assert run(with_op(reshape=refuses), reshape, "rejects").status == "passed"


def test_an_op_that_is_missing_is_a_failure(altered: Callable[..., Any]) -> None:
    def call(name: str, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"other has no op {name!r}")

    engine = altered(call=call, ops=())

    assert "NotImplementedError: other has no op 'exp'" in failure(engine, EXP, "forward")


# What is left out at random.


def test_dropout_passes(torch_engine: Adapter) -> None:
    for check, dtype in (
        ("stochastic", "float64"),
        ("stochastic", "float32"),
        ("differences", "float64"),
    ):
        result = run(torch_engine, DROPOUT, check, dtype)
        assert result.status == "passed", result.message


def fixed_mask(x: torch.Tensor, p: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return x * (torch.rand(x.shape, generator=generator) >= p) / (1 - p)


def other_mask(x: torch.Tensor, p: float) -> torch.Tensor:
    generator = torch.Generator()
    generator.seed()
    return x * (torch.rand(x.shape, generator=generator) >= p) / (1 - p)


def unmasked_gradient(x: torch.Tensor, p: float) -> torch.Tensor:
    return x + (torch.nn.functional.dropout(x, p) - x).detach()


def overwriting(x: torch.Tensor, p: float) -> torch.Tensor:
    y = torch.nn.functional.dropout(x, p)
    x.detach().mul_(2)
    return y


WRONG_DROPOUTS = {
    "should be 25.00%": lambda x, p: torch.nn.functional.dropout(x, 1 - p) * p / (1 - p),
    "output is off by": lambda x, p: torch.nn.functional.dropout(x, p) * (1 - p),
    "two calls in a row drew the same": fixed_mask,
    "manual_seed does not repeat": other_mask,
    "gradient of floating input 0 is off by": unmasked_gradient,
    "tensor 0 of the inputs was changed in place": overwriting,
}


@pytest.mark.parametrize("words", WRONG_DROPOUTS)
def test_a_wrong_dropout_is_seen(with_op: WithOp, words: str) -> None:
    assert words in failure(with_op(dropout=WRONG_DROPOUTS[words]), DROPOUT, "stochastic")


def test_normal_numbers_pass(with_op: WithOp) -> None:
    engine = with_op(randn=RANDN.torch)
    for dtype in engine.dtypes:
        result = run(engine, RANDN, "stochastic", dtype)
        assert result.status == "passed", result.message


WRONG_NORMALS = {
    "output has shape (70, 80), should be (80, 70)": lambda z: z.T,
    "output is float64, should be float32": lambda z: z.double(),
    "the mean of the numbers to the power 1 is": lambda z: z + 0.5,
    "the mean of the numbers to the power 2 is": lambda z: 2 * z,
    "the mean of the numbers to the power 3 is": lambda z: (z**2 - 1) / 2**0.5,
    "the mean of the numbers to the power 4 is": lambda z: (z / 2**0.5).erf() * 3**0.5,
    "power 1 is nan": lambda z: torch.where(z > 3, math.nan, z),
    "numbers are different": lambda z: (8 * z).round() / 8,
    "two calls in a row drew the same": torch.zeros_like,
}


@pytest.mark.parametrize("words", WRONG_NORMALS)
def test_wrong_normal_numbers_are_seen(with_op: WithOp, words: str) -> None:
    def wrong(size: tuple[int, ...]) -> torch.Tensor:
        return WRONG_NORMALS[words](torch.randn(size))

    assert words in failure(with_op(randn=wrong), RANDN, "stochastic")


def test_random_numbers_that_should_be_a_leaf_are_one(with_op: WithOp) -> None:
    leaf = Op(
        "randn",
        lambda size: torch.randn(size, requires_grad=True),
        Case((80, 70), chance="normal"),
    )

    assert run(with_op(randn=leaf.torch), leaf, "stochastic").status == "passed"
    assert run(with_op(randn=RANDN.torch), leaf, "stochastic").status == "failed"


# Cases that could not tell right from wrong.

INVALID = {
    "forward: invalid case: torch gives no answer: maximum() missing 1 required": Op(
        "maximum", torch.maximum, Case(randn(5))
    ),
    "forward: invalid case: torch gives no answer: a number is beyond float32": Op(
        "exp", torch.exp, Case(values([1.0, 1e39]))
    ),
    "backward: invalid case: the gradient of floating input 0 is all zero: say why with flat=": Op(
        "relu", torch.relu, Case(values([-1.0, -2.0]))
    ),
    "backward: invalid case: flat='so it seems', but no gradient is all zero": Op(
        "relu", torch.relu, Case(values([1.0, 2.0]), flat="so it seems")
    ),
    "backward: invalid case: the gradient of floating input 0 is rounding noise": Op(
        "sum", lambda x: (torch.softmax(x, 0)).sum(), Case(randn(5))
    ),
    "forward: invalid case: output 0 is rounding noise": Op(
        "sub", lambda x: (x + 1e9) - 1e9 - x, Case(randn(5))
    ),
    "differences: invalid case: torch's gradient disagrees with its finite differences too": Op(
        "relu", torch.relu, Case(values([0.0, 2.0]))
    ),
    "differences: invalid case: finite differences see no slope": Op(
        "add", lambda x: 1e12 + x, Case(randn(5))
    ),
    "stochastic: invalid case: chance needs 1000 elements": Op(
        "dropout", torch.nn.functional.dropout, Case(randn(5), p=0.5, chance="p")
    ),
    "stochastic: invalid case: normal numbers need 5000 elements": Op(
        "randn", RANDN.torch, Case((8, 7), chance="normal")
    ),
}


@pytest.mark.parametrize("words", INVALID)
def test_an_invalid_case_is_an_error_of_the_spec(with_op: WithOp, words: str) -> None:
    op = INVALID[words]
    check = words.partition(":")[0]

    message = failure(with_op(**{op.name: op.torch}), op, check)

    assert words.replace(": ", " float64: ", 1) in message


def test_a_case_that_torch_refuses_is_told_once_per_dtype(torch_engine: Adapter) -> None:
    results = checks.judge(torch_engine, Op("maximum", torch.maximum, Case(randn(5))))

    assert [(result.check, result.dtype) for result in results] == [
        ("forward", "float64"),
        ("forward", "float32"),
    ]


KINKS = [(op, case) for op in OPS for case in op.cases if case.kink]


@pytest.mark.parametrize(("op", "case"), KINKS, ids=[case.id for _, case in KINKS])
def test_a_kink_is_one(op: Op, case: Case) -> None:
    assert meaningless(op, case), "finite differences do hold here: leave kink out"


def test_what_is_random_says_so(torch_engine: Adapter) -> None:
    for op in (BY_NAME["dropout"], BY_NAME["scaled_dot_product_attention"]):
        for case in op.cases:
            if not case.chance:
                result = checks.run(torch_engine, op, case, "forward", "float64")
                assert result.status == "passed", result.message


# Which checks there are.


def test_items_are_in_the_order_of_the_spec_and_unique(torch_engine: Adapter) -> None:
    items = list(checks.cases(torch_engine))
    ids = [item.id for item in items]

    assert ids == [item.id for item in checks.cases(torch_engine)]
    assert len(set(ids)) == len(ids)
    assert list(dict.fromkeys(item.op.name for item in items)) == [
        entry.name for entry in (*OPS, *BUILT.values())
    ]
    assert {item.case.id for item in items} == {
        *(case.id for op in OPS for case in (*op.cases, *op.rejects)),
        *(case.id for part in BUILT.values() for case in part.cases),
    }


def test_items_of_some_ops_alone(torch_engine: Adapter) -> None:
    items = list(checks.cases(torch_engine, {"argmax", "neg"}))

    assert {item.op.name for item in items} == {"neg", "argmax"}
    # What has no gradient has nothing to carry back; a step is lost in float32.
    assert {item.check for item in items if item.op.name == "argmax"} == {"forward", "rejects"}
    assert {item.dtype for item in items if item.check == "differences"} == {"float64"}


def test_whatever_depends_on_the_dtype_is_checked_in_both(torch_engine: Adapter) -> None:
    dtypes: dict[str, set[str]] = {check: set() for check in checks.CHECKS}
    for item in checks.cases(torch_engine):
        dtypes[item.check].add(item.dtype)
    once = {check for check, found in dtypes.items() if found == {"float64"}}

    assert once == {"differences", "rejects", "form", "initial", "rates"}
    assert all(dtypes[check] == {"float64", "float32"} for check in dtypes.keys() - once)


def test_a_dtype_that_an_engine_does_not_have_is_no_item(altered: Callable[..., Any]) -> None:
    items = checks.cases(altered(dtypes=("float32",)), {"exp"})

    assert {(item.check, item.dtype) for item in items} == {
        ("forward", "float32"),
        ("backward", "float32"),
    }


IDS = [case.id for op in OPS for case in (*op.cases, *op.rejects)] + [run.name for run in RUNS]
IDS += [case.id for part in BUILT.values() for case in part.cases]
IDS.append("determinism")


@pytest.mark.parametrize("skip", SKIPS, ids=lambda skip: f"{skip.engine} {skip.what}")
def test_every_skip_skips_something(skip: Any) -> None:
    assert any(skip.matches(skip.engine, id) for id in IDS)
    assert skip.reason


def test_what_one_executor_cannot_do_is_not_skipped_on_another() -> None:
    (skip,) = (skip for skip in SKIPS if skip.executor)

    assert reason(skip.engine, str(skip.what), f"{skip.executor}: no GPU") == skip.reason
    assert reason(skip.engine, str(skip.what), "gpu: of any kind") == ""


@pytest.mark.parametrize("name", [*OURS, "torch"])
def test_only_what_is_listed_is_skipped(name: str) -> None:
    for item in checks.cases(load(name)):
        assert item.skipped == reason(name, item.case.id)


@pytest.mark.parametrize("name", OURS)
def test_nothing_is_skipped_that_would_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = load(name)
    skipped = [item for item in checks.cases(engine) if item.skipped]
    monkeypatch.setattr("parity.checks.items.reason", lambda engine, id: "")

    for item in skipped:
        result = checks.run(engine, item.op, item.case, item.check, item.dtype)
        assert result.status == "failed", f"{item.id} passes: leave it out of SKIPS"
