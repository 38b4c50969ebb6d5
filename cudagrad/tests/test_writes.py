"""Memory that is written over between an op and backward(): noticed where it will be read."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from op_calls import CALLS

import cudagrad
from cudagrad import device, nn, ops, optim, writes
from cudagrad.engine import kept
from cudagrad.graph import graphed

OVERWRITTEN = "overwritten since"
OPERANDS = [(name, i) for name, (_, *shapes) in CALLS.items() for i in range(len(shapes))]
X, W = [1.0, -2.0, 3.0], [2.0, 0.25, -3.0]


def leaf(numbers: Any = X) -> Any:
    return cudagrad.tensor(numbers, requires_grad=True)


def gradients(out: Any, leaves: list[Any]) -> list[Any]:
    for x in leaves:
        x.grad = None
    dout = np.random.default_rng(1).standard_normal(out.shape)
    out.backward(dout.astype(out.dtype), retain_graph=True)
    return [None if x.grad is None else x.grad.tolist() for x in leaves]


@pytest.mark.parametrize(("name", "i"), OPERANDS)
def test_an_operand_written_over_is_refused_if_it_is_read_again(name: str, i: int) -> None:
    function, *shapes = CALLS[name]
    rng = np.random.default_rng(0)
    leaves = [leaf(rng.standard_normal(shape).astype(np.float32)) for shape in shapes]
    out = function(*leaves)
    if not out.requires_grad:
        return
    before = gradients(out, leaves)
    device.write(rng.standard_normal(shapes[i]).astype(np.float32), leaves[i].data)
    after = gradients(out, leaves)  # nobody has told backward() of this write …
    writes.overwritten(leaves[i].data)  # … but now

    if after == before:
        assert gradients(out, leaves) == before
    else:
        with pytest.raises(RuntimeError, match=OVERWRITTEN):
            gradients(out, leaves)


def test_a_refusal_names_the_op_and_leaves_the_gradients_alone() -> None:
    p, w, unrelated = leaf(), leaf(W), leaf()
    loss = (w * p.detach()).sum() + unrelated.sum()
    nn.init.ones_(p)

    with pytest.raises(RuntimeError, match=r"through mul, .* shape \(3,\) that has been overwritt"):
        loss.backward()
    assert w.grad is unrelated.grad is None


def test_what_is_computed_anew_is_right() -> None:
    p, w = leaf(), leaf(W)
    for _ in range(2):
        w.grad = None
        nn.init.ones_(p)
        (w * p.detach()).sum().backward()

    assert w.grad.tolist() == [1.0] * 3


class Product(cudagrad.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, other: Any) -> Any:
        ctx.save_for_backward(x)
        ctx.other = other
        return x * other

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        (x,) = ctx.saved_tensors
        return dout * ctx.other, dout * x


@cudagrad.fuse
def fused_product(x: Any, other: Any) -> Any:
    return x * other + 1.0


@cudagrad.op
def partial_product(x: Any, other: Any) -> Any:
    def pullback(a: Any, dout: Any, *, b: Any = x) -> Any:
        return ops.mul(cudagrad.Tensor(dout), cudagrad.Tensor(a)).data, ops.mul(
            cudagrad.Tensor(dout), cudagrad.Tensor(b)
        ).data

    return ops.mul(cudagrad.Tensor(x), cudagrad.Tensor(other)).data, functools.partial(
        pullback, other
    )


PRODUCTS: dict[str, Callable[[Any, Any], Any]] = {
    "function": Product.apply,
    "fused": fused_product,
    "partial": partial_product,
    "checkpoint": lambda x, other: cudagrad.checkpoint(ops.mul, x, other),
    "checkpoint of a closure": lambda x, other: cudagrad.checkpoint(lambda y: y * other, x),
}


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("name", PRODUCTS)
def test_what_users_ops_keep_is_watched(name: str, which: int) -> None:
    operands = leaf(), leaf(W)
    given = [x.detach() if i == which else x for i, x in enumerate(operands)]
    if given[0].requires_grad or not name.startswith("checkpoint of"):
        loss = PRODUCTS[name](*given).sum()
        nn.init.ones_(operands[which])
        with pytest.raises(RuntimeError, match=OVERWRITTEN):
            loss.backward()

    loss = PRODUCTS[name](*operands).sum()
    loss.backward()
    assert operands[which].grad.tolist() == operands[1 - which].tolist()


def test_a_pullback_is_looked_into_but_no_module_of_it() -> None:
    inside, outside = (ops.ones(2) for _ in range(2))
    layer = nn.Linear(2, 2)

    def early() -> Any:
        return later, layer, outer  # of which one has no value yet, and one is this closure's own

    def outer() -> Any:
        return early(), {"a": [(inside.data,)]}, outside

    assert {id(array) for array in kept(outer, type(inside.data))} == {
        id(inside.data),
        id(outside.data),
    }
    later = None


def test_memory_of_another_package_is_watched_by_its_place() -> None:
    shared = np.array(X, np.float32)
    if cudagrad.as_tensor(shared).data.size and device.EXECUTOR == "gpu":
        pytest.skip("NumPy's arrays are copied to a GPU")
    p, w = cudagrad.as_tensor(shared), leaf(W)
    loss = (w * cudagrad.as_tensor(shared)).sum()
    p.requires_grad_()
    p.sum().backward()
    optim.SGD([p], lr=0.5).step()

    assert shared.tolist() == [0.5, -2.5, 2.5]
    with pytest.raises(RuntimeError, match=OVERWRITTEN):
        loss.backward()


def test_autocast_rounds_again_what_was_written_over_by_another_tensor() -> None:
    x, w = ops.ones((2, 3)), leaf([W, W])
    with cudagrad.autocast():
        first = ops.linear(x, w)
        assert ops.linear(x, w).tolist() == first.tolist()
        nn.init.ones_(w.detach())
        assert ops.linear(x, w).tolist() == [[3.0, 3.0]] * 2


def test_a_replay_writes_over_all_that_its_graph_made_or_wrote() -> None:
    p, layer = leaf(), nn.BatchNorm1d(3)

    def step(x: Any) -> Any:
        p.grad = None
        layer.zero_grad()
        loss = (layer(x) * p).sum()
        loss.backward()
        nn.utils.clip_grad_norm_([p], 0.5)
        with cudagrad.no_grad():
            held = p
            held -= 0.1 * p.grad
        return loss

    x, replayed = np.array([X, W], np.float32), graphed(step)
    for _ in range(3):
        loss = replayed(x)
    for shared in (p.detach(), p.grad, loss.detach(), layer.running_mean):
        w = leaf(W)
        product, other = (w * shared).sum(), (w * ops.ones(3)).sum()
        replayed(x)
        with pytest.raises(RuntimeError, match=OVERWRITTEN):
            product.backward()
        other.backward()
        (w * shared).sum().backward()


def test_what_is_noted_does_not_grow_with_the_steps() -> None:
    layers = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    optimizer = optim.AdamW(layers.parameters())
    counts = []
    for _ in range(12):
        optimizer.zero_grad()
        for _ in range(2):
            ops.square(layers(cudagrad.tensor([X, W]))).sum().backward()
        nn.utils.clip_grad_norm_(layers.parameters(), 1.0)
        optimizer.step()
        counts.append(len(writes._writes))

    assert counts[-1] == counts[5]
