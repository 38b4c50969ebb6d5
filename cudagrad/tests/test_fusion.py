"""A fused function is what its ops are by themselves, in one launch each way, or is refused."""

from __future__ import annotations

import contextlib
import doctest
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import pytest
from op_calls import CALLS

import cudagrad
from cudagrad import arrays, bfloat16, device, emulator, engine, fuse, fusion, graph, launches, ops
from parity.spec import activation, comparison, elementwise

Function = Callable[..., Any]
RNG = np.random.default_rng(0)
FUSED = {op.name for family in (elementwise, comparison, activation) for op in family.OPS}
FUSED -= {"softmax", "log_softmax"}
FUSED |= {"zeros", "ones", "full", "zeros_like", "ones_like", "full_like", "contiguous", "clone"}
MASKED = ("where", "masked_fill")  # whose masks, in CALLS, are NumPy's

needs_emulator = pytest.mark.skipif(device.EXECUTOR != "emulator", reason="bits are the emulator's")


@pytest.fixture(autouse=True)
def _nothing_is_left_over() -> Any:
    yield
    assert arrays.tracing.tracer.get() is None
    assert launches.recorder.get() is None


def leaf(*shape: int, dtype: Any = np.float32) -> cudagrad.Tensor:
    return cudagrad.tensor(RNG.standard_normal(shape).astype(dtype), requires_grad=True)


def results(function: Function, *operands: Any, **options: Any) -> list[np.ndarray[Any, Any]]:
    """What a function returns, and the gradients of its operands."""
    tensors = [x for x in operands if isinstance(x, cudagrad.Tensor)]
    for x in tensors:
        x.grad = None
    out = function(*operands, **options)
    if out.requires_grad:
        dout = np.random.default_rng(1).standard_normal(out.shape)
        out.backward(dout.astype(out.dtype))
    return [out.detach().numpy(), *(x.grad.numpy() for x in tensors if x.grad is not None)]


def launched(function: Function, *operands: Any) -> int:
    with device.counting() as counts:
        function(*operands)
    return counts.launches


def assert_same_bits(function: Any, *operands: Any, **options: Any) -> None:
    got = results(function, *operands, **options)
    expected = results(function.function, *operands, **options)

    assert [x.dtype for x in got] == [x.dtype for x in expected]
    assert [x.tobytes() for x in got] == [x.tobytes() for x in expected]


@fuse
def highway(gate: Any, x: Any, y: Any) -> Any:
    share = ops.sigmoid(gate)
    return share * x + (1 - share) * y


# As the ops by themselves


@needs_emulator
@pytest.mark.parametrize("name", [name for name in CALLS if name in FUSED])
def test_an_op_is_fused_to_the_same_bits(name: str) -> None:
    function, *shapes = CALLS[name]
    operands = [leaf(*shape) for shape in shapes]
    if name in MASKED:
        with pytest.raises(TypeError, match=rf": {name} \(.*make that an argument"):
            fuse(function)(*operands)
        return
    got, expected = results(fuse(function), *operands), results(function, *operands)

    assert got[0].tobytes() == expected[0].tobytes()
    assert len(got) == len(expected)
    for one, other, x in zip(got[1:], expected[1:], operands, strict=False):
        # A sum over what was broadcast comes last here, and earlier there.
        tolerance = 0 if x.shape == got[0].shape else 1e-5
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", [name for name in CALLS if name not in FUSED])
def test_any_other_op_is_refused(name: str) -> None:
    function, *shapes = CALLS[name]
    with pytest.raises(TypeError, match=r"not work element by element|brings new data"):
        fuse(function)(*(leaf(*shape) for shape in shapes))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(8, 4), (3, 5), (), (0, 3)])
def test_one_launch_forward_and_one_backward(dtype: type, shape: tuple[int, ...]) -> None:
    operands = [leaf(*shape, dtype=dtype) for _ in range(3)]
    some = math.prod(shape) > 0

    assert launched(highway, *operands) == some
    out = highway(*operands)
    assert out.op == "highway"
    dout = ops.ones_like(out)
    assert launched(out.backward, dout) == some
    highway.function(*operands)  # which fills in its 1, if nobody has yet
    assert launched(highway.function, *operands) == 5 * some
    assert_same_bits(highway, *operands)


