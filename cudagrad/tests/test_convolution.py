"""Convolution: the product that is never laid out gives what the formula does, in any order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from recording import given

import cudagrad
from cudagrad import arrays, bfloat16, device, emulator, ops, windows
from cudagrad.arrays import FLOAT32
from cudagrad.kernels import convolution
from cudagrad.storage import BFLOAT16, rounded, widened

needs_emulator = pytest.mark.skipif(device.EXECUTOR != "emulator", reason="needs the emulator")
PLAIN = ((1, 1), (0, 0), (1, 1))
# x, weight, groups, stride, padding in front and dilation
CASES = {
    "one of everything": ((1, 1, 1, 1), (1, 1, 1, 1), 1, PLAIN),
    "a kernel of 1": ((1, 33, 5, 13), (31, 33, 1, 1), 1, PLAIN),
    "tiles that are full": ((2, 64, 8, 10), (64, 64, 3, 3), 1, ((1, 1), (1, 1), (1, 1))),
    "tiles that are not": ((3, 31, 5, 9), (33, 31, 3, 2), 1, ((1, 1), (1, 1), (1, 1))),
    "several tiles": ((2, 65, 6, 7), (70, 65, 2, 3), 1, ((1, 1), (2, 1), (1, 1))),
    "odd strides": ((2, 17, 9, 11), (19, 17, 3, 5), 1, ((3, 2), (1, 3), (1, 1))),
    "a stride beyond the kernel": ((2, 5, 9, 11), (4, 5, 2, 1), 1, ((3, 5), (0, 0), (1, 1))),
    "dilation": ((1, 9, 10, 11), (7, 9, 3, 2), 1, ((1, 2), (2, 1), (2, 3))),
    "groups": ((2, 34, 6, 5), (38, 17, 3, 3), 2, ((1, 1), (1, 1), (1, 1))),
    "a group for each channel": ((2, 5, 6, 5), (10, 1, 3, 3), 5, ((2, 1), (1, 1), (1, 1))),
    "a signal": ((2, 16, 1, 67), (20, 16, 1, 5), 1, ((1, 1), (0, 2), (1, 1))),
    "windows of zeros": ((1, 3, 2, 2), (2, 3, 2, 2), 1, ((1, 1), (3, 3), (1, 1))),
    "no images": ((0, 3, 4, 4), (5, 3, 2, 2), 1, PLAIN),
    "no channels": ((2, 0, 4, 4), (5, 0, 2, 2), 1, PLAIN),
    "none out": ((2, 3, 4, 4), (0, 3, 2, 2), 1, PLAIN),
}


def counts(x: tuple[int, ...], weight: tuple[int, ...], geometry: Any) -> tuple[int, ...]:
    """How many windows there are down and across."""
    dims = zip(x[2:], weight[2:], *geometry, strict=True)
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in dims)


def results(
    name: str, dtype: Any = np.float64, is_rounded: bool = False
) -> list[np.ndarray[Any, Any]]:
    """out, dx and dweight; is_rounded: of numbers that bfloat16 holds."""
    x_shape, weight_shape, groups, geometry = CASES[name]
    shape = (x_shape[0], weight_shape[0], *counts(x_shape, weight_shape, geometry))
    rng = np.random.default_rng(0)

    def draw(form: tuple[int, ...]) -> np.ndarray[Any, Any]:
        numbers = rng.standard_normal(form)
        return widened(rounded(numbers)) if is_rounded else numbers

    x, weight, bias, dout = (
        device.to_device(rounded(numbers) if dtype == BFLOAT16 else numbers.astype(dtype))
        for form in (x_shape, weight_shape, shape[1:2], shape)
        for numbers in [draw(form)]
    )
    out = windows.convolved(x, weight, bias, groups, geometry, shape)
    dx = windows.convolved_dx(dout, weight, groups, geometry, x_shape)
    dweight = windows.convolved_dweight(x, dout, groups, geometry, weight_shape)
    assert {array.dtype for array in (out, dx, dweight)} == {np.dtype(dtype)}
    return [arrays.to_host(array) for array in (out, dx, dweight)]


def tiled(patch: pytest.MonkeyPatch) -> None:
    """From here on every product goes by tiles, and long sums are cut into parts."""
    patch.setattr(convolution, "ENOUGH", 1)
    patch.setattr(convolution, "PART", 48)
    patch.setattr(device, "processors", lambda: 0)


@pytest.mark.launches
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_tiles_give_what_the_formula_does(
    name: str, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = results(name)
    tiled(monkeypatch)
    eps = np.finfo(dtype).eps
    for got, expected in zip(results(name, dtype), exact, strict=True):
        assert got.shape == expected.shape
        assert got.dtype == dtype
        assert np.allclose(got, expected, rtol=1000 * eps, atol=200 * eps)


@pytest.mark.launches
@pytest.mark.parametrize("by_tiles", [False, True])
@pytest.mark.parametrize("name", ["tiles that are full", "several tiles", "odd strides", "groups"])
def test_of_bfloat16_it_is_that_of_float32_rounded_once(
    name: str, by_tiles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit: the sums are the same ones."""
    monkeypatch.setattr(device, "processors", lambda: math.inf)
    if by_tiles:
        tiled(monkeypatch)
    pairs = (results(name, dtype, is_rounded=True) for dtype in (BFLOAT16, np.float32))
    for got, wide in zip(*pairs, strict=True):
        assert np.array_equal(got, widened(rounded(wide)))


