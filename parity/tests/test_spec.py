"""The spec is sound by torch alone: every case says something, every refusal is torch's as well."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch

import minigrad
from parity.spec import BY_NAME, OPS, Case, Op, Reject, creation
from parity.spec.case import Constant
from parity.spec.reasons import SQUARE

pytestmark = [  # torch warns where the case already says why
    pytest.mark.filterwarnings(r"ignore:(var|std|var_mean)\(\):UserWarning"),
    pytest.mark.filterwarnings("ignore:Using a target size:UserWarning"),
    pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning"),
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning"),
]

CASES = [pytest.param(op, case, id=case.id) for op in OPS for case in op.cases]
REJECTS = [pytest.param(op, reject, id=reject.id) for op in OPS for reject in op.rejects]


def on_tensors(value: Any, leaves: list[torch.Tensor]) -> Any:
    """value with its arrays as tensors; the floating ones are collected and require a gradient."""
    if isinstance(value, np.ndarray):
        tensor = torch.tensor(value)
        if tensor.is_floating_point() and not isinstance(value, Constant):
            leaves.append(tensor.requires_grad_())
        return tensor
    if isinstance(value, list | tuple):
        return type(value)(on_tensors(item, leaves) for item in value)
    return value


def call(op: Op, case: Case | Reject) -> tuple[Any, list[torch.Tensor]]:
    leaves: list[torch.Tensor] = []
    args, kwargs = case.inputs()
    args = on_tensors(args, leaves)
    kwargs = {name: on_tensors(value, leaves) for name, value in kwargs.items()}
    return op.torch(*args, **kwargs), leaves


def arrays(value: Any) -> list[np.ndarray]:
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, list | tuple):
        return [array for item in value for array in arrays(item)]
    return []


def floats(case: Case) -> list[np.ndarray]:
    args, kwargs = case.inputs()
    drawn = arrays([*args, *kwargs.values()])
    return [array for array in drawn if array.dtype.kind == "f"]


def test_ids_are_unique() -> None:
    ids = [case.id for op in OPS for case in (*op.cases, *op.rejects)]

    assert len(set(ids)) == len(ids)


def test_inputs_are_the_same_each_time_and_differ_between_cases() -> None:
    first, again, other = (BY_NAME[name].cases[0] for name in ("add", "add", "sub"))

    np.testing.assert_array_equal(first.inputs()[0][0], again.inputs()[0][0])
    assert not np.array_equal(first.inputs()[0][0], other.inputs()[0][0])


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_every_argument_is_given_and_every_default_left_alone(op: Op) -> None:
    signature = inspect.signature(getattr(minigrad.ops, op.name))
    given = [{*signature.bind_partial(*case.args).arguments, *case.kwargs} for case in op.cases]

    for name, parameter in signature.parameters.items():
        assert any(name in names for names in given), f"no case of {op.name} gives {name}"
        if parameter.default is not parameter.empty:
            assert any(name not in names for names in given), f"{op.name}: {name} is always given"


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_there_are_cases_and_refusals(op: Op) -> None:
    assert len(op.cases) >= 4
    assert op.rejects


@pytest.mark.parametrize(("op", "case"), CASES)
def test_torch_gives_every_input_a_gradient_that_tells_something(op: Op, case: Case) -> None:
    out, leaves = call(op, case)
    everything = out if isinstance(out, tuple) else (out,)
    outputs = [o for o in everything if o.grad_fn or any(o is leaf for leaf in leaves)]
    rng = np.random.default_rng(0)
    for i, output in enumerate(outputs):
        cotangent = torch.tensor(rng.standard_normal(tuple(output.shape)))
        output.backward(cotangent, retain_graph=i + 1 < len(outputs))

    assert all(output.dtype == torch.float64 for output in outputs)
    expected = bool(leaves) and any(o.is_floating_point() for o in everything)
    assert bool(outputs) == (expected and op not in creation.OPS)
    if outputs:
        vacuous = any(leaf.grad is None or not leaf.grad.any() for leaf in leaves)
        assert vacuous == bool(case.flat), "a gradient is zero if and only if flat says why"
    results = [*outputs, *(leaf.grad for leaf in leaves if leaf.grad is not None)]
    if not all(torch.isfinite(result).all() for result in results):
        assert case.why or op.name == "masked_fill", "what is not finite needs a reason"
        assert case.kink or not any(result.numel() for result in results[len(outputs) :])


@pytest.mark.parametrize(("op", "case"), CASES)
def test_inputs_can_tell_axes_and_weights_apart(op: Op, case: Case) -> None:
    for array in floats(case):
        lengths = [n for n in array.shape if n != 1]
        if not case.chance and case.why != SQUARE:
            assert len(set(lengths)) == len(lengths), "two axes of one length could be confused"
        np.testing.assert_array_equal(array, array.astype(np.float32))
        if not case.why and array.size > 1:
            assert (array != array.flat[0]).any(), "equal numbers cannot be told apart"


@pytest.mark.parametrize(("op", "reject"), REJECTS)
def test_torch_refuses_as_well(op: Op, reject: Reject) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - torch's own classes differ from ours
        call(op, reject)