@needs_emulator
@pytest.mark.parametrize(
    "shapes",
    [
        [(4, 6), (6,), ()],
        [(4, 8), (4, 1), (8,)],
        [(4, 8), (4, 1), (1, 8)],
        [(2, 3, 4), (3, 1), (2, 1, 4)],
        [(5, 1), (1, 3), (1,)],
        [(8,), (1, 1), (3, 8)],
    ],
)
def test_operands_broadcast(shapes: list[tuple[int, ...]]) -> None:
    operands = [leaf(*shape) for shape in shapes]
    got, expected = results(highway, *operands), results(highway.function, *operands)

    assert got[0].tobytes() == expected[0].tobytes()
    for one, other, x in zip(got[1:], expected[1:], operands, strict=True):
        assert one.shape == x.shape
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_it_is_torch() -> None:
    torch = pytest.importorskip("torch")

    @fuse
    def function(x: Any, scale: Any, mask: Any) -> Any:
        y = ops.gelu(x * scale) - ops.exp(-x * x) / 3
        return ops.where(mask, y, ops.tanh(x) ** 2).masked_fill(x > 1.5, -1.0)

    def reference(x: Any, scale: Any, mask: Any) -> Any:
        y = torch.nn.functional.gelu(x * scale) - torch.exp(-x * x) / 3
        return torch.where(mask, y, torch.tanh(x) ** 2).masked_fill(x > 1.5, -1.0)

    x, scale = leaf(7, 8), leaf(8)
    mask, dout = RNG.random((7, 1)) < 0.5, RNG.standard_normal((7, 8)).astype(np.float32)
    out = function(x, scale, mask)
    out.backward(dout)
    theirs = [torch.tensor(t.detach().numpy(), requires_grad=True) for t in (x, scale)]
    expected = reference(*theirs, torch.tensor(mask))
    expected.backward(torch.tensor(dout))

    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), 1e-5, 1e-6)
    for own, other in zip((x, scale), theirs, strict=True):
        assert own.grad is not None
        np.testing.assert_allclose(own.grad.numpy(), other.grad.numpy(), 1e-5, 1e-5)


UNARY: list[Function] = [
    *(ops.tanh, ops.sigmoid, ops.silu, ops.relu, ops.sin, ops.square, ops.neg, ops.abs),
    *(ops.gelu, ops.round, lambda x: ops.clamp(x, -0.5, 0.75), lambda x: x * 0.5 + 1),
    *(lambda x: 2 - x, lambda x: x / 3, lambda x: x.detach() * x, ops.softplus),
]
BINARY: list[Function] = [
    *(ops.add, ops.sub, ops.mul, ops.maximum, lambda x, y: x / (y * y + 1)),
    *(lambda x, y: ops.where(x > y, x, y * 2), lambda x, y: ops.masked_fill(x, y <= 0, 0.25)),
    lambda x, y: ops.add(x, y, alpha=2) * (x >= 0),
]


@needs_emulator
@pytest.mark.parametrize("seed", range(12))
def test_random_chains(seed: int) -> None:
    """Of operands of one size, or that broadcast, of which some have no gradient."""
    rng = np.random.default_rng(seed)
    shape = (3, 4 + seed % 2)
    shapes = [shape, *([(1, shape[1]), (3, 1)] if seed % 3 == 0 else [shape, shape])]
    dtypes = [np.float32, np.float64] if seed % 4 == 0 else [np.float32]
    operands = [
        cudagrad.tensor(
            rng.standard_normal(each).astype(rng.choice(dtypes)),
            requires_grad=bool(rng.random() < 0.8),
        )
        for each in shapes
    ]
    plan = [(rng.integers(len(UNARY + BINARY)), rng.random(2)) for _ in range(9)]

    def chain(*given: Any) -> Any:
        values = [*given, given[0] + given[1] * given[2]]
        for which, picks in plan:
            x, y = (values[-1 - int(pick * min(len(values), 4))] for pick in picks)
            chosen = [*UNARY, *BINARY][which]
            values.append(chosen(x, y) if which >= len(UNARY) else chosen(values[-1]))
        return values[-1] + values[3]

    got, expected = results(fuse(chain), *operands), results(chain, *operands)

    assert got[0].tobytes() == expected[0].tobytes()
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        assert one.dtype == other.dtype
        if seed % 3 and len(dtypes) == 1:
            assert one.tobytes() == other.tobytes()
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-5)


