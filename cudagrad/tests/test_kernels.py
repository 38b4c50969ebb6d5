"""What the kernels promise: the same bits in any order of threads, one dtype, and all the maths."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

import numpy as np
import pytest
from op_calls import CALLS, DTYPES, arrays, backward, run

import cudagrad
from cudagrad import device, emulator, gpt, nn, ops, optim, random
from cudagrad.arrays import PART, Array, cast, empty, positions, reckoned
from cudagrad.kernels import random as random_kernels
from cudagrad.storage import BFLOAT16

needs_emulator = pytest.mark.skipif(device.EXECUTOR != "emulator", reason="needs the emulator")


def test_every_op_is_called() -> None:
    assert list(CALLS) == ops.__all__


@needs_emulator
@pytest.mark.parametrize("name", CALLS)
def test_neither_order_nor_form_changes_a_bit(name: str) -> None:
    expected = [array.tobytes() for array in arrays(name, np.float32)]
    for order in ("forward", "reversed", "random:1"):
        for way in (contextlib.nullcontext, emulator.generators):
            with emulator.order(order), way():
                assert [array.tobytes() for array in arrays(name, np.float32)] == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CALLS)
def test_results_and_gradients_keep_the_dtype(name: str, dtype: type) -> None:
    expected = DTYPES.get(name, np.dtype(dtype))

    assert {array.dtype for array in arrays(name, dtype)} == {expected}


@pytest.fixture
def _nothing_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only single elements may come back: a check of ids, or the loss, needs one."""
    to_host = device.to_host

    def guarded(array: Array) -> np.ndarray:
        assert array.size == 1, f"{array.shape} left the device"
        return to_host(array)

    monkeypatch.setattr(device, "to_host", guarded)


@needs_emulator
def test_numpy_can_do_nothing_with_a_device_array() -> None:
    with pytest.raises(TypeError):
        np.add(cudagrad.tensor([1.0, 2.0]).data, 1)


@pytest.mark.usefixtures("_nothing_leaves")
@pytest.mark.parametrize("name", CALLS)
def test_all_maths_happens_on_the_device(name: str) -> None:
    out, tensors = run(name, np.float32)

    assert {tensor.grad is not None for tensor in tensors} <= {out.requires_grad}


@pytest.mark.usefixtures("_nothing_leaves")
def test_a_training_step_happens_on_the_device() -> None:
    model = gpt.GPT(gpt.GPTConfig(11, 5, 1, 2, 6, dropout=0.1))
    optimizer = optim.AdamW(model.parameters())
    idx = np.arange(10).reshape(2, 5)
    _, loss = model(idx, idx)
    loss.backward()
    optimizer.step()

    assert np.isfinite(loss.item())


OPTIMIZERS = (
    lambda params: optim.SGD(params, 0.1, 0.9, weight_decay=0.1),
    lambda params: optim.Adagrad(params, 0.1),
    lambda params: optim.RMSprop(params, 0.1, momentum=0.5, centered=True),
    lambda params: optim.Adam(params, 0.1, weight_decay=0.1, amsgrad=True),
    lambda params: optim.AdamW(params, 0.1),
)


def stepped(make: Callable, dtype: type) -> list[np.ndarray]:
    """A parameter of several blocks, and its state, after three steps."""
    numbers = np.random.default_rng(0).standard_normal((4, 3 * device.BLOCK + 5)).astype(dtype)
    x = nn.Parameter(numbers[0])
    optimizer = make([x])
    for gradient in numbers[1:]:
        x.grad = cudagrad.tensor(gradient)
        optimizer.step()
    state = optimizer.state_dict()["state"][0]
    return [x.detach().numpy(), *(array for name, array in state.items() if name != "step")]


