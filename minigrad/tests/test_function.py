"""Ops that users define, and functions that backward recomputes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import nn, ops


class Scaled(minigrad.Function):
    """x · weight · factor, where factor is a number."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, factor: float) -> Any:
        ctx.save_for_backward(x, weight)
        ctx.factor = factor
        return x * weight * factor

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        x, weight = ctx.saved_tensors
        dx = dout * weight * ctx.factor if ctx.needs_input_grad[0] else None
        return dx, dout * x * ctx.factor, None


def leaf(*numbers: float) -> minigrad.Tensor:
    return minigrad.tensor(list(numbers), requires_grad=True)


def test_gradients_flow_through_a_function_as_through_ops() -> None:
    x, weight = leaf(1.0, 2.0), leaf(3.0, 4.0)
    out = Scaled.apply(x * 2.0, weight, 10.0)
    out.backward([1.0, -1.0])

    assert out.tolist() == [60.0, 160.0]
    assert out.op == "Scaled"
    assert x.grad.tolist() == [60.0, -80.0]
    assert weight.grad.tolist() == [20.0, -40.0]


def test_what_needs_no_gradient_gets_none() -> None:
    x, weight = minigrad.tensor([1.0]), leaf(3.0)
    Scaled.apply(x, weight, 2.0).backward()
    with minigrad.no_grad():
        unrecorded = Scaled.apply(x, weight, 2.0)

    assert x.grad is None
    assert weight.grad.tolist() == [2.0]
    assert not unrecorded.requires_grad
    assert not Scaled.apply(x, x, 2.0).requires_grad


def test_a_function_and_what_it_saved_are_freed_with_the_collector_off() -> None:
    kept: list[weakref.ref[Any]] = []

    class Watched(Scaled):
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            kept.append(weakref.ref(ctx))
            return Scaled.forward(ctx, *args)

    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0)
        out = Watched.apply(x, x, 2.0)
        loss = out.sum()
        assert kept[0]() is not None
        loss.backward()
        assert kept[0]() is None
        with pytest.raises(RuntimeError, match="through Watched, whose graph has been freed"):
            out.backward()
        del loss, out
        unused = Watched.apply(x, x, 2.0)
        del unused
        assert kept[1]() is None
    finally:
        gc.enable()


def test_a_graph_that_is_kept_goes_back_twice() -> None:
    x = leaf(1.0)
    out = Scaled.apply(x, x, 2.0)
    out.backward(retain_graph=True)
    out.backward()

    assert x.grad.tolist() == [8.0]


@pytest.mark.parametrize(
    ("backward", "error", "message"),
    [
        (lambda _, dout: dout, ValueError, "Wrong.backward returned 1 gradients for 2 arguments"),
        (lambda _, dout: (dout.sum(), None), ValueError, r"gradient 0 has shape \(\), argument"),
        (lambda _, dout: (np.ones(2), None), TypeError, "gradient 0 must be a tensor, not ndarray"),
        (
            lambda _, dout: (minigrad.tensor(np.ones(2)), None),
            TypeError,
            "gradient 0 is float64, argument 0 float32",
        ),
        (lambda _, dout: (dout, dout), TypeError, "gradient 1 must be None, argument 1 is no"),
    ],
)
def test_a_wrong_gradient_is_refused_by_name(
    backward: Callable[..., Any], error: type[Exception], message: str
) -> None:
    members = {
        "forward": staticmethod(lambda _ctx, x, k: x * k),
        "backward": staticmethod(backward),
    }
    out = type("Wrong", (minigrad.Function,), members).apply(leaf(1.0, 2.0), 3.0)
    with pytest.raises(error, match=message):
        out.backward([1.0, 1.0])


def test_several_outputs_and_missing_methods_are_refused() -> None:
    class Two(minigrad.Function):
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            return args

    class Half(minigrad.Function):
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            return args[0]

    with pytest.raises(TypeError, match=r"Two\.forward must return one tensor, not a tuple"):
        Two.apply(leaf(1.0))
    with pytest.raises(NotImplementedError, match="static method forward"):
        minigrad.Function.apply(leaf(1.0))
    with pytest.raises(NotImplementedError, match="static method backward"):
        Half.apply(leaf(1.0)).backward()


