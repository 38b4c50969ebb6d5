"""The tape, ownership of gradients, and what is left in memory."""

from __future__ import annotations

import copy
import gc
import pickle
import tracemalloc
import weakref
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import engine, nn, ops, optim
from minigrad.silence import silent


def leaf(*numbers: float) -> minigrad.Tensor:
    return minigrad.tensor(list(numbers), requires_grad=True)


def test_a_chain_of_100_000_goes_backward_and_is_freed() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()

    assert x.grad.tolist() == [1.0]


def test_a_long_chain_is_freed_without_backward() -> None:
    y = leaf(1.0)
    for _ in range(200_000):
        y = y * 1.0
    del y


def test_nothing_of_a_graph_outlives_it_with_the_collector_off() -> None:
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        middle = ops.softmax(x * 2.0, dim=0)
        loss = middle.sum()
        alive = [weakref.ref(node) for node in (middle, loss)]
        del middle, loss
        assert [ref() for ref in alive] == [None, None]
    finally:
        gc.enable()


def test_backward_frees_what_lies_between_the_leaves_and_the_output() -> None:
    x = leaf(1.0, 2.0)
    middle = x * 2.0
    freed = weakref.ref(middle)
    loss = middle.sum()
    del middle
    loss.backward()

    assert freed() is None


def test_what_only_an_unneeded_gradient_keeps_is_freed_at_once() -> None:
    x = minigrad.tensor(np.ones((2, 8, 32, 32)), requires_grad=True)
    weight = minigrad.tensor(np.ones((8, 8, 3, 3)), requires_grad=True)
    kept = []
    for trained in (True, False):
        weight.requires_grad = trained
        tracemalloc.start()
        y = ops.conv2d(x, weight, padding=1)
        kept.append(tracemalloc.get_traced_memory()[0] / y.data.nbytes)
        tracemalloc.stop()

    assert kept[0] > 10  # y, and nine arrays of x's size
    assert kept[1] < 1.1


def test_backward_frees_each_output_before_it_goes_on() -> None:
    alive: list[bool] = []

    class Watch(minigrad.Function):
        """A copy of x; backward looks whether what was computed from it is still alive."""

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, dout: Any) -> Any:
            alive.append(last() is not None)
            return dout

    x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    products = Watch.apply(x) * x
    last = weakref.ref(products)
    loss = products.sum()
    del products
    loss.backward()

    assert alive == [False]


def test_two_leaves_given_the_same_gradient_do_not_share_its_array() -> None:
    x, y = leaf(1.0), leaf(2.0)
    (x + y).backward()
    x.grad.data += 10.0

    assert y.grad.tolist() == [1.0]


def test_a_gradient_handed_in_is_not_kept_as_leaf_gradient() -> None:
    x, gradient = leaf(1.0, 2.0), np.ones(2, np.float32)
    (x + 0.0).backward(gradient)
    gradient += 5.0

    assert x.grad.tolist() == [1.0, 1.0]


def test_a_pullback_that_returns_the_wrong_shape_is_named() -> None:
    @engine.op
    def crooked(x):
        return x, lambda dout: dout[:1, :2]

    x = minigrad.tensor(np.zeros((2, 3)), requires_grad=True)
    with pytest.raises(AssertionError, match=r"crooked: a gradient of shape \(1, 2\)"):
        crooked(x).backward(np.ones((2, 3)))


def test_a_pullback_that_changes_the_dtype_is_named() -> None:
    @engine.op
    def widening(x):
        return x, lambda dout: dout.astype(np.float64)

    with pytest.raises(AssertionError, match="widening: a gradient is float64"):
        widening(leaf(1.0)).backward()


def test_only_the_functions_that_are_needed_are_called() -> None:
    calls = []

    @engine.op
    def watched(x, other):
        return x * other, (
            lambda dout: calls.append("x") or dout * other,
            lambda dout: calls.append("other") or dout * x,
        )

    watched(leaf(1.0), minigrad.tensor([2.0])).backward()

    assert calls == ["x"]


def test_arrays_and_numbers_on_either_side_of_an_operator() -> None:
    x = leaf(1.0, 2.0)
    array = np.array([3.0, 5.0], np.float32)
    results = [array + x, x + array, array - x, 2 - x, 2 / x, 2**x, array @ x, x @ array]

    assert [r.tolist() for r in results] == [
        [4.0, 7.0],
        [4.0, 7.0],
        [2.0, 3.0],
        [1.0, 0.0],
        [2.0, 1.0],
        [2.0, 4.0],
        13.0,
        13.0,
    ]
    assert all(isinstance(r, minigrad.Tensor) and r.requires_grad for r in results)