WINDOWS = {
    "conv2d": lambda x: ops.conv2d(x, x[:, :, :3, :3], x[0, 0, 0, :2]),
    "max_pool2d": lambda x: ops.max_pool2d(x, 2, padding=1),
    "avg_pool2d": lambda x: ops.avg_pool2d(x, 3, 2),
    "adaptive_avg_pool2d": lambda x: ops.adaptive_avg_pool2d(x, (2, 3)),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_no_image_of_bfloat16_is_copied_in_float32(name: str) -> None:
    """There and back, and the numbers are those of float32."""
    numbers = widened(rounded(np.random.default_rng(0).standard_normal((2, 4, 7, 6))))
    numbers[1, 2, 3, 4] = np.nan
    found = []
    for dtype in (bfloat16, FLOAT32):
        x = cudagrad.tensor(numbers, dtype, requires_grad=True)

        def step(x: Any = x) -> None:
            out = WINDOWS[name](x)
            dout = np.random.default_rng(1).standard_normal(out.shape)
            out.backward(cudagrad.tensor(widened(rounded(dout)), x.dtype))
            found.append((out.detach().numpy(), x.grad))

        sizes = given(step)
        if dtype is bfloat16:
            assert all(size < numbers.size / 2 for kind, size in sizes if kind == FLOAT32)
    (out, grad), (wide, wide_grad) = found

    assert grad.dtype is bfloat16
    assert np.array_equal(out, widened(rounded(wide)), equal_nan=True)
    if name != "conv2d":  # whose three gradients of one leaf are rounded before they are added
        expected = widened(rounded(wide_grad.numpy()))
        assert np.array_equal(grad.numpy(), expected, equal_nan=True)


@needs_emulator
@pytest.mark.parametrize("name", ["tiles that are not", "odd strides", "groups"])
def test_the_order_of_threads_changes_no_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tiled(monkeypatch)
    forward = [array.tobytes() for array in results(name, np.float32)]
    for order in ("reversed", "random:1"):
        with emulator.order(order):
            assert [array.tobytes() for array in results(name, np.float32)] == forward


def test_tiles_are_for_what_fills_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "processors", lambda: 132)
    count = 32 * 56 * 56

    assert convolution.fills(np.float32, 1, 64, 64 * 9, count)
    assert not convolution.fills(np.int64, 1, 64, 64 * 9, count)
    assert not convolution.fills(np.float32, 64, 1, 9, count)  # a group for each channel
    assert not convolution.fills(np.float32, 1, 64, 64 * 9, 49)  # one small image
    assert convolution.fills(np.float32, 1, 64, 64 * 9, 66 * 64)  # half of the processors
    assert not convolution.fills(np.float32, 1, 64, 64 * 9, 65 * 64)


@pytest.mark.parametrize("count", [1, 7, 1024, 100_352, 1_605_632])
@pytest.mark.parametrize("m", [1, 64, 512])
def test_a_long_sum_is_cut_into_parts_by_its_shape(count: int, m: int) -> None:
    length = convolution.part(count, 9, m, m)
    parts = math.ceil(count / length)

    assert length % convolution.STEP == 0
    assert parts == 1 or length >= convolution.PART
    assert parts == 1 or parts * 9 * convolution.tiles(m, m) <= convolution.MOST


def test_without_output_channels_it_is_refused() -> None:
    x, weight = cudagrad.tensor(np.ones((1, 3, 2, 4))), cudagrad.tensor(np.ones((0, 3, 1, 1)))
    with pytest.raises(ValueError, match=r"conv2d: shapes .* do not fit in 1 groups"):
        ops.conv2d(x, weight)
