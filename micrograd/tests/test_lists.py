"""Tensors as nested lists: which there are, and what the ops on them refuse."""

from __future__ import annotations

import math

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
    assert ops.pow([True, False], 2) == [1, 0]
    assert ops.pow([], []) == []
    assert ops.mul([True, False], [True, True]) == [True, False]
    assert ops.max([[3, 5], [4, 2]], dim=0) == ([4, 5], [1, 0])
    assert ops.matmul([[1, 2]], [3, 4]) == [11]
    assert ops.linear([1, 2], [[3, 4], [5, 6]], [7, 8]) == [18, 25]
    assert ops.masked_fill([1, 2], [True, False], 3) == [3, 2]
    assert micrograd.tolist(ops.div([1, 2], 2)) == [0.5, 1.0]
    assert micrograd.tolist(ops.add([1, 2], 0.5)) == [1.5, 2.5]


@pytest.mark.parametrize("nothing", [(), []])
def test_squeeze_of_no_dim(nothing) -> None:
    assert ops.squeeze([[[1], [2]]], nothing) == [[[1], [2]]]


def test_nested_ints_are_an_index() -> None:
    assert ops.getitem([5, 6, 7], [[0, 1], [1, 2]]) == [[5, 6], [6, 7]]


@pytest.mark.parametrize("mask", [[[[0.0]]], [[[True]]]])
def test_a_mask_larger_than_the_scores(mask) -> None:
    x = [[1.0, 2.0]]
    with pytest.raises(ValueError, match=r"scaled_dot_product_attention: attn_mask of shape"):
        ops.scaled_dot_product_attention(x, x, x, mask)


@pytest.mark.parametrize(
    ("dim", "correction", "slopes"),
    [
        (None, 1, [-1.5, -0.5, 2.0]),
        (None, 3, [math.inf] * 3),
        (None, 7, [math.inf] * 3),
        (0, 3, [-math.inf, -math.inf, math.inf]),
        (0, 7, [0.75, 0.25, -1.0]),
    ],
)
def test_var_with_a_correction_for_more_elements_than_there_are(dim, correction, slopes) -> None:
    x = micrograd.tensor([1.0, 2.0, 4.5], requires_grad=True)
    y = ops.var(x, dim, correction=correction)
    y.backward()

    assert correction == 1 or y.data == math.inf
    assert micrograd.grad(x) == slopes


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
        (TypeError, "max: keepdim needs a dim", lambda: ops.max([1.0], keepdim=True)),
        (TypeError, "min: keepdim needs a dim", lambda: ops.min([1.0], keepdim=True)),
        (TypeError, "matmul: expected floats", lambda: ops.matmul([1, 2], [1.0, 2.0])),
        (TypeError, "matmul: expected floats", lambda: ops.matmul([True], [True])),
        (ValueError, r"linear: shapes \(1,\) and \(1,\)", lambda: ops.linear([1.0], [1.0])),
        (ValueError, "weight and bias", lambda: ops.linear([1.0], [[1.0]], [[1.0]])),
        (ValueError, "weight and bias", lambda: ops.linear([1.0], [[1.0]], Value(1.0))),
        (TypeError, "does not fit into integers", lambda: ops.masked_fill([1], [True], 2.5)),
        (TypeError, "pow: expected numbers", lambda: ops.pow([True], [False])),
        (TypeError, "holds ints, not slice", lambda: ops.getitem([1.0, 2.0], [slice(1)])),
        (TypeError, "holds ints, not None", lambda: ops.getitem([1.0, 2.0], [None])),
    ],
)
def test_errors_say_what_is_wrong(error, message, call) -> None:
    with pytest.raises(error, match=message):
        call()
