"""Tensors as nested lists: which there are, and what the ops on them refuse."""

from __future__ import annotations

import pytest

import micrograd
from micrograd import Value, ops
from micrograd.lists import nest, unnest


@pytest.mark.parametrize(
    ("x", "shape"),
    [
        (1.0, ()),
        (Value(1.0), ()),
        ([], (0,)),
        ([[], []], (2, 0)),
        ([[1, 2, 3], [4, 5, 6]], (2, 3)),
        (((1,), (2,)), (2, 1)),
        ([[[1], [2]]], (1, 2, 1)),
    ],
)
def test_shape(x, shape) -> None:
    assert micrograd.shape(x) == shape


@pytest.mark.parametrize("x", [[1, 2, 3], [[], []], [[[1, 2]], [[3, 4]], [[5, 6]]], 7, []])
def test_there_and_back(x) -> None:
    assert nest(*unnest(x)) == x


@pytest.mark.parametrize("x", [[[1], [2, 3]], [1, [2]], [[1], 2], [[[1]], [2]]])
def test_ragged(x) -> None:
    with pytest.raises(ValueError, match="of one level"):
        micrograd.shape(x)


def test_a_shape_that_lists_do_not_have() -> None:
    with pytest.raises(ValueError, match=r"shape \(0, 3\) cannot be written as nested lists"):
        ops.reshape([], (0, 3))


def test_a_tensor_is_new() -> None:
    numbers = [[1, 2.5], [True, Value(4.0)]]
    x = micrograd.tensor(numbers, requires_grad=True)

    assert micrograd.tolist(x) == [[1.0, 2.5], [1.0, 4.0]]
    assert all(value.requires_grad for row in x for value in row)
    assert x[1][1] is not numbers[1][1]


def test_grad_of_a_tensor() -> None:
    x = micrograd.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert micrograd.grad(x) is None
    ops.sum(ops.getitem(x, 1)).backward()

    assert micrograd.grad(x) == [[0.0, 0.0], [1.0, 1.0]]


def test_views_share_their_values() -> None:
    x = micrograd.tensor([[1.0, 2.0], [3.0, 4.0]])

    assert ops.transpose(x, 0, 1)[0][1] is x[1][0]
    assert ops.reshape(x, (4,))[3] is x[1][1]


def test_deep_nesting() -> None:
    x = Value(3.0, requires_grad=True)
    deep = x
    for _ in range(10_000):
        deep = [deep]
    y = ops.transpose(ops.mul(deep, deep), 0, -1)
    micrograd.backward(y)

    assert x.grad == 6.0
    assert len(micrograd.shape(y)) == 10_000


def test_integers_stay_integers() -> None:
    """Of ints alone, what torch makes int64; with a float or a Value among them, Values."""
    assert ops.add([1, 2], 3) == [4, 5]
    assert ops.sum([True, True]) == 2
    assert ops.mul([True, False], [True, True]) == [True, False]
    assert ops.max([[3, 5], [4, 2]], dim=0) == ([4, 5], [1, 0])
    assert micrograd.tolist(ops.div([1, 2], 2)) == [0.5, 1.0]
    assert micrograd.tolist(ops.add([1, 2], 0.5)) == [1.5, 2.5]


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, r"add: shapes \(2,\) and \(3,\)", lambda: ops.add([1.0, 2.0], [1.0] * 3)),
        (ValueError, r"matmul: shapes \(1, 2\) and", lambda: ops.matmul([[1.0, 2.0]], [[1.0]])),
        (ValueError, r"reshape: shape \(2,\)", lambda: ops.reshape([1.0, 2.0], (3,))),
        (ValueError, "none, tanh, not 'fast'", lambda: ops.gelu([1.0], approximate="fast")),
        (ValueError, "mean, sum, none", lambda: ops.mse_loss([1.0], [1.0], reduction="max")),
        (ValueError, "positive step", lambda: ops.getitem([1.0], slice(None, None, -1))),
        (IndexError, "softmax: dim 1", lambda: ops.softmax([1.0], dim=1)),
        (IndexError, "embedding: id 2", lambda: ops.embedding([2], [[1.0], [2.0]])),
        (IndexError, "index 2 is out of range", lambda: ops.getitem([1.0, 2.0], 2)),
        (TypeError, "mean: expected floats", lambda: ops.mean([1, 2])),
        (TypeError, "expected a number, not str", lambda: ops.exp(["1"])),
        (TypeError, "mask must be made of bools", lambda: ops.masked_fill([1.0], [1], 0.0)),
        (TypeError, "list of tensors, not float", lambda: ops.cat(1.0)),
    ],
)
def test_errors_say_what_is_wrong(error, message, call) -> None:
    with pytest.raises(error, match=message):
        call()