@needs_emulator
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64", "bool"])
def test_integers_wrap_around_as_they_are_stored(dtype: str) -> None:
    x = cudagrad.tensor(np.array([100, 3, 0, 101, 7], dtype))
    y = cudagrad.tensor(np.array([100, 1, 0, 2, 9], dtype))

    @fuse
    def function(x: Any, y: Any) -> Any:
        return (x + y) * x / 2

    @fuse
    def question(x: Any, y: Any) -> Any:
        return ops.logical_or(x > y, ops.logical_not(x + y))

    assert_same_bits(function, x, y)
    assert_same_bits(question, x, y)
    assert_same_bits(fuse(lambda x, y: ops.exp(x) + y), x, y)


def test_an_operand_may_be_converted_to_several_dtypes() -> None:
    x, large = cudagrad.tensor(np.array([3], np.int8)), cudagrad.tensor(np.array([2**24]))

    assert fuse(lambda x, y: x * 0.5 + (x + y - y))(x, large).tolist() == [4.5]
    assert fuse(lambda x, y: (x * 0.5) * (x + y))(x, large).dtype == np.float32


def test_four_neighbours_of_bfloat16_are_read_and_written_at_once() -> None:
    x, y = (cudagrad.tensor(RNG.standard_normal((3, 4)), cudagrad.bfloat16) for _ in range(2))
    function = fuse(lambda x, y: x + y)
    text = function.source(x, y)

    assert "intrinsics.load4(x, " in text
    assert "intrinsics.load4(y, " in text
    assert "intrinsics.store4(" in text
    assert function(x, y).tolist() == (x + y).tolist()


@needs_emulator
def test_four_neighbours_of_every_size() -> None:
    """By one load where they fill 64 bits or more, else by four, or by one for all of them."""
    x, row, column, one = leaf(8, 4), leaf(4), leaf(8, 1), leaf()
    mask = cudagrad.tensor(RNG.random((8, 4)) < 0.5)
    small = cudagrad.tensor(RNG.integers(0, 9, (8, 4), np.int8))

    @fuse
    def function(x: Any, row: Any, column: Any, one: Any, mask: Any, small: Any) -> Any:
        return ops.where(mask, x * row, column * one) + small

    @fuse
    def question(x: Any, row: Any, column: Any, one: Any, mask: Any, small: Any) -> Any:
        return ops.logical_and(x * row > column, mask)

    operands = x, row, column, one, mask, small
    assert "intrinsics.load4(x, " in function.source(*operands)
    assert "mask_0, mask_1, mask_2, mask_3 = mask[j + 0]" in function.source(*operands)
    assert "column_0 = column[" in function.source(*operands)
    assert "load4" not in function.source(leaf(5, 3), leaf(3), leaf(5, 1), one, mask[:5, :3], one)
    for each in (function, question):
        got, expected = results(each, *operands), results(each.function, *operands)
        assert got[0].tobytes() == expected[0].tobytes()
        for gradient, other in zip(got, expected, strict=True):
            np.testing.assert_allclose(gradient, other, rtol=1e-5, atol=1e-6)


@needs_emulator
def test_no_order_of_threads_changes_a_bit() -> None:
    operands = [leaf(9, 12) for _ in range(3)]
    expected = [x.tobytes() for x in results(highway, *operands)]
    for order in ("reversed", "random:1"):
        with emulator.order(order):
            assert [x.tobytes() for x in results(highway, *operands)] == expected


# What the engine promises of an op


