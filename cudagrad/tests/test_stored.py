"""Products of what is stored as bfloat16: for every layout those of the numbers, once rounded."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cudagrad import arrays, device, emulator
from cudagrad.kernels import functions as f
from cudagrad.kernels.matmul import STORED, TILED, Rung
from cudagrad.storage import BFLOAT16, rounded, widened

each_rung = pytest.mark.parametrize("rung", [TILED, STORED], ids=lambda rung: rung.name)
needs_emulator = pytest.mark.skipif(device.EXECUTOR != "emulator", reason="needs the emulator")
each_layout = pytest.mark.parametrize(
    "swapped", [(False, False), (False, True), (True, False), (True, True)]
)
# batch, m, k, n
SHAPES = [(1, 1, 1, 1), (2, 33, 31, 65), (1, 127, 33, 129), (1, 132, 24, 136), (1, 5, 0, 3)]


def drawn(*shape: int) -> np.ndarray:
    """Numbers that bfloat16 holds."""
    rng = np.random.default_rng(math.prod(shape))
    return widened(rounded(rng.standard_normal(shape)))


def product(
    rung: Rung,
    a: np.ndarray,
    b: np.ndarray,
    bias: np.ndarray,
    swapped: tuple[bool, bool],
    dtype: type,
    finish: Any = f.same,
) -> np.ndarray:
    """a b + bias by a rung, as float32; dtype: of what it writes."""
    given = (x.swapaxes(-1, -2) if swap else x for x, swap in zip((a, b), swapped, strict=True))
    out = device.empty((a.shape[0], a.shape[1], b.shape[2]), dtype)
    rung.launch(
        *(device.to_device(rounded(x)) for x in given),
        out,
        bias=device.to_device(rounded(bias)),
        a_swapped=swapped[0],
        b_swapped=swapped[1],
        finish=finish,
    )
    return arrays.to_host(out)


@pytest.mark.launches
@each_layout
@each_rung
def test_every_layout_multiplies_at_odd_shapes(rung: Rung, swapped: tuple[bool, bool]) -> None:
    for batch, m, k, n in SHAPES:
        a, b, bias = drawn(batch, m, k), drawn(batch, k, n), drawn(n)
        want = a.astype(np.float64) @ b + bias
        magnitude = np.abs(a) @ np.abs(b) + np.abs(bias)
        # Products of numbers of 8 bits are exact; each sum is rounded to float32, or 2^-24 of it.
        exact = product(rung, a, b, bias, swapped, np.float32)
        assert (np.abs(exact - want) <= (k + 1) * 2.0**-24 * magnitude).all(), (m, k, n)
        small = product(rung, a, b, bias, swapped, np.uint16)
        assert np.array_equal(small, widened(rounded(exact)))


@needs_emulator
@each_rung
def test_the_order_of_threads_changes_no_bit(rung: Rung) -> None:
    a, b, bias = drawn(1, 40, 72), drawn(1, 72, 136), drawn(136)
    forward = product(rung, a, b, bias, (False, False), np.uint16)
    for order in ("reversed", "random"):
        with emulator.order(order):
            assert np.array_equal(product(rung, a, b, bias, (False, False), np.uint16), forward)


@each_rung
def test_what_finishes_an_element_comes_before_it_is_rounded(rung: Rung) -> None:
    a, b = np.array([[[1.0, 2.0]]]), np.array([[[1.0, -1.0], [3.0, 0.0]]])
    bias = np.array([-8.0, 3.0])

    assert product(rung, a, b, bias, (False, False), np.uint16, f.relu).tolist() == [[[0.0, 2.0]]]


def test_a_weights_gradient_is_summed_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many lines, which are multiplied in parts."""
    monkeypatch.setattr(device, "processors", lambda: 2)
    a, b = drawn(1024, 3), drawn(1024, 5)
    got = arrays.matmul(*(device.to_device(rounded(x)) for x in (a, b)), a_swapped=True)

    assert got.dtype == BFLOAT16
    want = a.T.astype(np.float64) @ b
    assert (np.abs(arrays.to_host(got) - want) <= 2.0**-8 * np.abs(want) + 1e-4).all()
