"""What is folded of bfloat16 is read as it is stored, added up in float32, and rounded once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from recording import given

import cudagrad
from cudagrad import arrays, autocast, bfloat16, device, emulator, ops
from cudagrad.arrays import FLOAT32
from cudagrad.kernels import functions as f
from cudagrad.storage import BFLOAT16, rounded, widened

needs_emulator = pytest.mark.skipif(device.EXECUTOR != "emulator", reason="needs the emulator")
# Shapes and axes: columns, also of many lines in parts; rows, also long ones; first one, then the
# other; nothing to fold, and nothing folded.
FOLDS = [
    ((7, 5), (0,)),
    ((2, 1024, 33), (1,)),
    ((3, 70), (1,)),
    ((2, arrays.PART + 3), (1,)),
    ((5, 3, 4), (0, 2)),
    ((0, 3), (0,)),
    ((4, 6), ()),
]


def drawn(*shape: int) -> np.ndarray:
    """Numbers that bfloat16 holds."""
    rng = np.random.default_rng(math.prod(shape))
    return widened(rounded(rng.standard_normal(shape)))


@pytest.mark.launches
@pytest.mark.parametrize(("shape", "axes"), FOLDS, ids=map(str, FOLDS))
def test_a_sum_is_that_of_float32_rounded_once(
    shape: tuple[int, ...], axes: tuple[int, ...]
) -> None:
    """To the bit, in as many launches, and without a copy of it in float32."""
    numbers = drawn(*shape)
    small, wide = device.to_device(rounded(numbers)), device.to_device(numbers)
    with device.counting() as counts:
        want = arrays.to_host(arrays.total(wide, axes))
    launched = counts.launches
    for x, dtype in ((small, BFLOAT16), (small, FLOAT32), (wide, BFLOAT16)):
        with device.counting() as counts:
            sums = arrays.total(x, axes, dtype=dtype)
        assert sums.dtype == dtype
        as_stored = want if dtype == FLOAT32 else widened(rounded(want))
        assert np.array_equal(arrays.to_host(sums), as_stored)
        assert counts.launches == launched + (not axes and x.dtype != dtype)
        if axes and numbers.size and x is small:
            sizes = given(lambda dtype=dtype: arrays.total(small, axes, dtype=dtype))
            assert all(size < numbers.size for kind, size in sizes if kind == FLOAT32)


def test_any_fold_reads_it() -> None:
    numbers = drawn(6, 9)
    x = device.to_device(rounded(numbers))
    largest = arrays.fold(x, (0,), f.larger, -math.inf)
    product = arrays.fold(x, (1,), f.mul, 1, dtype=FLOAT32)

    assert largest.dtype == BFLOAT16
    assert np.array_equal(arrays.to_host(largest), numbers.max(0))
    assert np.allclose(arrays.to_host(product), numbers.prod(1), rtol=1e-6, atol=0)


@needs_emulator
def test_the_order_of_threads_changes_no_bit() -> None:
    x = device.to_device(rounded(drawn(512, 70)))
    for axes in ((0,), (1,)):
        forward = arrays.to_host(arrays.total(x, axes))
        for order in ("reversed", "random"):
            with emulator.order(order):
                assert np.array_equal(arrays.to_host(arrays.total(x, axes)), forward)


@pytest.mark.launches
def test_what_has_equal_ids_is_added_up_in_float32() -> None:
    """Of 1 and 300 parts of 2^-9 each bfloat16 would keep the 1."""
    rows = np.full((1, 301, 1), 2.0**-9)
    rows[0, 0] = 1
    ids = device.to_device(np.zeros(301, np.int64))
    sums = arrays.add_at(device.to_device(rounded(rows)), ids, 2)

    assert sums.dtype == BFLOAT16
    assert arrays.to_host(sums)[0, :, 0].tolist() == [widened(rounded(1 + 300 * 2.0**-9)), 0]


def test_gradients_of_what_was_stretched_are_no_copies_in_float32() -> None:
    """Of a layer's bias, and of a column, under autocast."""
    x, column = (cudagrad.tensor(drawn(*shape), bfloat16) for shape in ((256, 24), (256, 1)))
    weight, bias = (cudagrad.tensor(drawn(*shape), None, True) for shape in ((40, 24), (40,)))
    column.requires_grad_()
    with autocast():
        y = ops.linear(x, weight, bias) * column
    dout = cudagrad.tensor(drawn(256, 40), bfloat16)
    sizes = given(lambda: y.backward(dout))

    assert bias.grad is not None
    assert column.grad is not None
    assert bias.grad.dtype == FLOAT32
    assert column.grad.dtype is bfloat16
    assert (BFLOAT16, y.numel()) in sizes
    assert (np.dtype(FLOAT32), y.numel()) not in sizes
    terms = widened(rounded(drawn(256, 40) * drawn(256, 1)))  # what mul gives is rounded, too
    assert np.allclose(bias.grad.numpy(), terms.sum(0), rtol=2.0**-8, atol=1e-4)