def test_only_gradients_that_are_wanted_are_computed() -> None:
    gate, x, y = leaf(5), cudagrad.tensor([1.0] * 5), leaf(5)
    highway(gate, x, y).sum().backward()

    assert x.grad is None
    assert gate.grad is not None
    assert "dout_inner, c0, dgate, dy)" in highway.source(gate, x, y)
    assert "backward" not in highway.source(x, x, x)


def test_nothing_is_recorded_without_gradients() -> None:
    x = leaf(5)
    with cudagrad.no_grad():
        assert not highway(x, x, x).requires_grad
    assert highway(x, x, x).requires_grad
    assert not highway(x.detach(), x.detach(), x.detach()).requires_grad


def test_a_tensor_may_be_several_operands() -> None:
    x = leaf(6)
    assert_same_bits(highway, x, x, x)


def test_a_gradient_that_is_the_results_own_is_not_computed() -> None:
    @fuse
    def plus(x: Any, y: Any) -> Any:
        return x + y

    x, y = leaf(5), leaf(5)
    assert "backward" not in plus.source(x, y)
    assert_same_bits(plus, x, y)


def test_a_graph_may_be_kept() -> None:
    x = leaf(5)
    out = highway(x, x, x)
    out.backward(np.ones(5, np.float32), retain_graph=True)
    once = x.grad.numpy()
    out.backward(np.ones(5, np.float32))

    assert x.grad.numpy().tolist() == (once + once).tolist()
    with pytest.raises(RuntimeError, match="through highway, whose graph has been freed"):
        out.backward(np.ones(5, np.float32))


@pytest.mark.usefixtures("collector_off")
def test_only_operands_are_remembered() -> None:
    """And of those only what backward reads; no reference cycle keeps them."""

    @fuse
    def partly(x: Any, y: Any) -> Any:
        return ops.exp(x) + ops.tanh(y)

    x, y = leaf(128), leaf(128).detach()
    partly(x + x, y + y)
    before = cudagrad.memory_allocated()
    out = partly(x + x, y + y)
    assert cudagrad.memory_allocated() == before + 2 * x.data.size * 4
    del out
    assert cudagrad.memory_allocated() == before


def test_a_step_with_it_becomes_a_graph() -> None:
    operands = [leaf(6) for _ in range(3)]

    def step() -> Any:
        for x in operands:
            x.grad = None
        out = highway(*operands).sum()
        out.backward()
        return out

    expected = [step().item(), *(x.grad.tolist() for x in operands)]
    replayed = graph.graphed(step)
    for _ in range(3):
        out = replayed()
    assert [out.item(), *(x.grad.tolist() for x in operands)] == expected


def test_it_can_be_computed_again_in_backward() -> None:
    x = leaf(6)
    expected = results(highway, x, x, x)
    got = results(lambda x: cudagrad.checkpoint(highway, x, x, x), x)

    assert got[1].tobytes() == expected[1].tobytes()


# Calls


def test_kernels_are_made_once_for_all_shapes_and_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    traced = mock.Mock(side_effect=fusion.traced)
    monkeypatch.setattr(fusion, "traced", traced)

    @fuse
    def scaled(x: Any, factor: float = 2.0) -> Any:
        return ops.tanh(x) * factor / x.shape[-1]

    for n in (5, 6, 7):
        x = leaf(n)
        for factor in (3.0, 4, -0.0, 0.0):
            out, expected = scaled(x, factor), scaled.function(x, factor)
            assert out.detach().numpy().tobytes() == expected.detach().numpy().tobytes()
    assert traced.call_count == 3 * 4
    scaled(leaf(7), 3.0)
    assert traced.call_count == 3 * 4
    assert len({id(plan.forward.kernel) for plan in scaled._plans.values()}) == 1


def test_plans_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusion, "PLANS", 2)
    scaled = fuse(lambda x, factor: x * factor)
    x = cudagrad.tensor([1.0])

    assert [scaled(x, factor).item() for factor in (1.0, 2.0, 3.0, 1.0)] == [1.0, 2.0, 3.0, 1.0]
    assert len(scaled._plans) == 2


FACTOR = 2.0
WEIGHT = cudagrad.tensor([3.0, 4.0], requires_grad=True)


def by_factor(x: Any) -> Any:
    return x * FACTOR