def test_methods_take_shapes_as_torch_does() -> None:
    x = minigrad.tensor(np.arange(6.0).reshape(2, 3))

    assert x.view(3, 2).shape == x.view((3, 2)).shape == x.T.shape == (3, 2)
    assert x.permute(1, 0).shape == (3, 2)
    assert x.unsqueeze(0).expand(4, -1, -1).shape == (4, 2, 3)


def test_what_gets_no_gradient_may_not_require_one() -> None:
    x, w, ones = minigrad.tensor([[0.2, 0.7]]), leaf(1.0, 2.0), minigrad.tensor([1.0, 1.0])
    classes, shares = minigrad.tensor([1]), minigrad.tensor([[0.5, 1.0]])

    for op, name, given in (
        (ops.cross_entropy, "weight", {"target": classes}),
        (ops.cross_entropy, "weight", {"target": shares}),
        (ops.nll_loss, "weight", {"target": classes}),
        (ops.binary_cross_entropy, "weight", {"target": shares}),
        (ops.binary_cross_entropy_with_logits, "weight", {"target": shares}),
        (ops.binary_cross_entropy_with_logits, "pos_weight", {"target": shares}),
        (ops.batch_norm, "running_mean", {"running_var": ones}),
        (ops.batch_norm, "running_var", {"running_mean": ones}),
    ):
        with pytest.raises(TypeError, match=f"^{op.__name__}: {name} has no gradient"):
            op(x, **given, **{name: w})
        op(x, **given, **{name: ones})


def test_misuse_is_refused_in_words() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        minigrad.tensor([1.0]).backward()
    with pytest.raises(RuntimeError, match="needs a gradient for a tensor of shape"):
        (x * 2.0).backward()
    with pytest.raises(ValueError, match=r"gradient of shape \(3,\) for \(2,\)"):
        (x * 2.0).backward(np.ones(3))
    with pytest.raises(TypeError, match="only floating tensors"):
        minigrad.tensor([1, 2], requires_grad=True)
    with pytest.raises(RuntimeError, match="call detach"):
        x.numpy()
    with pytest.raises(TypeError, match="no dtype complex128"):
        minigrad.tensor(np.array([1j]))
    y = x.sum()
    y.backward()
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()


def test_no_grad_decorates_a_function_that_calls_itself() -> None:
    @minigrad.no_grad()
    def power(x: minigrad.Tensor, n: int) -> minigrad.Tensor:
        return x if n == 1 else x * power(x, n - 1)

    assert not power(leaf(2.0), 3).requires_grad
    assert (leaf(2.0) * 2.0).requires_grad


def test_an_array_written_to_after_the_call_does_not_change_its_gradient() -> None:
    x, factor = leaf(1.0, 2.0), np.array([3.0, 4.0], np.float32)
    y = (x * factor).sum()
    factor[:] = 7.0
    y.backward()

    assert x.grad.tolist() == [3.0, 4.0]