def trained(*, checkpointed: bool) -> list[Any]:
    """Loss and gradients of two layers with dropout, and of a tensor from outside them."""
    minigrad.manual_seed(7)
    layers = nn.Sequential(nn.Linear(3, 5), nn.GELU(), nn.Dropout(0.4), nn.Linear(5, 3))
    x, outside = (
        minigrad.tensor(np.eye(3, dtype=np.float32), requires_grad=True),
        leaf(0.5, 0.25, 2.0),
    )
    between = outside * 2.0

    def function(x: Any) -> Any:
        return layers(x) * between

    middle = x * 3.0
    for _ in range(2):
        middle = minigrad.checkpoint(function, middle) if checkpointed else function(middle)
    loss = ops.dropout(middle, 0.5).sum()
    loss.backward()
    return [loss.tolist(), *(p.grad.tolist() for p in (x, outside, *layers.parameters()))]


def test_computing_again_changes_no_bit_of_loss_and_gradients() -> None:
    assert trained(checkpointed=True) == trained(checkpointed=False)


def test_parameters_get_gradients_though_no_argument_needs_one() -> None:
    layer = nn.Linear(2, 2)
    minigrad.checkpoint(layer, minigrad.tensor([[1.0, 2.0]])).sum().backward()

    assert layer.weight.grad.tolist() == [[1.0, 2.0], [1.0, 2.0]]


def test_a_checkpoint_within_a_checkpoint() -> None:
    x = leaf(2.0)
    inner = lambda x: minigrad.checkpoint(lambda y: y * y, x) * x  # noqa: E731
    minigrad.checkpoint(inner, x).backward()

    assert x.grad.tolist() == [12.0]


def test_without_recording_a_checkpoint_is_a_call() -> None:
    calls = []
    function = lambda x: calls.append(1) or x * 2.0  # noqa: E731
    with minigrad.no_grad():
        assert not minigrad.checkpoint(function, leaf(1.0)).requires_grad
    minigrad.checkpoint(function, minigrad.tensor([1.0]))

    assert len(calls) == 2


def test_nothing_of_a_checkpoint_outlives_it_with_the_collector_off() -> None:
    gc.collect()
    gc.disable()
    try:
        made: list[weakref.ref[Any]] = []

        def function(x: Any) -> Any:
            middle = x * x
            made.append(weakref.ref(middle))
            return middle * x

        x = leaf(1.0)
        out = minigrad.checkpoint(function, x)
        assert made[0]() is None
        out.backward()
        assert made[1]() is None
        alive = weakref.ref(out)
        del out
        assert alive() is None
    finally:
        gc.enable()


def test_what_is_not_the_same_again_is_refused() -> None:
    calls = []

    def function(x: Any) -> Any:
        calls.append(1)
        return x[: len(calls)] * 2.0

    with pytest.raises(TypeError, match="one tensor as result, not tuple"):
        minigrad.checkpoint(lambda x: (x, x), leaf(1.0))
    x, y = leaf(1.0, 2.0), leaf(1.0)
    swaps = iter([x[:1], y])
    for other in (function, lambda _: next(swaps) * 2.0):
        out = minigrad.checkpoint(other, x)
        with pytest.raises(RuntimeError, match="computed again, the function did something else"):
            out.backward()

    assert x.grad is y.grad is None


def test_a_gradient_that_backward_keeps_is_copied_to_its_leaf() -> None:
    kept = minigrad.tensor([5.0, 5.0])

    class Constant(minigrad.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1.0

        @staticmethod
        def backward(ctx, dout):
            return kept

    x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    Constant.apply(x).sum().backward()
    x.grad.data += 1.0

    assert kept.tolist() == [5.0, 5.0]