@fuse
def from_around(x: Any) -> Any:
    return by_factor(x) + FACTOR


def test_a_number_that_the_function_reads_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    x, local = cudagrad.tensor([1.0, 2.0]), 1.0
    inner = fuse(lambda x: x + local)

    assert (from_around(x).tolist(), inner(x).tolist()) == ([4.0, 6.0], [2.0, 3.0])
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    local = 5.0
    assert (from_around(x).tolist(), inner(x).tolist()) == ([6.0, 9.0], [6.0, 7.0])
    monkeypatch.setitem(globals(), "by_factor", lambda x: x)
    assert from_around(x).tolist() == [4.0, 5.0]


def test_a_default_may_change() -> None:
    def scaled(x: Any, factors: list[float] = [2.0], *, shift: float = 0.0) -> Any:  # noqa: B006
        return x * factors[0] + shift

    function, x = fuse(scaled), cudagrad.tensor([1.0])
    assert function(x).tolist() == [2.0]
    scaled.__defaults__[0][0] = 3.0
    assert function(x).tolist() == [3.0]
    scaled.__defaults__, scaled.__kwdefaults__ = ((4.0,),), {"shift": 1.0}
    assert function(x).tolist() == [5.0]
    scaled.__kwdefaults__ = {"shift": 2.0}
    assert function(x).tolist() == [6.0]


def test_a_method_reads_its_object_in_every_call() -> None:
    class Scale:
        def __init__(self) -> None:
            self.factor = 2.0
            self.weight = leaf(3)

        @fuse
        def forward(self, x: Any, *, shift: float = 0.0) -> Any:
            return ops.tanh(x * self.weight) * self.factor + shift

    scale, x = Scale(), leaf(2, 3)
    for scale.factor in (2.0, 3.0):
        got = results(lambda x: scale.forward(x, shift=1.5), x)
        weighted, scale.weight.grad = scale.weight.grad.numpy(), None
        expected = results(lambda x: Scale.forward.function(scale, x, shift=1.5), x)
        assert [a.tobytes() for a in got] == [a.tobytes() for a in expected]
        np.testing.assert_allclose(weighted, scale.weight.grad.numpy(), rtol=1e-5)
        scale.weight.grad = None
    scale.weight = leaf(3)
    assert launched(scale.forward, x) == 1
    assert scale.forward(x).tolist() == Scale.forward.function(scale, x).tolist()


def test_tensors_from_elsewhere_have_gradients_too(monkeypatch: pytest.MonkeyPatch) -> None:
    function = fuse(lambda x, others: x * WEIGHT * others[0])
    x, others = leaf(2), [leaf(2)]
    for weight in (WEIGHT, cudagrad.tensor([5.0, 6.0], requires_grad=True)):
        monkeypatch.setitem(globals(), "WEIGHT", weight)
        others[0].grad = None
        out = function(x, others)
        out.sum().backward()
        assert out.tolist() == (x * weight * others[0]).tolist()
        assert weight.grad.tolist() == (x * others[0]).tolist()
        assert others[0].grad.tolist() == (x * weight).tolist()


def test_a_tensor_of_a_module_is_looked_up_in_every_call() -> None:
    module = ModuleType("weights")
    function = fuse(lambda x: x * module.weight)
    for number in (2.0, 3.0):
        module.weight = cudagrad.tensor([number])  # type: ignore[attr-defined]
        assert function(cudagrad.tensor([1.0])).tolist() == [number]


def test_one_may_call_another() -> None:
    def outer(part: Function, x: Any, y: Any) -> Any:
        return part(x, ops.exp(y), y=part(x, y, x))

    x, y = leaf(5), leaf(5)
    function = fuse(lambda x, y: outer(highway, x, y))
    assert launched(function, x, y) == 1
    got = results(function, x, y)
    expected = results(lambda x, y: outer(highway.function, x, y), x, y)
    assert [a.tobytes() for a in got] == [a.tobytes() for a in expected]


