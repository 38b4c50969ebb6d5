"""Rows of every length: held by a block, or met twice, side by side or apart; and their edges."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

import cudagrad
from cudagrad import autocast, bfloat16, device, emulator, ops
from cudagrad.kernels import softmax
from cudagrad.kernels.row import LONGEST

needs_emulator = pytest.mark.skipif(device.EXECUTOR != "emulator", reason="needs the emulator")
LENGTHS = [1, 2, 3, 4, 31, 32, 33, 64, 67, LONGEST - 1, LONGEST, LONGEST + 1, LONGEST + 4]
Array = np.ndarray[Any, Any]


def exact(name: str, x: Array, dout: Array) -> list[Array]:
    """The result along the last dim, and its gradient."""
    shifted = x - x.max(-1, keepdims=True)
    p = np.exp(shifted) / np.exp(shifted).sum(-1, keepdims=True)
    if name == "softmax":
        return [p, p * (dout - (p * dout).sum(-1, keepdims=True))]
    return [np.log(p), dout - p * dout.sum(-1, keepdims=True)]


def of_engine(name: str, x: Array, dout: Array, dim: int) -> list[Array]:
    tensor = cudagrad.tensor(x, requires_grad=True)
    out = getattr(ops, name)(tensor, dim=dim)
    out.backward(dout)
    return [out.detach().numpy(), tensor.grad.numpy()]


def drawn(n: int, dtype: type = np.float64) -> tuple[Array, Array]:
    rng = np.random.default_rng(n)
    return rng.standard_normal((3, n)).astype(dtype), rng.standard_normal((3, n)).astype(dtype)


@pytest.mark.launches
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_rows_of_every_length(name: str, dtype: type) -> None:
    eps = np.finfo(dtype).eps
    for n in LENGTHS:
        x, dout = drawn(n, dtype)
        expected = exact(name, x.astype(np.float64), dout.astype(np.float64))
        for got, right in zip(of_engine(name, x, dout, -1), expected, strict=True):
            assert np.abs(got - right).max() <= 20 * eps * max(1, np.abs(right).max()), n
        for got, right in zip(of_engine(name, x.T.copy(), dout.T.copy(), 0), expected, strict=True):
            assert np.abs(got.T - right).max() <= 20 * eps * max(1, np.abs(right).max()), n


@pytest.mark.launches
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_rows_of_bfloat16_are_those_of_float32_rounded_once(name: str) -> None:
    """To the bit; under autocast the result stays float32, and the gradient alone is rounded."""
    softmax = getattr(ops, name)
    for n, dim in itertools.product((5, 64, LONGEST + 1), (0, 1)):
        x, dout = (y if dim else y.T.copy() for y in drawn(n, np.float32))
        small = cudagrad.tensor(x, bfloat16, requires_grad=True)
        wide = cudagrad.tensor(small.float().detach(), requires_grad=True)
        with autocast():
            outs = [softmax(x, dim) for x in (small, wide)]
        for out in outs:
            assert out.dtype == np.float32
            out.backward(dout)
        assert np.array_equal(*(out.detach().numpy() for out in outs))
        assert small.grad.dtype is bfloat16
        assert np.array_equal(small.grad.numpy(), wide.grad.to(bfloat16).numpy())
        rounded = softmax(small.detach(), dim)
        assert rounded.dtype is bfloat16
        assert np.array_equal(rounded.numpy(), outs[1].detach().to(bfloat16).numpy())


@pytest.mark.usefixtures("collector_off")
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_no_copy_is_made_of_bfloat16(name: str) -> None:
    """There is the result of float32, and back its gradient and one of bfloat16."""
    x = cudagrad.tensor(np.ones((64, 64)), bfloat16, requires_grad=True)
    dout = cudagrad.tensor(np.ones((64, 64), np.float32))
    before = cudagrad.memory_allocated()
    cudagrad.reset_peak_memory_stats()
    with device.counting() as counts, autocast():
        out = getattr(ops, name)(x, 1)
        assert cudagrad.max_memory_allocated() - before == 4 * x.numel()
        out.backward(dout)
    assert cudagrad.max_memory_allocated() - before <= (4 + 4 + 2) * x.numel()
    assert counts.launches <= 3  # one may copy dout


INFINITE = {
    "one is inf": [1.0, math.inf, 0.0, 2.0, 3.0],
    "two are inf": [math.inf, 1.0, math.inf, 0.0, 0.0],
    "some are -inf": [-math.inf, 1.0, -math.inf, 2.0, 0.5],
    "all are -inf": [-math.inf] * 5,
    "one is NaN": [0.0, 1.0, math.nan, 2.0, -math.inf],
    "far apart": [-1e30, 1e30, 0.0, 1.0, 1e30],
}


@pytest.mark.parametrize("length", [5, 8, LONGEST + 3])
@pytest.mark.parametrize("name", INFINITE)
def test_a_row_met_twice_is_like_one_that_is_held(name: str, length: int) -> None:
    """And like its formula, in which a largest element of inf leaves only NaN."""
    row = np.full(length, -1.0)
    row[-5:] = INFINITE[name]
    if name == "all are -inf":
        row[:] = -math.inf
    top = row.max()
    with np.errstate(invalid="ignore", over="ignore"):
        weights = np.exp(row - top)
        expected = weights / weights.sum()
    for x in (row[None, :], row[:, None]):
        got = ops.softmax(cudagrad.tensor(x), dim=int(x.shape[0] == 1)).numpy()
        assert np.allclose(got.ravel(), expected, rtol=1e-13, equal_nan=True)
    total = ops.logsumexp(cudagrad.tensor(row), dim=0).item()
    if math.isinf(top):
        assert total == top
    elif math.isnan(top):
        assert math.isnan(total)
    else:
        assert total == pytest.approx(top + math.log(weights.sum()))


@pytest.mark.launches
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("inner", [1, 3])
def test_cross_entropy_of_rows_that_begin_anywhere(dtype: type, inner: int) -> None:
    """Rows of any length lie at every multiple of 4 bytes; most of them are read by 128 bits."""
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 5, 31, 33, 4 * device.BLOCK + 3, 9 * device.BLOCK + 1):
        x = rng.standard_normal((7, n, inner)).astype(dtype)
        target = rng.integers(0, n, (7, inner))
        target[2, 0] = -100
        tensor = cudagrad.tensor(x, requires_grad=True)
        loss = ops.cross_entropy(tensor, cudagrad.tensor(target), reduction="sum")
        loss.backward()
        wide = x.astype(np.float64)
        logp = wide - np.log(np.exp(wide).sum(1, keepdims=True))
        counted = (target >= 0)[:, None]
        ones = (np.arange(n)[:, None] == target[:, None]) & counted
        eps = float(np.finfo(dtype).eps)
        assert loss.item() == pytest.approx(-(logp * ones).sum(), rel=20 * eps, abs=20 * eps)
        assert np.abs(tensor.grad.numpy() - (np.exp(logp) * counted - ones)).max() < 20 * eps


@needs_emulator
def test_the_order_of_threads_changes_no_bit() -> None:
    def bits() -> list[bytes]:
        made = []
        for n in (33, LONGEST, LONGEST + 3):
            for name in ("softmax", "log_softmax"):
                made += of_engine(name, *drawn(n, np.float32), -1)
        return [array.tobytes() for array in made]

    forward = bits()
    for order in ("reversed", "random:2"):
        with emulator.order(order):
            assert bits() == forward


@needs_emulator
def test_a_walk_through_a_large_array_meets_every_element_of_its_line_once() -> None:
    """Where a step of all threads together is nearly 2**32 elements. All are the same number."""
    n, inner = 5, 400_000_000
    x, y, out = (
        emulator.DeviceArray(as_strided(np.full(1, number, np.float32), (n * inner,), (0,)))
        for number in (0.0, 1.0, 0.0)
    )
    softmax.logsumexp(np.float32)[1, 8](x, n, inner, out)
    assert out.memory[0] == pytest.approx(math.log(n))
    softmax.SOFTMAX.other(np.float32)[1, 8](x, n, inner, out)
    assert out.memory[0] == pytest.approx(1 / n)
    softmax.SOFTMAX_DX.other(np.float32)[1, 8](y, y, n, inner, out)
    assert out.memory[0] == 1 - n