@needs_emulator
@pytest.mark.parametrize("make", OPTIMIZERS)
def test_the_order_of_threads_changes_no_bit_of_a_step(make: Callable) -> None:
    forward = [array.tobytes() for array in stepped(make, np.float32)]
    with emulator.order("reversed"):
        backward = [array.tobytes() for array in stepped(make, np.float32)]

    assert forward == backward


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_steps_in_float32_lead_where_those_in_float64_do(make: Callable) -> None:
    for single, double in zip(stepped(make, np.float32), stepped(make, np.float64), strict=True):
        assert (single.dtype, double.dtype) == (np.float32, np.float64)
        assert np.allclose(single, double, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("_nothing_leaves")
def test_gradients_are_clipped_on_the_device() -> None:
    x = nn.Parameter(np.ones((2, 3)))
    x.grad = cudagrad.tensor(np.full((2, 3), 5.0))
    total = nn.utils.clip_grad_norm_([x], 1.0)
    nn.utils.clip_grad_value_([x], 0.1)

    assert total.item() == pytest.approx(math.sqrt(150))


def test_gelu_of_float32_keeps_its_digits_where_it_is_small() -> None:
    numbers = np.linspace(-12, 12, 9601, dtype=np.float32)
    x = cudagrad.tensor(numbers, requires_grad=True)
    y = ops.gelu(x)
    y.backward(np.ones_like(numbers))

    exact = numbers.astype(np.float64)
    share = np.array([0.5 * math.erfc(-number * math.sqrt(0.5)) for number in exact])
    slope = share + exact * np.exp(-exact * exact / 2) / math.sqrt(2 * math.pi)
    eps = np.finfo(np.float32).eps
    wanted = exact * share
    apart = np.abs(y.detach().numpy() - wanted) / np.maximum(np.abs(wanted), 1e-37)
    assert apart[np.abs(exact) <= 5].max() <= 6 * eps  # by 1 + erf, more than a million
    assert apart.max() <= 34 * eps
    assert np.abs(x.grad.numpy() - slope).max() <= 2 * eps
    ends = ops.gelu(cudagrad.tensor([np.inf, -np.inf, np.nan])).numpy()
    np.testing.assert_array_equal(ends, [np.inf, np.nan, np.nan])  # as torch's, and float64's


def test_long_rows_are_summed_in_parts() -> None:
    n = 33 * PART + 3
    x = np.random.default_rng(0).random(n, np.float32)
    total = ops.sum(cudagrad.tensor(x)).item()

    assert abs(total - x.sum(dtype=np.float64)) < 4 * np.finfo(np.float32).eps * total


@pytest.mark.parametrize("product", [ops.dot, ops.matmul])
def test_products_of_long_vectors_are_summed_in_parts(product: Callable) -> None:
    x, y = np.random.default_rng(0).random((2, 33 * PART + 3), np.float32)
    total = product(cudagrad.tensor(x), cudagrad.tensor(y)).item()
    exact = np.dot(x.astype(np.float64), y)

    assert abs(total - exact) < 4 * np.finfo(np.float32).eps * exact


@pytest.mark.parametrize("at", [0, 33 * PART, -1])
def test_one_element_of_a_long_row_is_found(at: int) -> None:
    x = np.zeros(33 * PART + 3, np.float32)
    x[at] = -7.0
    tensor = cudagrad.tensor(x)

    assert ops.any(tensor).item()
    assert not ops.all(tensor).item()
    assert ops.amin(tensor).item() == ops.min(tensor).item() == -7.0
    assert ops.argmin(tensor).item() == at % x.size


@pytest.mark.parametrize("n", [device.BLOCK - 1, device.BLOCK, 3 * device.BLOCK + 5])
def test_rows_longer_than_a_block_are_scanned(n: int) -> None:
    x = np.random.default_rng(0).uniform(0.9, 1.1, (2, n, 3))
    tensor = cudagrad.tensor(x, requires_grad=True)
    sums, product = ops.cumsum(tensor, 1), ops.prod(tensor, 1)
    sums.backward(np.ones(x.shape))
    after = tensor.grad.numpy()
    tensor.grad = None
    product.backward(np.ones((2, 3)))

    assert np.allclose(sums.detach().numpy(), x.cumsum(1), rtol=1e-12)
    assert (after == np.arange(n, 0, -1)[:, None]).all()
    assert np.allclose(product.detach().numpy(), x.prod(1), rtol=1e-12)
    assert np.allclose(tensor.grad.numpy(), x.prod(1, keepdims=True) / x, rtol=1e-12)


def test_a_product_may_have_more_tiles_than_a_grid_has_rows() -> None:
    x = np.arange(65536 * device.TILE + 1, dtype=np.float32)
    row = ops.matmul(cudagrad.tensor([[2.0]]), cudagrad.tensor(x[None]))

    assert (row.numpy()[0] == 2 * x).all()


@needs_emulator
def test_a_transpose_that_moves_no_element_is_no_copy() -> None:
    x = cudagrad.tensor(np.zeros((1, 5, 1, 7)))
    moved, swapped = ops.permute(x, (1, 0, 3, 2)), ops.permute(x, (0, 3, 2, 1))

    assert moved.shape == (5, 1, 7, 1)
    assert np.shares_memory(moved.data.memory, x.data.memory)
    assert not np.shares_memory(swapped.data.memory, x.data.memory)


def test_a_mask_longer_than_a_block_finds_its_positions() -> None:
    mask = np.random.default_rng(0).random(5 * device.BLOCK + 7) < 0.3
    found = positions(cudagrad.tensor(mask).data)

    assert device.to_host(found).tolist() == np.flatnonzero(mask).tolist()


def test_arrays_too_long_for_32_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="kernels count in 32 bits"):
        ops.expand(cudagrad.tensor(1.0), (2**16, 2**16))


