"""Numbers that change in place between forward and backward: slopes stay those of the forward pass.

A Value's number changes for all who hold the Value; the slopes, which are floats, do not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import micrograd
from micrograd import nn, ops, optim

# What makes a loss, a tensor that it depends on, and a change that comes before backward().
Program = Callable[[], tuple[Any, Any, Callable[[], Any]]]


def numbers(*shape: int, requires_grad: bool = False) -> Any:
    return ops.randn(shape, requires_grad=requires_grad)


def step(layer: Any, x: Any) -> Callable[[], None]:
    optimizer = optim.SGD(layer.parameters(), lr=0.5)

    def change() -> None:
        micrograd.backward(ops.sum(layer(x)))
        optimizer.step()

    return change


def a_leaf() -> Any:
    p, w = (numbers(5, requires_grad=True) for _ in range(2))
    return ops.sum(ops.mul(w, p)), w, lambda: nn.init.ones_(p)


def a_frozen_leaf() -> Any:
    p, w = numbers(5), numbers(5, requires_grad=True)
    return ops.dot(w, p), w, lambda: nn.init.ones_(p)


def a_selected_leaf() -> Any:
    p, w = (numbers(4, 5, requires_grad=True) for _ in range(2))
    return ops.dot(w[1], p[2]), w, lambda: nn.init.ones_(p)


def a_frozen_layer() -> Any:
    layer, x = nn.Linear(6, 5), numbers(7, 6, requires_grad=True)
    layer.requires_grad_(False)
    return ops.sum(ops.square(layer(x))), x, lambda: nn.init.ones_(layer.weight)


def an_input_of_a_layer() -> Any:
    layer, x = nn.Linear(6, 5), numbers(7, 6)
    return ops.sum(ops.square(layer(x))), layer.weight, lambda: nn.init.ones_(x)


def a_loaded_state() -> Any:
    layer, other, x = nn.Linear(6, 5), nn.Linear(6, 5), numbers(7, 6, requires_grad=True)
    state = other.state_dict()
    return ops.sum(ops.square(layer(x))), x, lambda: layer.load_state_dict(state)


def a_step() -> Any:
    layer, x = nn.Linear(6, 5), numbers(7, 6, requires_grad=True)
    return ops.sum(ops.square(layer(x))), x, step(layer, numbers(7, 6))


def keys_and_values() -> Any:
    q = numbers(4, 3, requires_grad=True)
    k, v = numbers(4, 3), numbers(4, 3)
    loss = ops.sum(ops.square(ops.scaled_dot_product_attention(q, k, v)))
    return loss, q, lambda: (nn.init.ones_(k), nn.init.ones_(v))


def a_normalized_row() -> Any:
    x, weight = numbers(4, 6, requires_grad=True), numbers(6)
    loss = ops.sum(ops.square(ops.layer_norm(x, [6], weight)))
    return loss, x, lambda: (nn.init.ones_(weight), nn.init.ones_(x))


def a_result() -> Any:
    x = numbers(5, requires_grad=True)
    y = ops.tanh(x)
    return ops.sum(ops.mul(y, y)), x, lambda: nn.init.ones_(y)


def running_statistics() -> Any:
    layer, w = nn.BatchNorm1d(3), numbers(3, requires_grad=True)
    return ops.dot(w, layer.running_var), w, lambda: layer(numbers(4, 3))


def a_clipped_gradient() -> Any:
    p, w = (numbers(5, requires_grad=True) for _ in range(2))
    micrograd.backward(ops.sum(ops.square(p)))
    loss = ops.dot(w, micrograd.tensor(micrograd.grad(p)))
    return loss, w, lambda: nn.utils.clip_grad_norm_(p, 0.5)


def gradient(program: Program, *, changed: bool) -> Any:
    micrograd.manual_seed(0)
    loss, leaf, change = program()
    if changed:
        change()
    micrograd.backward(loss)
    return micrograd.grad(leaf)


@pytest.mark.parametrize(
    "program",
    [
        a_leaf,
        a_frozen_leaf,
        a_selected_leaf,
        a_frozen_layer,
        an_input_of_a_layer,
        a_loaded_state,
        a_step,
        keys_and_values,
        a_normalized_row,
        a_result,
        running_statistics,
        a_clipped_gradient,
    ],
)
def test_a_gradient_is_that_of_the_numbers_that_were_read(program: Program) -> None:
    assert gradient(program, changed=True) == gradient(program, changed=False)