def test_any_names_will_do() -> None:
    @fuse
    def element(i: Any, n: Any, out: Any, x1: Any, *at: Any, jit: Any, dout: Any) -> Any:
        return i * n + out * x1 + at[0] * at[1] + jit * dout

    operands = [leaf(4) for _ in range(8)]
    more = {"jit": operands[6], "dout": operands[7]}
    assert_same_bits(element, *operands[:6], **more)
    assert_same_bits(fuse(lambda silu: ops.silu(silu)), leaf(3))


def test_many_operands_and_a_long_chain() -> None:
    @fuse
    def total(*xs: Any) -> Any:
        out = xs[0]
        for x in xs[1:]:
            out = ops.tanh(out + x)
        return out

    operands = [leaf(4) for _ in range(20)]
    assert launched(total, *operands) == 1
    assert_same_bits(total, *operands)


def test_it_changes_what_it_has_made_in_place_and_nothing_else() -> None:
    """It is noted, and not run: what it gave to a tensor from outside would be no numbers."""
    total, weight = cudagrad.tensor([1.0]), leaf(1)

    @fuse
    def local(x: Any) -> Any:
        y = x * 2
        y += 1
        return y

    def count(x: Any) -> Any:
        nonlocal total
        total += x
        return x * total

    def update(x: Any) -> Any:
        with cudagrad.no_grad():
            w = weight
            w *= 2
        return x * w

    def shift(x: Any) -> Any:
        x += 1
        return x * 2

    assert local(cudagrad.tensor([3.0])).tolist() == [7.0]
    kept = weight.tolist()
    for function in (count, update, shift):
        with pytest.raises(TypeError, match=r"^\w+ in place: a fused function changes no tensor"):
            fuse(function)(cudagrad.tensor([3.0]))
    assert (total.tolist(), weight.tolist()) == ([1.0], kept)


def test_it_is_its_function_to_whoever_asks() -> None:
    assert highway.__name__ == "highway"
    assert highway.__doc__ == highway.function.__doc__
    with pytest.raises(TypeError, match="expected a function, not int"):
        fuse(3)  # type: ignore[arg-type]


def test_the_example_runs() -> None:
    assert doctest.testmod(fusion).attempted > 0
    assert doctest.testmod(fusion).failed == 0


def test_the_constant_of_no_operand() -> None:
    x = leaf(2, 3)
    assert fuse(ops.ones_like)(x).tolist() == [[1.0] * 3] * 2
    assert_same_bits(fuse(lambda x, w: ops.ones_like(x) * w), x, leaf(3))
    assert_same_bits(fuse(lambda x: x), x)


# What is refused


