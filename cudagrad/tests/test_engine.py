"""The tape, ownership of gradients, and what is left in memory."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import cudagrad
from cudagrad import arrays, engine, ops


def leaf(*numbers: float) -> cudagrad.Tensor:
    return cudagrad.tensor(list(numbers), requires_grad=True)


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
    ops.softmax(leaf(1.0, 2.0) * 2.0, dim=0).sum()  # a GPU's compiler leaves cycles behind
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


def test_backward_frees_each_output_before_it_goes_on() -> None:
    alive: list[bool] = []

    class Watch(cudagrad.Function):
        """x itself; looks in backward at what was made of it."""

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, dout: Any) -> Any:
            alive.append(last() is not None)
            return dout

    x = cudagrad.tensor([1.0, 2.0], requires_grad=True)
    products = Watch.apply(x) * x
    last = weakref.ref(products)
    loss = products.sum()
    del products
    loss.backward()

    assert alive == [False]


def test_two_leaves_given_the_same_gradient_do_not_share_it() -> None:
    x, y = leaf(1.0), leaf(2.0)
    (x + y).backward()
    x.grad = None
    (x + x).backward()

    assert x.grad.tolist() == [2.0]
    assert y.grad.tolist() == [1.0]


def test_a_gradient_handed_in_is_not_kept_as_leaf_gradient() -> None:
    x, gradient = leaf(1.0, 2.0), np.ones(2, np.float32)
    (x + 0.0).backward(gradient)
    gradient += 5.0

    assert x.grad.tolist() == [1.0, 1.0]


def test_a_pullback_that_returns_the_wrong_shape_is_named() -> None:
    @engine.op
    def crooked(x):
        return x, lambda dout: arrays.copy_from(dout, 0, (1, 2), (3, 1))

    x = cudagrad.tensor(np.zeros((2, 3)), requires_grad=True)
    with pytest.raises(AssertionError, match=r"crooked: a gradient of shape \(1, 2\)"):
        crooked(x).backward(np.ones((2, 3)))


def test_a_pullback_that_changes_the_dtype_is_named() -> None:
    @engine.op
    def widening(x):
        return x, lambda dout: arrays.cast(dout, np.dtype("float64"))

    with pytest.raises(AssertionError, match="widening: a gradient is float64"):
        widening(leaf(1.0)).backward()


def test_only_the_functions_that_are_needed_are_called() -> None:
    calls = []

    @engine.op
    def watched(x, other):
        return x, (
            lambda dout: calls.append("x") or dout,
            lambda dout: calls.append("other") or dout,
        )

    watched(leaf(1.0), cudagrad.tensor([2.0])).backward()

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
    assert all(isinstance(r, cudagrad.Tensor) and r.requires_grad for r in results)


def test_methods_take_shapes_as_torch_does() -> None:
    x = cudagrad.tensor(np.arange(6.0).reshape(2, 3))

    assert x.view(3, 2).shape == x.view((3, 2)).shape == x.T.shape == (3, 2)
    assert x.permute(1, 0).shape == (3, 2)
    assert x.unsqueeze(0).expand(4, -1, -1).shape == (4, 2, 3)
    assert x.repeat(2, 1).shape == x.repeat((2, 1)).shape == (4, 3)
    assert x.flip(0, 1).tolist() == x.flip((0, 1)).tolist() == [[5.0, 4.0, 3.0], [2.0, 1.0, 0.0]]


def test_methods_have_the_defaults_of_their_ops() -> None:
    x = cudagrad.tensor([[1.0, -4.0], [0.5, 3.0]])
    values, indices = x.max(dim=1)

    assert (values.tolist(), indices.tolist()) == ([1.0, 3.0], [0, 1])
    assert x.max(cudagrad.tensor(1.0)).tolist() == [[1.0, 1.0], [1.0, 3.0]]
    assert abs(x).tolist() == x.abs().tolist() == [[1.0, 4.0], [0.5, 3.0]]
    assert x.clamp(-1, 1).cumsum(0).tolist() == [[1.0, -1.0], [1.5, 0.0]]
    assert x.where(x > 0, 0.0).tolist() == [[1.0, 0.0], [0.5, 3.0]]


def test_comparisons_answer_element_by_element() -> None:
    x = leaf(1.0, 2.0, 3.0)
    array = np.array([3.0, 2.0, 1.0], np.float32)

    assert (x == 2).tolist() == (2 == x).tolist() == (array == x).tolist() == [False, True, False]
    assert (x != array).tolist() == (array != x).tolist() == [True, False, True]
    assert (x < array).tolist() == (array > x).tolist() == [True, False, False]
    assert (x >= 2.5).tolist() == (2.5 <= x).tolist() == [False, False, True]
    assert ((x > 1) & (x < 3)).tolist() == [False, True, False]
    assert (~(x > 1) | (array < 2)).tolist() == [True, False, True]
    assert (np.array([True, True, False]) & (x > 1)).tolist() == [False, True, False]
    assert not (x == x).requires_grad


def test_what_cannot_be_compared_is_simply_another_thing() -> None:
    x = leaf(1.0)

    assert (x == None) is (x == "1") is (x == [1.0]) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    with pytest.raises(TypeError, match="not supported between"):
        _ = x < "1"
    with pytest.raises(TypeError, match="for booleans, not float32"):
        _ = ~x
    with pytest.raises(TypeError, match="for booleans, not int64"):
        _ = (x > 0) & cudagrad.tensor([1])


def test_tensors_are_keys_by_identity() -> None:
    x, y = leaf(1.0, 2.0), leaf(1.0, 2.0)

    assert {x: "x", y: "y"}[x] == "x"
    assert len({x, y, x}) == 2


def test_what_gets_no_gradient_may_not_require_one() -> None:
    x, w, ones = cudagrad.tensor([[0.2, 0.7]]), leaf(1.0, 2.0), cudagrad.tensor([1.0, 1.0])
    classes, shares = cudagrad.tensor([1]), cudagrad.tensor([[0.5, 1.0]])

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
        cudagrad.tensor([1.0]).backward()
    with pytest.raises(RuntimeError, match="needs a gradient for a tensor of shape"):
        (x * 2.0).backward()
    with pytest.raises(ValueError, match=r"gradient of shape \(3,\) for \(2,\)"):
        (x * 2.0).backward(np.ones(3))
    with pytest.raises(TypeError, match="only floating tensors"):
        cudagrad.tensor([1, 2], requires_grad=True)
    with pytest.raises(RuntimeError, match="call detach"):
        x.numpy()
    with pytest.raises(TypeError, match="no dtype complex128"):
        cudagrad.tensor(np.array([1j]))
    with pytest.raises(TypeError, match="neg: expected a tensor, not float32"):
        ops.neg(np.float32(1.0))
    for data in ([1.0], np.ones(1, np.float32)):
        with pytest.raises(TypeError, match=r"sum: \.data of a tensor is a device array, not a "):
            cudagrad.Tensor(data).sum()
    y = x.sum()
    y.backward()
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()


def test_no_grad_decorates_a_function_that_calls_itself() -> None:
    @cudagrad.no_grad()
    def power(x: cudagrad.Tensor, n: int) -> cudagrad.Tensor:
        return x if n == 1 else x * power(x, n - 1)

    assert not power(leaf(2.0), 3).requires_grad
    assert (leaf(2.0) * 2.0).requires_grad


def test_numpy_says_whether_it_wants_a_copy() -> None:
    x = cudagrad.tensor([1.0, 2.0])
    first = np.asarray(x)
    first[0] = 5.0

    assert x.tolist() == [1.0, 2.0]
    assert np.array(x).tolist() == [1.0, 2.0]
    assert np.asarray(x, np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="always a copy"):
        np.array(x, copy=False)
    with pytest.raises(RuntimeError, match="call detach"):
        np.asarray(leaf(1.0))


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_is_a_leaf_of_its_own(copied: Any) -> None:
    x = leaf(1.0, 2.0)
    y = x * 1.0
    other = copied(x)
    (y * 3.0 + other * 5.0).sum().backward()

    assert x.grad is not None
    assert (x.grad.tolist(), other.grad.tolist()) == ([3.0, 3.0], [5.0, 5.0])
    assert other.index > y.index


def test_what_an_op_made_is_not_copied() -> None:
    with pytest.raises(TypeError, match="only leaves"):
        copy.deepcopy(leaf(1.0) * 2.0)


def test_size_and_dim_are_those_of_the_shape() -> None:
    x = cudagrad.tensor(np.zeros((2, 3, 5)))

    assert (x.size(), x.size(1), x.size(-1), x.dim()) == ((2, 3, 5), 3, 5, 3)
    for wrong, dim in ((x, 3), (cudagrad.tensor(1.0), 0)):
        with pytest.raises(IndexError, match=r"^size: "):
            wrong.size(dim)


def test_a_tensor_in_another_dtype_gets_its_gradient_in_its_own() -> None:
    x = cudagrad.tensor([1.5, -2.5], requires_grad=True)
    y = x.double()
    (y * np.array([3.0, 5.0])).sum().backward()

    assert (y.dtype, y.tolist()) == (np.float64, [1.5, -2.5])
    assert x.grad is not None
    assert (x.grad.dtype, x.grad.tolist()) == (np.float32, [3.0, 5.0])
    assert (y.float().dtype, y.to("float32").dtype) == (np.float32, np.float32)
    assert (x.long().dtype, x.long().tolist()) == (np.int64, [1, -2])
    assert (x > 0).float().mean().item() == 0.5


def test_a_tensor_is_on_the_one_device_there_is() -> None:
    x = cudagrad.tensor([1.5, -2.5])

    assert x.to("cuda") is x
    assert x.to("cuda:0", np.float64).dtype == x.to(dtype="float64").dtype == np.float64
    assert x.to("bfloat16").dtype == x.to(cudagrad.bfloat16).dtype == cudagrad.bfloat16
    for device in ("cpu", "cuda:1", "floating"):
        with pytest.raises(ValueError, match=f"no device '{device}', only 'cuda' or 'cuda:0'"):
            x.to(device)
    with pytest.raises(TypeError, match="no dtype float16"):
        x.to("float16")
