"""What the spec cannot show of the ops: tensors' methods and operators, exact integers, ties."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import minigrad
from minigrad import ops
from minigrad.ops.indexing import FEW, TURNS, summed_rows
from minigrad.rows import BLOCK, LONG, SMALL, small_products
from minigrad.silence import silent


def test_a_clone_is_a_copy_and_so_is_what_was_not_contiguous() -> None:
    x = minigrad.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])

    assert not np.shares_memory(x.clone().data, x.data)
    assert x.contiguous().data is x.data
    assert x.t().contiguous().data.flags.c_contiguous


def test_comparisons_ask_every_element() -> None:
    x = minigrad.tensor([1.0, 2.0, 3.0])
    two = np.array([2.0, 2.0, 2.0])

    assert (x < 2).tolist() == (2 > x).tolist() == (two > x).tolist() == [True, False, False]
    assert (x == two).tolist() == (two == x).tolist() == [False, True, False]
    assert (x != 2.0).tolist() == [True, False, True]
    assert (x >= x).dtype == np.bool_
    with pytest.raises(ValueError, match="eq: shapes"):
        x == minigrad.tensor([1.0, 2.0])  # noqa: B015


def test_what_is_no_number_is_not_equal() -> None:
    x = minigrad.tensor([1.0])

    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert (x == "1") is False
    with pytest.raises(TypeError):
        x < None  # noqa: B015


def test_a_tensor_is_itself_in_sets_and_lists() -> None:
    x, other = minigrad.tensor([1.0, 2.0]), minigrad.tensor([1.0, 2.0])

    assert x in {x}
    assert other not in {x}
    assert {x: "x", other: "other"}[other] == "other"
    assert x in [x]


def test_booleans_are_connected_by_signs_and_nothing_else_is() -> None:
    a, b = minigrad.tensor([True, True, False]), minigrad.tensor([True, False, False])

    assert (a & b).tolist() == [True, False, False]
    assert (a | b).tolist() == (True & a).tolist() == [True, True, False]
    assert (~a).tolist() == [False, False, True]
    for wrong in (minigrad.tensor([1, 0, 1]), 1, 1.0):
        with pytest.raises(TypeError, match="for booleans"):
            a & wrong
    with pytest.raises(TypeError, match="for booleans"):
        ~minigrad.tensor([1.0])


def test_methods_are_the_functions_of_their_names() -> None:
    x = minigrad.tensor(np.arange(6.0).reshape(2, 3))

    assert abs(-x).tolist() == x.abs().tolist() == x.tolist()
    assert x.repeat(2, 1).shape == x.repeat((2, 1)).shape == (4, 3)
    assert x.broadcast_to(4, 2, 3).shape == x.expand(4, -1, -1).shape == (4, 2, 3)
    assert x.flip(0, 1).tolist() == x.flip((0, 1)).tolist()
    assert [part.tolist() for part in x.topk(1)] == [[[2.0], [5.0]], [[2], [2]]]
    assert x.max(x.T.reshape(2, 3)).shape == (2, 3)


def test_new_tensors_are_leaves() -> None:
    x = ops.full((2, 3), 1.5, requires_grad=True)
    (x * ops.arange(3)).sum().backward()

    assert x.grad.tolist() == [[0.0, 1.0, 2.0]] * 2
    assert ops.zeros(3, dtype=np.float64).dtype == np.float64
    assert not ops.ones_like(x).requires_grad
    with pytest.raises(TypeError, match="only floating tensors"):
        ops.arange(3, requires_grad=True)
    with pytest.raises(ValueError, match="full: fill_value 300 does not fit into uint8"):
        ops.full(2, 300, dtype=np.uint8)


def test_a_number_that_does_not_fit_is_refused() -> None:
    x = ops.ones(2, dtype=np.uint8)
    for refused in (
        lambda: x.masked_fill(x > 0, 300),
        lambda: x.scatter(0, minigrad.tensor([0]), 300),
        lambda: ops.pad(x, (1, 1), value=300),
        lambda: x.clamp(max=300),
        lambda: x.add(x, alpha=300),
        lambda: ops.hardtanh(x, -1, 1),
    ):
        with pytest.raises(ValueError, match="uint8"):
            refused()
    assert x.masked_fill(x > 0, -1).tolist() == [255, 255]


def test_what_a_mask_leaves_out_passes_no_infinity_on() -> None:
    x = minigrad.tensor([-1.0, 2.0], requires_grad=True)
    x.relu().backward(np.array([np.inf, -np.inf], np.float32))

    assert x.grad.tolist() == [0.0, -np.inf]


def test_gelu_by_tanh_keeps_its_digits_where_it_is_small() -> None:
    numbers = np.linspace(-5, 5, 4001, dtype=np.float32)
    x = minigrad.tensor(numbers, requires_grad=True)
    y = ops.gelu(x, approximate="tanh")
    y.backward(np.ones_like(numbers))

    exact = numbers.astype(np.float64)
    twice = 2 * math.sqrt(2 / math.pi) * (exact + 0.044715 * exact**3)
    share, rest = 1 / (1 + np.exp(-twice)), 1 / (1 + np.exp(twice))
    steepness = 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * exact**2)
    wanted, slope = exact * share, share * (1 + exact * rest * steepness)
    eps = np.finfo(np.float32).eps
    apart = np.abs(y.detach().numpy() - wanted)
    assert np.all(apart <= 50 * eps * np.abs(wanted))  # with 1 + tanh it would be a million
    assert np.abs(x.grad.numpy() - slope).max() <= 3 * eps


def test_gelu_by_tanh_has_no_slope_where_its_exponential_overflows() -> None:
    x = minigrad.tensor([-30.0, -1e5, 30.0, 1e5], requires_grad=True)
    y = ops.gelu(x, approximate="tanh")
    y.backward([1.0] * 4)

    assert y.tolist() == [0.0, 0.0, 30.0, 1e5]
    assert x.grad.tolist() == [0.0, 0.0, 1.0, 1.0]


def test_random_numbers_follow_the_seed() -> None:
    minigrad.manual_seed(5)
    first = ops.randn((3, 2))
    minigrad.manual_seed(5)

    assert ops.randn((3, 2)).tolist() == first.tolist()
    assert first.dtype == np.float32


def test_integers_are_added_exactly() -> None:
    large = 2**53  # the next odd number is no float64
    index = minigrad.tensor([1, 0, 1])
    added = ops.scatter_add(minigrad.tensor([0, 1]), 0, index, minigrad.tensor([large, 5, 1]))

    assert added.tolist() == [5, large + 2]


def test_of_several_nans_in_a_window_the_last_wins_as_in_torch() -> None:
    nan, inf = np.nan, np.inf
    x = minigrad.tensor([[[nan, 1.0, -inf], [nan, 2.0, -inf]]], requires_grad=True)
    values, places = ops.max_pool2d(x, 2, 1, return_indices=True)
    values.backward(np.ones((1, 1, 2)))

    assert places.tolist() == [[[3, 4]]]
    assert x.grad.tolist() == [[[0.0, 0.0, 0.0], [1.0, 1.0, 0.0]]]


def test_more_places_in_a_window_than_fit_into_a_byte() -> None:
    image = np.arange(289.0).reshape(1, 1, 17, 17)
    x = minigrad.tensor(image, requires_grad=True)
    largest, places = ops.max_pool2d(x, 17, return_indices=True)
    largest.sum().backward()

    assert places.item() == 288
    assert x.grad.numpy().ravel().nonzero()[0].tolist() == [288]


@pytest.mark.parametrize("channels", [3, 1], ids=["sums", "one product each"])
def test_a_long_signal_is_convolved_piece_by_piece_like_its_parts(channels: int) -> None:
    length, kernel = SMALL // 9, 4
    assert len(small_products(5, channels * kernel, length)) > 1
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(1, channels, length + kernel - 1))
    x = minigrad.tensor(signal, requires_grad=True)
    weight = minigrad.tensor(rng.normal(size=(5, channels, kernel)), requires_grad=True)
    dout = rng.normal(size=(1, 5, length))
    y = ops.conv1d(x, weight)
    y.backward(dout)

    windows = np.lib.stride_tricks.sliding_window_view(signal[0], kernel, axis=-1)  # (C, L, K)
    np.testing.assert_allclose(
        y.data, np.einsum("clk,ock->ol", windows, weight.data)[None], rtol=1e-9, atol=1e-12
    )
    dweight = np.einsum("clk,ol->ock", windows, dout[0])
    np.testing.assert_allclose(weight.grad.numpy(), dweight, rtol=1e-10)
    dx = np.zeros_like(signal)
    for k in range(kernel):
        dx[0, :, k : k + length] += np.einsum("oc,ol->cl", weight.data[:, :, k], dout[0])
    np.testing.assert_allclose(x.grad.numpy(), dx, rtol=1e-10, atol=1e-12)


def test_a_window_of_padding_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="no window sees nothing else"):
        ops.max_pool2d(minigrad.tensor(np.zeros((1, 1, 5))), (2, 1), padding=(1, 0), dilation=2)


def test_a_convolution_without_output_channels_is_refused() -> None:
    x, weight = minigrad.tensor(np.ones((1, 3, 2, 4))), minigrad.tensor(np.ones((0, 3, 1, 1)))
    with pytest.raises(ValueError, match=r"conv2d: shapes .* do not fit in 1 groups"):
        ops.conv2d(x, weight)


@pytest.mark.parametrize("size", [(0, 3), (3, 0), (0, 0)])
def test_no_windows_have_a_gradient_of_zeros(size: tuple[int, int]) -> None:
    x = minigrad.tensor(np.ones((1, 2, 5, 7)), requires_grad=True)
    y = ops.adaptive_avg_pool2d(x, size)
    y.sum().backward()

    assert y.shape == (1, 2, *size)
    assert x.grad.tolist() == np.zeros(x.shape).tolist()


def test_an_empty_vector_that_is_joined_to_a_matrix_has_an_empty_gradient() -> None:
    empty = minigrad.tensor(np.zeros(0), requires_grad=True)
    matrix = minigrad.tensor(np.ones((2, 3)), requires_grad=True)
    ops.cat([empty, matrix]).sum().backward()

    assert empty.grad.shape == (0,)
    assert matrix.grad.tolist() == [[1.0] * 3] * 2


def test_einsum_computes_only_the_gradients_that_are_needed() -> None:
    x = minigrad.tensor(np.ones((2, 3)), requires_grad=True)
    y = minigrad.tensor(np.arange(3.0))
    out = ops.einsum("ij,j->i", [x, y])
    grads = out.pull(np.ones(2))

    assert [grad is None for grad in grads] == [True, False, True]


def test_long_rows_are_normalized_like_short_ones_and_leave_the_buffer_of_numpy_alone() -> None:
    rng, before = np.random.default_rng(0), np.getbufsize()
    x = minigrad.tensor(3 + rng.normal(size=(2, 4, LONG + 1)), requires_grad=True)
    weight, bias = (minigrad.tensor(rng.normal(size=4), requires_grad=True) for _ in range(2))
    dout = rng.normal(size=x.shape)

    with silent():  # else each op restores the buffer when it ends
        y = ops.group_norm(x, 2, weight, bias)
        assert np.getbufsize() == before
    y.backward(dout)
    grads = [leaf.grad.numpy() for leaf in (x, weight, bias)]

    groups = ops.reshape(x.detach(), (2, 2, -1)).requires_grad_()
    normal = ops.layer_norm(groups, groups.shape[2:])  # another op, with rows that no other meets
    normal = ops.reshape(normal, x.shape)
    want = ops.add(ops.mul(normal, weight.reshape(4, 1)), bias.reshape(4, 1))
    weight.grad = bias.grad = None
    want.backward(dout)
    assert np.allclose(y.detach().numpy(), want.detach().numpy(), rtol=0, atol=1e-12)
    for got, leaf in zip(grads, (groups, weight, bias), strict=True):
        assert np.allclose(got.reshape(leaf.shape), leaf.grad.numpy(), rtol=0, atol=1e-11)


@pytest.mark.filterwarnings("error")
def test_a_mean_of_nothing_is_nan_without_a_warning() -> None:
    x = minigrad.tensor(np.zeros((2, 0)), requires_grad=True)
    ops.rms_norm(x, (0,)).backward(np.zeros((2, 0)))

    assert x.grad.shape == (2, 0)
    assert math.isnan(ops.mean(x).item())


@pytest.mark.parametrize("dtype", ["uint8", "int64"])
@pytest.mark.parametrize("count", [40, 4000])
def test_few_rows_are_summed_like_many(count: int, dtype: str) -> None:
    rng, width = np.random.default_rng(0), 20
    assert (count * width > FEW) == (count == 4000)
    table = minigrad.tensor(np.zeros((200, width)), requires_grad=True)
    ids, dout = rng.integers(200, size=count).astype(dtype), rng.normal(size=(count, width))

    ops.embedding(ids, table).backward(dout)

    want = np.zeros((200, width))
    for place, row in zip(ids, dout, strict=True):
        want[place] += row
    assert (table.grad.numpy() == want).all()


def test_one_row_goes_through_a_large_weight_as_several_do() -> None:
    rng = np.random.default_rng(0)
    weight = minigrad.tensor(rng.integers(-3, 4, size=(BLOCK // 256 + 1, 256)), dtype="float32")
    rows = minigrad.tensor(rng.integers(-3, 4, size=(2, 256)), dtype="float32")  # sums are exact
    bias = minigrad.tensor(np.arange(len(weight)), dtype="float32")

    several = ops.linear(rows, weight, bias).numpy()
    for shape in ((256,), (1, 256), (1, 1, 256)):
        one = ops.linear(rows[1].reshape(shape), weight, bias)
        assert one.shape == (*shape[:-1], len(weight))
        assert np.array_equal(one.numpy().reshape(-1), several[1])


def test_the_rows_of_a_frequent_place_are_added_like_those_of_others() -> None:
    generator = np.random.default_rng(0)
    places = generator.integers(0, 50, 9 * TURNS)  # about ten times each
    places[generator.random(places.size) < 0.7] = 7
    places[generator.random(places.size) < 0.2] = 0
    assert np.sum(np.bincount(places) > TURNS) == 2
    values = generator.integers(-9, 9, (places.size, 8)).astype(np.float32)  # added exactly
    assert values.size > FEW

    expected = np.zeros((50, 8), np.float32)
    np.add.at(expected, places, values)
    assert np.array_equal(summed_rows(values, places, 50), expected)


def test_an_index_that_does_not_fit_is_refused_with_the_shape() -> None:
    x = minigrad.tensor(np.zeros((2, 3)))
    mask = minigrad.tensor([True, False])

    for index, words in (
        (5, "5 is out of range for dim 0"),
        ((0, -4), "-4 is out of range for dim 1"),
        ((..., minigrad.tensor([2, 3])), "3 is out of range for dim 1"),
        ((slice(0, 0), 7), "7 is out of range for dim 1"),
        ((0, 0, None, 0), "3 indices"),
        ((..., ...), "more than one Ellipsis,"),
        ((..., mask), "a mask of shape (2,) for dims (3,)"),
        (([0, 0], [0, 1, 0]), "indices of shapes (2,) and (3,) do not broadcast,"),
    ):
        message = re.escape(f"getitem: {words}") + r" (of|for) shape \(2, 3\)$"
        with pytest.raises(IndexError, match=message):
            x[index]


@pytest.mark.parametrize(("dtype", "size"), [(np.int8, 300), (np.int16, 70_000)])
def test_a_negative_id_of_a_narrow_dtype_is_refused(dtype: type, size: int) -> None:
    table = minigrad.tensor(np.zeros((size, 1)))

    with pytest.raises(IndexError, match=f"-1 is out of range \\[0, {size - 1}\\]"):
        ops.embedding(np.array([-1], dtype), table)
