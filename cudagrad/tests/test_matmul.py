"""The ladder: every rung computes the same product, and tensor cores round as they are told."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from recording import given

import cudagrad
from cudagrad import arrays, device, emulator, ops
from cudagrad.kernels import functions as f
from cudagrad.kernels.matmul import (
    LADDER,
    REGISTER_TILED,
    STORED,
    TF32,
    TILED,
    VECTORIZED,
    Rung,
    choose,
)
from cudagrad.storage import BFLOAT16

needs_emulator = pytest.mark.skipif(device.EXECUTOR != "emulator", reason="needs the emulator")
CASES = [(rung, dtype) for rung in LADDER for dtype in rung.dtypes]
each_case = pytest.mark.parametrize(
    ("rung", "dtype"), CASES, ids=[f"{rung.name}-{dtype.__name__}" for rung, dtype in CASES]
)
each_layout = pytest.mark.parametrize("swapped", [(False, False), (False, True), (True, False)])
# batch, m, k, n
SHAPES = [
    (1, 1, 1, 1),
    (1, 31, 32, 33),
    (2, 33, 31, 65),
    (1, 65, 127, 31),
    (1, 127, 33, 129),
    (3, 128, 16, 132),
    (1, 132, 20, 136),
    (1, 1, 65, 127),
    (1, 129, 1, 1),
    (1, 5, 0, 3),
]


def to_format(x: np.ndarray, precision: str) -> np.ndarray:
    """x as a tensor core sees it, reckoned by arithmetic instead of by bits."""
    if precision == "float32":
        return x.astype(np.float64)
    fraction, exponent = np.frexp(x.astype(np.float64))
    if precision == "tf32":  # ties away from zero
        scaled = fraction * 2.0**11
        rounded = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled) / 2.0**11
    else:
        rounded = np.rint(fraction * 2.0**8) / 2.0**8
    return np.ldexp(rounded, exponent)


def drawn(shape: tuple[int, ...], dtype: type, swapped: bool) -> tuple[np.ndarray, Any]:
    """Matrices, and the same on the device, stored with the last two dims exchanged if swapped."""
    x = np.random.default_rng(math.prod(shape)).standard_normal(shape).astype(dtype)
    return x, device.to_device(x.swapaxes(-1, -2) if swapped else x)


def error(
    rung: Rung,
    dtype: type,
    shape: tuple[int, int, int, int],
    swapped: tuple[bool, bool] = (False, False),
) -> float:
    """That of a rung's product, for each term of its sums, in units of half an eps.

    Rounding of sums alone accounts for one, whatever the order in which terms are added.
    """
    batch, m, k, n = shape
    a, a_array = drawn((batch, m, k), dtype, swapped[0])
    b, b_array = drawn((batch, k, n), dtype, swapped[1])
    bias, bias_array = drawn((n, 1), dtype, True)
    bias, out = bias[:, 0], device.empty((batch, m, n), dtype)
    flat = bias_array.reshape((n,))
    options = {"a_swapped": swapped[0], "b_swapped": swapped[1]}
    rung.launch(a_array, b_array, out, bias=flat, **options)  # type: ignore[arg-type]
    a, b = to_format(a, rung.precision), to_format(b, rung.precision)
    magnitude = np.abs(a) @ np.abs(b) + np.abs(bias)
    got = device.to_host(out)
    assert got.dtype == dtype
    assert np.isfinite(got).all()
    half = np.finfo(dtype).eps / 2
    return float(
        (np.abs(got - (a @ b + bias.astype(np.float64))) / magnitude).max() / half / (k + 1)
    )


@pytest.mark.launches
@each_layout
@each_case
def test_a_rung_multiplies_at_odd_shapes(
    rung: Rung, dtype: type, swapped: tuple[bool, bool]
) -> None:
    for shape in SHAPES:
        assert error(rung, dtype, shape, swapped) <= 1, shape


@each_case
def test_both_operands_may_be_swapped(rung: Rung, dtype: type) -> None:
    assert error(rung, dtype, (2, 33, 31, 65), (True, True)) <= 1
    assert error(rung, dtype, (1, 36, 20, 40), (True, True)) <= 1


@needs_emulator
@each_case
def test_the_order_of_threads_changes_no_bit(rung: Rung, dtype: type) -> None:
    def bits() -> bytes:
        (_, a), (_, b) = drawn((2, 65, 36), dtype, False), drawn((2, 36, 132), dtype, False)
        out = device.empty((2, 65, 132), dtype)
        rung.launch(a, b, out)
        return device.to_host(out).tobytes()

    forward = bits()
    with emulator.order("reversed"):
        assert bits() == forward


@each_case
def test_operands_are_repeated_over_the_batch(rung: Rung, dtype: type) -> None:
    (a, a_array), (b, b_array) = drawn((2, 9, 5), dtype, False), drawn((3, 5, 7), dtype, False)
    out = device.empty((6, 9, 7), dtype)
    rung.launch(a_array, b_array, out, a_inner=3)
    a, b = to_format(a, rung.precision), to_format(b, rung.precision)
    want = (a[:, None] @ b).reshape(6, 9, 7)

    assert np.allclose(device.to_host(out), want, rtol=0, atol=40 * np.finfo(dtype).eps)


@each_case
def test_what_finishes_an_element_comes_after_the_bias(rung: Rung, dtype: type) -> None:
    """Of numbers that every format holds exactly."""
    a, b = np.array([[[1.0, 2.0]]], dtype), np.array([[[1.0, -1.0], [3.0, 0.0]]], dtype)
    arrays = [device.to_device(x) for x in (a, b, np.array([-8.0, 3.0], dtype))]
    out = device.empty((1, 1, 2), dtype)
    rung.launch(*arrays[:2], out, bias=arrays[2], finish=f.relu)

    assert device.to_host(out).tolist() == [[[0.0, 2.0]]]


@each_case
def test_what_is_not_a_number_stays_so_in_its_row_and_column(rung: Rung, dtype: type) -> None:
    a, b = np.ones((1, 3, 4), dtype), np.ones((1, 4, 5), dtype)
    a[0, 1, 2], b[0, 3, 4] = np.nan, np.inf
    out = device.empty((1, 3, 5), dtype)
    rung.launch(device.to_device(a), device.to_device(b), out)
    with np.errstate(invalid="ignore"):
        want = a @ b

    assert np.array_equal(device.to_host(out), want, equal_nan=True)


# Choosing


@pytest.fixture
def _precision() -> Iterator[None]:
    yield
    cudagrad.set_float32_matmul_precision("highest")


@pytest.mark.usefixtures("_precision")
@pytest.mark.parametrize(
    ("precision", "name"), [("highest", "float32"), ("high", "tf32"), ("medium", "bfloat16")]
)
def test_float32_is_rounded_when_asked_for_forward_and_backward(precision: str, name: str) -> None:
    numbers = np.random.default_rng(0).standard_normal((3, 5, 5)).astype(np.float32)
    cudagrad.set_float32_matmul_precision(precision)
    x, y = (cudagrad.tensor(n, requires_grad=True) for n in numbers[:2])
    out = ops.matmul(x, y)
    out.backward(numbers[2])
    a, b, dout = (to_format(n, name) for n in numbers)

    assert cudagrad.get_float32_matmul_precision() == precision
    for got, want in ((out.detach(), a @ b), (x.grad, dout @ b.T), (y.grad, a.T @ dout)):
        assert got is not None
        assert np.abs(got.numpy() - want).max() < 2e-6 < np.abs(numbers - a).max() + 1e-5


@pytest.mark.usefixtures("_precision")
def test_float64_is_never_rounded() -> None:
    cudagrad.set_float32_matmul_precision("medium")
    x = np.random.default_rng(0).standard_normal((5, 5))

    assert np.allclose(ops.matmul(cudagrad.tensor(x), cudagrad.tensor(x)).numpy(), x @ x, 1e-12)


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="'low' is unknown; known: highest, high, medium"):
        cudagrad.set_float32_matmul_precision("low")

    assert cudagrad.get_float32_matmul_precision() == "highest"


def test_the_rung_is_chosen_that_should_be_quickest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "processors", lambda: 132)
    single = np.dtype(np.float32)

    assert choose(single, 1, 1024, 1024, "float32") is VECTORIZED  # as was measured
    assert choose(single, 1, 512, 512, "float32") is REGISTER_TILED
    assert choose(single, 1, 256, 512, "float32") is TILED
    assert choose(single, 1000, 5, 5, "float32") is TILED  # most of a larger tile would be empty
    assert choose(np.dtype(np.int64), 1, 1024, 1024, "float32") is TILED
    assert choose(np.dtype(np.float64), 1, 1024, 1024, "tf32") is VECTORIZED
    assert choose(single, 1, 5, 5, "tf32") is TF32
    monkeypatch.setattr(device, "has", lambda capability: capability < (8, 0))
    assert choose(single, 1, 5, 5, "tf32") is TILED


@pytest.mark.parametrize(
    ("batch", "m", "n", "rung"),
    [
        (1, 8, 16, TILED),
        (1000, 16, 16, TILED),
        (1, 256, 256, TILED),
        (1, 256, 512, STORED),
        (384, 64, 64, STORED),
        (1, 768, 128, STORED),
        (1, 4096, 4096, STORED),
    ],
)
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_small_products_of_bfloat16_have_small_tiles(
    batch: int, m: int, n: int, rung: Rung, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU of 132 processors; how float32 may be rounded is no matter."""
    monkeypatch.setattr(device, "processors", lambda: 132)

    assert choose(BFLOAT16, batch, m, n, precision) is rung


