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
    """Ints alone stay ints, as torch's int64; a float or a Value among them makes Values."""
    assert ops.add([1, 2], 3) == [4, 5]
    assert ops.sum([True, True]) == 2
    assert ops.pow([True, False], 2) == [1, 0]
    assert ops.pow([], []) == []
    assert ops.mul([True, False], [True, True]) == [True, False]
    assert ops.max([[3, 5], [4, 2]], dim=0) == ([4, 5], [1, 0])
    assert ops.matmul([[1, 2]], [3, 4]) == [11]
    assert ops.linear([1, 2], [[3, 4], [5, 6]], [7, 8]) == [18, 25]
    assert ops.masked_fill([1, 2], [True, False], 3) == [3, 2]
    assert ops.div([7, -7], 2, rounding_mode="trunc") == [3, -3]
    assert ops.div([7, -7], 2, rounding_mode="floor") == [3, -4]
    assert ops.square([True, False]) == [1, 0]
    assert ops.clamp([1, 5, 9], 2, 6) == [2, 5, 6]
    assert ops.prod([2, 3, 4]) == 24
    assert ops.cumsum([True, True, False], 0) == [1, 2, 2]
    assert ops.tril([[True, True], [True, True]]) == [[True, False], [True, True]]
    assert ops.sort([2, 3, 1], descending=True) == ([3, 2, 1], [1, 0, 2])
    assert ops.scatter_add([1, 2], 0, [0, 0], [10, 20]) == [31, 2]
    assert ops.einsum("ij,j", [[1, 2], [3, 4]], [5, 6]) == [17, 39]
    assert ops.conv1d([[1, 2, 3]], [[[1, 1]]], [10]) == [[13, 15]]
    assert ops.avg_pool2d([[[1, 2], [4, 5]]], 2) == [[[3]]]
    assert micrograd.tolist(ops.div([1, 2], 2)) == [0.5, 1.0]
    assert micrograd.tolist(ops.add([1, 2], 0.5)) == [1.5, 2.5]


def test_bools_beside_ints_become_ints() -> None:
    """True == 1 in Python: only their repr tells them apart."""
    assert repr(ops.where([True, False], [True, True], [2, 3])) == "[1, 3]"
    assert repr(ops.maximum([True, False], 0)) == "[1, 0]"
    assert repr(ops.clamp([True, False], 0, 1)) == "[1, 0]"
    assert repr(ops.cat([[True], [2]])) == "[1, 2]"
    assert repr(ops.masked_fill([True, False], [True, False], 2)) == "[True, False]"
    assert repr(ops.masked_fill([4, 5], [True, False], True)) == "[1, 5]"


def test_comparisons_make_bools() -> None:
    x = micrograd.tensor([1.0, math.nan, -math.inf], requires_grad=True)

    assert ops.ge(x, [1, 1, 1]) == [True, False, False]
    assert ops.isfinite(x) == [True, False, False]
    assert ops.logical_or([0, 2], False) == [False, True]
    assert ops.any(x) is True
    assert ops.all([[1, 0], [2, 3]], dim=1) == [False, True]


def test_running_statistics_stay_what_they_are() -> None:
    """The lists are changed in place: Values become new Values, floats stay floats."""
    x = [[1.0, 2.0], [3.0, 6.0]]
    mean, var = [0.0, 1.0], micrograd.tensor([1.0, 2.0])
    before = list(var)
    ops.batch_norm(x, mean, var, training=True, momentum=0.5)

    assert mean == [1.0, 2.5]
    assert micrograd.tolist(var) == [1.5, 5.0]
    assert [value.data for value in before] == [1.0, 2.0]
    with pytest.raises(ValueError, match="weight of shape"):
        ops.batch_norm(x, mean, var, weight=[1.0], training=True)
    assert mean == [1.0, 2.5]