@pytest.mark.launches
@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (np.dtype(np.float32), 2.0**23, 2.0**23 + 1),
        (np.dtype(np.float64), 2.0**52, 2.0**52 + 1),
        (BFLOAT16, 128.0, 129.0),
    ],
)
def test_a_number_that_rounds_up_to_the_end_of_its_range_is_the_start(
    dtype: np.dtype, low: float, high: float
) -> None:
    """There are two numbers here, and every other one drawn lies nearer to the second."""
    drawn = cast(random.uniform((100,), low, high, dtype), reckoned(dtype))

    assert (device.to_host(drawn) == low).all()


@pytest.mark.launches
def test_numbers_of_float64_are_drawn_with_all_their_bits() -> None:
    drawn = device.to_host(random.uniform((100,), 0.0, 2.0**24, np.float64))

    assert (drawn % 1 > 0).all()


@device.jit
def four_words(seed, draw, i, out) -> None:
    a, b, c, d = random_kernels.philox(seed, draw, i)
    out[0] = a
    out[1] = b
    out[2] = c
    out[3] = d


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF,) * 2,
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_random_words_are_philox(
    counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    """The known answers of Philox4x32 with 10 rounds in its authors' distribution, Random123."""
    out = empty((4,), np.int64)
    seed, draw, i = (
        np.uint64(low | high << 32)
        for low, high in (key, (counter[1], counter[3]), (counter[0], counter[2]))
    )
    four_words[1, 1](seed, draw, i, out)

    assert device.to_host(out).tolist() == list(expected)


@pytest.mark.parametrize("p", [0.25, 0.3])
def test_dropped_are_the_words_below_the_probability(p: float) -> None:
    cudagrad.manual_seed(2**40 + 3)
    kept = ops.dropout(cudagrad.tensor(np.ones(50, np.float32)), p).numpy()
    words = []
    for i in range(13):
        out = empty((4,), np.int64)
        four_words[1, 1](np.uint64(2**40 + 3), np.uint64(1), np.uint64(i), out)
        words += device.to_host(out).tolist()

    assert ((kept == 0) == (np.array(words[:50]) < round(p * 2**32))).all()


def test_dropout_is_a_function_of_seed_and_position() -> None:
    cudagrad.manual_seed(5)
    whole = ops.dropout(cudagrad.tensor(np.ones(1000, np.float32)), 0.25).numpy()
    cudagrad.manual_seed(5)
    part = ops.dropout(cudagrad.tensor(np.ones((3, 100))), 0.25).numpy()

    assert part.ravel().tolist() == pytest.approx(whole[:300].tolist())
    assert set(whole.tolist()) == {0.0, np.float32(1 / 0.75)}
    assert 0.2 < (whole == 0).mean() < 0.3


@pytest.mark.parametrize("name", CALLS)
def test_a_leafs_gradient_is_an_array_of_its_own(name: str) -> None:
    """Who spoils it spoils nothing that the graph keeps, nor another leaf's gradient."""
    out, tensors = run(name, np.float64, retain_graph=True)
    first = [None if x.grad is None else x.grad.numpy() for x in tensors]
    for x, before in zip(tensors, first, strict=True):
        if x.grad is not None and before is not None:
            assert np.array_equal(x.grad.numpy(), before, equal_nan=True)
            device.write(np.full(x.grad.shape, np.nan), x.grad.data)
            x.grad = None
    if out.requires_grad and tensors:
        backward(name, out, retain_graph=False)
    for x, before in zip(tensors, first, strict=True):
        assert (x.grad is None) == (before is None)
        if x.grad is not None and before is not None:
            assert np.array_equal(x.grad.numpy(), before)