def refused(x: Any) -> Any:
    return x * 2 if x.sum() > 0 else x


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (refused, r"refused: sum \(.*test_fusion\.py:\d+\) does not work element by element"),
        (lambda x: x if x[0] > 0 else -x, r"getitem \("),
        (lambda x: -x if x > 0 else x, r"bool \("),
        (lambda x: x * x.item(), r"item \("),
        (lambda x: x * float(x), r"float \("),
        (lambda x: x + x.detach().numpy(), r"numpy \("),
        (lambda x: x.reshape((1, 1)), r"reshape \("),
        (lambda x: ops.dropout(x, 0.5), r"dropout \("),
        (lambda x: x + np.ones(1), r"add \(.*brings new data to the device: make that an argument"),
        (lambda x: x + cudagrad.tensor([1.0]), r"tensor \(.*brings new data to the device"),
        (lambda x: ops.pow(x > 0, 2), r"pow \("),
        (lambda x: ops.div(x > 0, 2, rounding_mode="floor"), r"div \("),
        (lambda x: 3.0, r"computes one tensor, not a float"),
        (lambda x: (x, x), r"computes one tensor, not a tuple"),
    ],
)
def test_what_is_not_element_by_element(function: Function, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        fuse(function)(leaf(1))


def test_a_gradient_that_is_not_element_by_element() -> None:
    @cudagrad.op
    def halved(x):
        return arrays.apply(ops.elementwise.f.same, x), lambda dout: arrays.cumsum(dout, 0)

    function = fuse(lambda x: halved(x) * 2)
    assert function(cudagrad.tensor([1.0, 2.0])).tolist() == [2.0, 4.0]
    with pytest.raises(TypeError, match="the gradient of halved does not work element by element"):
        function(leaf(2))


def test_there_is_no_backward_within() -> None:
    def function(x: Any) -> Any:
        y = x * 2
        y.backward()
        return y

    x = leaf(1)
    with pytest.raises(RuntimeError, match="inside of a fused function"):
        fuse(function)(x)
    assert x.grad is None


def test_errors_of_ops_are_their_own() -> None:
    with pytest.raises(ValueError, match=r"mul: shapes \(2,\) and \(3,\) do not broadcast"):
        highway(leaf(2), leaf(3), leaf(3))
    with pytest.raises(TypeError, match="silu: expected a floating tensor, not int64"):
        fuse(lambda x: ops.silu(x))(cudagrad.tensor([1]))
    with contextlib.suppress(ValueError):
        highway(leaf(2), leaf(3), leaf(3))
    highway.function(leaf(2), leaf(2), leaf(2))
    assert launched(highway.function, leaf(2), leaf(2), leaf(2)) == 5  # and nothing stays traced


# Elsewhere


ELSEWHERE = """
import numpy as np
import cudagrad
from cudagrad import ops
function = cudagrad.fuse(lambda x, y: ops.tanh(x) * y * 3 + x)
for shape in ((3, 4), (5,)):
    x, y = (cudagrad.tensor(np.full(shape, n, np.float32), requires_grad=True) for n in (0.5, 2))
    out = function(x, y)
    out.sum().backward()
    print(out.detach().numpy().tobytes().hex(), x.grad.numpy().tobytes().hex())
"""


def elsewhere(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@needs_emulator
def test_what_is_compiled_is_kept_for_the_next_process(tmp_path: Path) -> None:
    expected = elsewhere(CUDAGRAD_CACHE=str(tmp_path))
    compiled = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")}

    assert compiled
    assert elsewhere(CUDAGRAD_CACHE=str(tmp_path)) == expected
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")} == compiled


@needs_emulator
def test_the_checker_has_nothing_against_it() -> None:
    lines = zip(elsewhere(CUDAGRAD_DEVICE="checker").split(), elsewhere().split(), strict=True)
    for checked, compiled in lines:
        numbers = [np.frombuffer(bytes.fromhex(text), np.float32) for text in (checked, compiled)]
        np.testing.assert_allclose(*numbers, rtol=1e-6)


# Where ops are given other tensors than they are called with


def test_what_ops_are_given_is_part_of_what_is_noted() -> None:
    class Scaled:
        """Gives mul its first operand so many times."""

        def __init__(self, factor: float) -> None:
            self.key = self.factor = factor

        def __call__(self, name: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
            return ((self.factor, *args[1:]) if name == "mul" else args), kwargs

        def fresh(self) -> Any:
            return Scaled(self.factor)

    @fuse
    def product(x: Any, y: Any) -> Any:
        return x * y

    x, y = cudagrad.tensor([3.0]), cudagrad.tensor([5.0])
    for factor in (2.0, 4.0, 2.0):
        with engine.casting(Scaled(factor)):
            assert product(x, y).item() == 5 * factor
    assert product(x, y).item() == 15


def test_other_threads_compute_while_a_function_is_noted() -> None:
    found: list[float] = []

    def elsewhere() -> None:
        found.append(ops.mul(cudagrad.tensor([3.0]), 2).item())

    @fuse
    def product(x: Any, y: Any) -> Any:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return x * y

    assert product(cudagrad.tensor([3.0]), cudagrad.tensor([5.0])).item() == 15
    assert found == [6.0]


def test_within_autocast_a_fused_function_is_its_ops() -> None:
    x = cudagrad.tensor(RNG.standard_normal(5).astype(np.float32)).to(bfloat16).requires_grad_()

    @fuse
    def grown(x: Any) -> Any:
        return ops.exp(x) * x

    for _ in range(2):
        with cudagrad.autocast():
            assert_same_bits(grown, x)
        assert_same_bits(grown, x)
    with cudagrad.autocast():
        assert grown(x).dtype == np.float32