def test_a_clone_is_new() -> None:
    x = micrograd.tensor([1.0, 2.0], requires_grad=True)
    y = ops.clone(x)
    x[0].data = 5.0

    assert micrograd.tolist(y) == [1.0, 2.0]
    assert ops.contiguous(x)[0] is x[0]


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
    "op",
    [
        "add",
        "exp",
        "relu",
        "gelu",
        "softmax",
        "mean",
        "sum",
        "sort",
        "argmax",
        "cumsum",
        "t",
        "unbind",
        "square",
    ],
)
def test_what_is_no_tensor_is_refused_by_the_name_of_the_op(op: str) -> None:
    function, rest = getattr(ops, op), {"add": [1.0], "softmax": [0], "cumsum": [0]}
    for x, error, message in (
        ([[1.0], [1.0, 2.0]], ValueError, "the lists of one level differ in length"),
        ([1.0, [2.0]], ValueError, "some items of one level are lists, some are not"),
        (["a"], TypeError, "expected a number, not str"),
    ):
        if op != "unbind" or error is ValueError:  # which looks at no item
            with pytest.raises(error, match=f"^{op}: {message}"):
                function(x, *rest.get(op, []))
    with pytest.raises(TypeError, match=r"^tensor: expected a number, not str"):
        micrograd.tensor([1.0, "a"])


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
        (ValueError, r"linear: shapes \(1,\) and \(2,\)", lambda: ops.linear([1.0], [1.0] * 2)),
        (ValueError, "linear: bias of shape", lambda: ops.linear([1.0], [[1.0]], [[1.0]])),
        (ValueError, "linear: bias of shape", lambda: ops.linear([1.0], [[1.0]], Value(1.0))),
        (ValueError, "nan is not an integer", lambda: ops.masked_fill([1], [True], math.nan)),
        (TypeError, "pow: expected numbers", lambda: ops.pow([True], [False])),
        (TypeError, "holds ints, not slice", lambda: ops.getitem([1.0, 2.0], [slice(1)])),
        (TypeError, "holds ints, not None", lambda: ops.getitem([1.0, 2.0], [None])),
        (TypeError, "dtype must be float, int or bool", lambda: ops.zeros((2,), dtype=str)),
        (TypeError, "only floats can require", lambda: ops.ones(2, dtype=int, requires_grad=True)),
        (TypeError, "a shape is for zeros", lambda: ops.zeros_like((2, 3))),
        (ValueError, "full: inf is not an integer", lambda: ops.full(2, math.inf, dtype=int)),
        (ValueError, "pad: nan is not an integer", lambda: ops.pad([1, 2], (1, 0), value=math.nan)),
        (ValueError, "hardtanh: inf is not an", lambda: ops.hardtanh([1], max_val=math.inf)),
        (ValueError, "steps of -1 do not lead", lambda: ops.arange(0, 3, -1)),
        (ValueError, r"cannot be written as nested lists", lambda: ops.one_hot([], 3)),
        (
            ZeroDivisionError,
            "div: an integer is divided by 0",
            lambda: ops.div([1], [0], rounding_mode="floor"),
        ),
        (ValueError, "None, trunc, floor", lambda: ops.div([1.0], 2.0, rounding_mode="up")),
        (TypeError, "add: alpha of ints may not", lambda: ops.add([1], [2], alpha=0.5)),
        (TypeError, "add: expected a number", lambda: ops.add([1.0], None, alpha=0.5)),
        (TypeError, "max: another tensor excludes", lambda: ops.max([1.0], 0, other=[2.0])),
        (IndexError, "gather: index -1", lambda: ops.gather([1.0, 2.0], 0, [-1])),
        (ValueError, r"gather: index of shape \(1, 1\)", lambda: ops.gather([1.0], 0, [[0]])),
        (TypeError, "src must be of x's dtype", lambda: ops.scatter([1.0], 0, [0], [2])),
        (IndexError, "more than one Ellipsis", lambda: ops.getitem([1.0], (..., ...))),
        (ValueError, "2 operands for 'i->i'", lambda: ops.einsum("i->i", [1.0], [1.0])),
        (ValueError, "'j' is of two lengths", lambda: ops.einsum("jj", [[1.0], [1.0]])),
        (TypeError, "has no gradient", lambda: ops.nll_loss([1.0], 0, [Value(1.0, True)])),
        (ValueError, "must be between 0 and 1", lambda: ops.binary_cross_entropy([2.0], [1.0])),
        (ValueError, "no window of", lambda: ops.conv1d([[1.0]], [[[1.0, 2.0]]])),
        (ValueError, "nothing of shape", lambda: ops.max_pool2d([[[1.0]]], 2, 1, 1, 2)),
        (TypeError, "var: correction must be", lambda: ops.var([1.0, 2.0], correction="1")),
        (TypeError, "layer_norm: eps must be", lambda: ops.layer_norm([1.0, 2.0], 2, eps=None)),
        (TypeError, "layer_norm: weight: exp", lambda: ops.layer_norm([1.0, 2.0], 2, [1, 2])),
        (TypeError, "dropout: p must be a number", lambda: ops.dropout([1.0], None)),
        (TypeError, "ignore_index must be", lambda: ops.nll_loss([1.0], 0, ignore_index=None)),
        (TypeError, "l1_loss: expected floats", lambda: ops.l1_loss([1, 2], [3, 4])),
        (ValueError, "constant, not 'reflect'", lambda: ops.pad([1.0], (1, 1), "reflect")),
    ],
)
def test_errors_say_what_is_wrong(error, message, call) -> None:
    with pytest.raises(error, match=message):
        call()