@pytest.mark.parametrize(("k", "parts"), [(255, 1), (768, 2), (1023, 1), (16384, 64)])
def test_few_tiles_of_long_sums_are_made_in_parts(
    k: int, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One launch more adds them up; by shape and processors alone, in any order of blocks."""
    monkeypatch.setattr(device, "processors", lambda: 132)
    rng = np.random.default_rng(k)
    a, b = (device.to_device(rng.standard_normal((k, n), np.float32)) for n in (9, 7))
    sizes = given(lambda: arrays.matmul(a, b, a_swapped=True))
    assert (np.dtype(np.float32), parts * 9 * 7) in sizes
    found = set()
    for order in ("forward", "reversed", "random:1"):
        with emulator.order(order) if device.EXECUTOR == "emulator" else contextlib.nullcontext():
            found.add(arrays.to_host(arrays.matmul(a, b, a_swapped=True)).tobytes())
    exact = arrays.to_host(a).T.astype(np.float64) @ arrays.to_host(b)

    assert len(found) == 1
    product = np.frombuffer(found.pop(), np.float32).reshape(9, 7)
    assert np.allclose(product, exact, rtol=0, atol=1e-6 * k)


@needs_emulator
@pytest.mark.parametrize("dtype", [np.dtype(np.float32), BFLOAT16], ids=["float32", "bfloat16"])
def test_the_emulator_keeps_to_small_blocks(dtype: Any) -> None:
    assert choose(dtype, 1, 4096, 4096, "float32") is TILED