def test_an_array_in_an_index_of_several_dims_may_be_written_to_as_well() -> None:
    rows = np.array([0, 1])
    x = minigrad.tensor(np.zeros((3, 2)), requires_grad=True)
    y = x[rows, 0]
    rows[:] = 2
    y.sum().backward()

    assert x.grad.tolist() == [[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]


def test_iteration_is_over_the_first_dim() -> None:
    assert [row.tolist() for row in minigrad.tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
    with pytest.raises(TypeError, match="0-d"):
        list(minigrad.tensor(3.0))


def test_numpy_reads_a_tensor_that_needs_no_gradient() -> None:
    assert np.asarray(minigrad.tensor([1.0, 2.0])).tolist() == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="call detach"):
        np.asarray(leaf(1.0))


def test_numpy_says_whether_it_wants_a_copy() -> None:
    x = minigrad.tensor([1.0, 2.0])

    assert np.asarray(x) is x.data
    assert np.array(x, copy=False) is x.data
    assert not np.shares_memory(np.array(x), x.data)
    assert np.asarray(x, np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="copy"):
        np.array(x, np.float64, copy=False)


def test_what_no_optimizer_can_move_is_refused() -> None:
    x = leaf(1.0)
    with pytest.raises(ValueError, match="only leaves"):
        optim.SGD([x * 2.0])
    with pytest.raises(ValueError, match="twice"):
        optim.SGD([x, x])


def test_a_list_of_lists_is_an_index_inside_a_tuple_only() -> None:
    x = minigrad.tensor(np.arange(6.0).reshape(2, 3))

    assert x[:, [[0, 1], [2, 0]]].shape == (2, 2, 2)
    with pytest.raises(TypeError, match="index by a tuple"):  # torch would read a tuple here
        x[[[0, 1], [1, 2]]]


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_is_a_leaf_of_its_own(copied: Any) -> None:
    x = leaf(1.0, 2.0)
    other = copied(x)
    (x * 3.0 + other * 5.0).sum().backward()

    assert x.grad is not None
    assert (x.grad.tolist(), other.grad.tolist()) == ([3.0, 3.0], [5.0, 5.0])


def test_what_an_op_made_is_not_copied() -> None:
    with pytest.raises(TypeError, match="only leaves"):
        copy.deepcopy(leaf(1.0) * 2.0)


# Sums of gradients


def test_parts_of_a_gradient_are_added_where_they_belong() -> None:
    x = minigrad.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    (x[0].sum() + (x[:, 1:] * 2.0).sum() + x.sum() + x[0, 0] * 4.0).backward()

    assert x.grad.tolist() == [[6.0, 4.0, 4.0], [1.0, 3.0, 3.0]]


@pytest.mark.parametrize("older", [lambda x: x[0], lambda x: x * 2.0], ids=["part", "whole"])
def test_a_gradient_that_two_share_is_not_added_to(older: Any) -> None:
    x, other = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = older(x)  # made before the sum, so its gradient arrives after the shared one
    (((x + other) * 1.0).sum() + y.sum()).backward()

    assert other.grad.tolist() == [1.0, 1.0]
    assert x.grad.tolist() in ([2.0, 1.0], [3.0, 3.0])


def test_numbers_are_summed_too() -> None:
    x = minigrad.tensor(2.0, requires_grad=True)
    (x * 3.0 + x * 4.0 + x * 5.0 + x[...]).backward()

    assert x.grad.tolist() == 13.0


def test_numpy_is_silent_inside_alone() -> None:
    x = minigrad.tensor([0.0])
    with silent():
        assert ops.log(x).tolist() == [-np.inf]
        assert np.geterr()["divide"] == "ignore"

    with np.errstate(all="raise"):
        assert ops.log(x).tolist() == [-np.inf]  # each op by itself, again
        with pytest.raises(FloatingPointError):
            np.log(np.zeros(1))


def a_twin(p: minigrad.Tensor, w: minigrad.Tensor) -> Any:
    return w * p.detach(), lambda: nn.init.ones_(p)


def a_clipped_gradient(p: minigrad.Tensor, w: minigrad.Tensor) -> Any:
    (p * p).sum().backward()
    return w * p.grad, lambda: nn.utils.clip_grad_norm_([p], 0.5)


def an_element_of_a_clipped_gradient(p: minigrad.Tensor, w: minigrad.Tensor) -> Any:
    (p * p).sum().backward()
    return w * p.grad, lambda: nn.utils.clip_grad_value_([p], 0.5)


def running_statistics(p: minigrad.Tensor, w: minigrad.Tensor) -> Any:
    layer = nn.BatchNorm1d(2)
    return w * layer.running_var, lambda: layer(ops.stack([p, w]))


@pytest.mark.parametrize(
    "program",
    [a_twin, a_clipped_gradient, an_element_of_a_clipped_gradient, running_statistics],
)
def test_a_gradient_is_that_of_the_numbers_that_were_read(program: Any) -> None:
    p, w = leaf(2.0, -3.0), leaf(0.5, 4.0)
    product, change = program(p, w)
    factor = (product / w).tolist()
    change()
    product.sum().backward()

    assert w.grad is not None
    assert w.grad.tolist() == factor


def test_size_and_dim_are_those_of_the_shape() -> None:
    x = minigrad.tensor(np.zeros((2, 3, 5)))

    assert (x.size(), x.size(1), x.size(-1), x.dim()) == ((2, 3, 5), 3, 5, 3)
    for wrong, dim in ((x, 3), (minigrad.tensor(1.0), 0)):
        with pytest.raises(IndexError, match=r"^size: "):
            wrong.size(dim)


def test_a_tensor_in_another_dtype_gets_its_gradient_in_its_own() -> None:
    x = minigrad.tensor([1.5, -2.5], requires_grad=True)
    y = x.double()
    (y * np.array([3.0, 5.0])).sum().backward()

    assert (y.dtype, y.tolist()) == (np.float64, [1.5, -2.5])
    assert x.grad is not None
    assert (x.grad.dtype, x.grad.tolist()) == (np.float32, [3.0, 5.0])
    assert (y.float().dtype, y.to("float32").dtype) == (np.float32, np.float32)
    assert (x.long().dtype, x.long().tolist()) == (np.int64, [1, -2])
    assert (x > 0).float().mean().item() == 0.5
    with pytest.raises(TypeError):
        x.to("floating")
