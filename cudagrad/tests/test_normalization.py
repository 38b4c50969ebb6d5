"""Rows brought to one scale: what an offset leaves of their digits, and sums over many of them."""

from __future__ import annotations

import numpy as np
import pytest

import cudagrad
from cudagrad import ops
from cudagrad.kernels.row import LONGEST
from cudagrad.ops.normalization import PART

COLUMNS = 71


def normalized(x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(1, keepdims=True))


@pytest.mark.parametrize("offset", [0.0, 1e3, -1e6])
def test_an_offset_costs_no_digits(offset: float) -> None:
    x = (np.random.default_rng(0).integers(-8, 9, (5, COLUMNS)) + offset).astype(np.float32)
    y = ops.layer_norm(cudagrad.tensor(x), (COLUMNS,), eps=0.0).numpy()

    assert np.abs(y - normalized(x.astype(np.float64))).max() < 8 * np.finfo(np.float32).eps


def test_a_row_may_begin_with_what_is_far_from_all_others() -> None:
    x = np.random.default_rng(0).standard_normal((5, COLUMNS)).astype(np.float32)
    x[:, 0] = 1e6
    y = ops.layer_norm(cudagrad.tensor(x), (COLUMNS,), eps=0.0).numpy()
    exact = normalized(x.astype(np.float64))

    assert np.abs(y - exact).max() < 8 * np.finfo(np.float32).eps * np.abs(exact).max()


@pytest.mark.parametrize("rows", [1, PART, PART + 1, 3 * PART + 5])
def test_gradients_of_weight_and_bias_are_summed_over_many_rows(rows: int) -> None:
    rng = np.random.default_rng(0)
    x, dout = rng.standard_normal((2, rows, 9))
    weight, bias = (cudagrad.tensor(w, requires_grad=True) for w in rng.standard_normal((2, 9)))
    ops.layer_norm(cudagrad.tensor(x), (9,), weight, bias, eps=0.0).backward(dout)

    assert np.allclose(weight.grad.numpy(), (dout * normalized(x)).sum(0), rtol=1e-10)
    assert np.allclose(bias.grad.numpy(), dout.sum(0), rtol=1e-10)


@pytest.mark.launches
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 3, 4, 31, 32, 33, LONGEST - 1, LONGEST, LONGEST + 1])
def test_rows_of_every_length(n: int, dtype: type) -> None:
    rng = np.random.default_rng(n)
    x, dout = rng.standard_normal((2, 3, n)).astype(dtype)
    weight, bias = rng.standard_normal((2, n)).astype(dtype)
    wide, slope = x.astype(np.float64), dout.astype(np.float64) * weight
    eps = 20 * np.finfo(dtype).eps
    for centre in (True, False):
        tensor = cudagrad.tensor(x, requires_grad=True)
        if centre:
            y = ops.layer_norm(tensor, (n,), cudagrad.tensor(weight), cudagrad.tensor(bias), 0.5)
        else:
            y = ops.rms_norm(tensor, (n,), cudagrad.tensor(weight), 0.5)
        y.backward(dout)
        centred = wide - wide.mean(1, keepdims=True) if centre else wide
        scale = 1 / np.sqrt((centred**2).mean(1, keepdims=True) + 0.5)
        normal = centred * scale
        exact = normal * weight + (bias if centre else 0)
        shift = slope.mean(1, keepdims=True) if centre else 0
        dx = scale * (slope - shift - normal * (slope * normal).mean(1, keepdims=True))
        assert np.abs(y.detach().numpy() - exact).max() <= eps * max(1, np.abs(exact).max())
        assert np.abs(tensor.grad.numpy() - dx).max() <= eps * max(1, np.abs(dx).max())
