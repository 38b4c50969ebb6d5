"""Attention without scores: the same as with them, in memory that grows with the sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cudagrad
from cudagrad import bfloat16, device, nn, ops
from cudagrad.kernels import attention as kernels
from cudagrad.storage import rounded, widened

LONG = 2 * kernels.forward.tiles(np.float64, 8, 2).queries + 3  # several blocks, and more tiles
RNG = np.random.default_rng(0)
SOME = RNG.random((3, 1, LONG)) < 0.7
SOME[1] = False  # these queries see nothing


def run(
    options: dict[str, Any], *shapes: tuple[int, ...], dtype: type = np.float64
) -> list[np.ndarray[Any, Any]]:
    """The result of attention, and the gradients of its arguments and of a floating mask."""
    rng = np.random.default_rng(1)
    rows = [
        cudagrad.tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)
        for shape in shapes
    ]
    mask = options.get("attn_mask")
    if mask is not None:
        mask = cudagrad.tensor(mask if mask.dtype == bool else mask.astype(dtype))
        mask.requires_grad_(mask.dtype != bool)
        options = options | {"attn_mask": mask}
    cudagrad.manual_seed(3)
    out = ops.scaled_dot_product_attention(*rows, **options)
    out.backward(rng.standard_normal(out.shape).astype(dtype))
    leaves = [*rows, mask] if mask is not None and mask.requires_grad else rows
    return [out.detach().numpy(), *(leaf.grad.numpy() for leaf in leaves)]


GROUPED = (2, 6, LONG, 5), (2, 3, 9, 5), (2, 2, 9, 3)
PLAIN = (3, LONG, 5), (3, LONG, 5), (3, LONG, 7)
CASES = {
    "plain": ({}, *PLAIN),
    "causal": ({"is_causal": True}, *PLAIN),
    "more keys than queries": ({"is_causal": True}, (9, 5), (LONG, 5), (LONG, 5)),
    "more queries than keys": ({"is_causal": True}, (LONG, 5), (9, 5), (9, 5)),
    "a mask of bools": ({"attn_mask": SOME}, *PLAIN),
    "a mask for each score": ({"attn_mask": RNG.standard_normal((3, LONG, LONG))}, *PLAIN),
    "a mask for each query": ({"attn_mask": RNG.standard_normal((LONG, 1))}, *PLAIN),
    "a mask for each key": ({"attn_mask": RNG.standard_normal(LONG)}, *PLAIN),
    "groups": ({"enable_gqa": True}, *GROUPED),
    "causal groups": ({"enable_gqa": True, "is_causal": True, "scale": -0.3}, *GROUPED),
    "groups and more in the batch": ({"enable_gqa": True}, (5, *GROUPED[0]), *GROUPED[1:]),
    "a batch between": ({}, (2, 4, 3, LONG, 5), (2, 1, 3, 9, 5), (4, 1, 9, 2)),
    "groups in a batch between": (
        {"enable_gqa": True},
        *((2, 4, 6, LONG, 5), (2, 1, 3, 9, 5), (4, 2, 9, 2)),
    ),
    "dropout": ({"dropout_p": 0.3}, *PLAIN),
    "causal groups with dropout": (
        {"dropout_p": 0.6, "enable_gqa": True, "is_causal": True},
        *GROUPED,
    ),
    "a mask with dropout": (
        {"dropout_p": 0.3, "attn_mask": RNG.standard_normal((3, LONG, LONG))},
        *PLAIN,
    ),
    "all dropped": ({"dropout_p": 1.0}, *PLAIN),
    "no keys": ({}, (3, LONG, 5), (3, 0, 5), (3, 0, 7)),
    "no queries": ({}, (3, 0, 5), (3, LONG, 5), (3, LONG, 7)),
    "no batch": ({}, (0, 4, 5), (1, LONG, 5), (LONG, 7)),
    "empty rows": ({}, (3, LONG, 0), (3, LONG, 0), (3, LONG, 7)),
    "empty values": ({}, (3, LONG, 5), (3, LONG, 5), (3, LONG, 0)),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_what_products_and_a_softmax_make(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fused = run(*CASES[name])
    monkeypatch.setattr(kernels, "WIDEST", -1)
    composed = run(*CASES[name])

    for one, other in zip(fused, composed, strict=True):
        assert one.shape == other.shape
        assert np.allclose(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.launches
@pytest.mark.parametrize("width", [16, 32, 64, 65, 129])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("processors", [1, 1000])
def test_rows_as_wide_as_those_of_models(
    width: int, dtype: type, processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels.forward, "processors", lambda: processors)
    rows = (1, 7, width), (1, 5, width), (1, 5, width)
    mask = {"attn_mask": np.linspace(-1, 1, 35).reshape(7, 5)}
    for one, exact in zip(run(mask, *rows, dtype=dtype), run(mask, *rows), strict=True):
        assert one.dtype == dtype
        assert np.allclose(one, exact, rtol=1e-5, atol=1e-5)


@pytest.mark.launches
@pytest.mark.parametrize("width", [5, 16, 32, 64, 65])
@pytest.mark.parametrize("processors", [1, 1000])
def test_of_bfloat16_nothing_is_rounded_but_results(
    width: int, processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back, the result is what was stored: rounded, and so is what is summed up of it."""
    monkeypatch.setattr(kernels.forward, "processors", lambda: processors)
    rng = np.random.default_rng(width)
    shapes = (1, 7, width), (1, 5, width), (1, 5, width), (1, 7, width), (7, 5)
    q, k, v, dout, mask = (widened(rounded(rng.standard_normal(s))).astype(float) for s in shapes)
    scores = q @ k.swapaxes(1, 2) / np.sqrt(width) + mask
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    out = weights @ v
    deltas = (dout * widened(rounded(out))).sum(-1, keepdims=True)
    dscores = weights * (dout @ v.swapaxes(1, 2) - deltas)
    dquery, dkey = dscores @ k, dscores.swapaxes(1, 2) @ q
    right = out, dquery / np.sqrt(width), dkey / np.sqrt(width), weights.swapaxes(1, 2) @ dout

    leaves = [cudagrad.tensor(x, bfloat16, requires_grad=True) for x in (q, k, v)]
    added = cudagrad.tensor(mask, bfloat16, requires_grad=True)
    found = ops.scaled_dot_product_attention(*leaves, added)
    found.backward(dout)
    got = found.detach(), *(leaf.grad for leaf in leaves), added.grad
    for one, exact in zip(got, (*right, dscores[0]), strict=True):
        assert one.dtype is bfloat16
        assert (np.abs(one.numpy() - exact) <= 2.0**-8 * np.abs(exact) + 1e-4).all()


def test_larger_tiles_are_for_half_of_the_processors_at_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forward = kernels.forward
    monkeypatch.setattr(forward, "processors", lambda: 8)
    large, small = (forward.tiles(np.float32, 64, rows) for rows in (4, 2))
    enough = 3 * large.queries + 1  # for four blocks
    assert forward.fitting(np.float32, 64, 1, enough) == large
    assert forward.fitting(np.float32, 64, 1, enough - 1) == small
    assert forward.fitting(np.float32, 64, 2, large.queries + 1) == large
    assert forward.fitting(np.float32, 128, 1, enough).rows == small.rows
    assert forward.fitting(np.float64, 64, 1, enough).rows == small.rows


def allocated(length: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """The bytes of all arrays that a causal attention makes, there and back."""
    sizes = []

    def counting(shape: tuple[int, ...], dtype: Any) -> device.Array:
        sizes.append(int(np.prod(shape)) * np.dtype(dtype).itemsize)
        return empty(shape, dtype)

    empty = device.empty
    rows = [(2, length, 8)] * 3
    with monkeypatch.context() as patch:
        patch.setattr(device, "empty", counting)
        run({"is_causal": True, "dropout_p": 0.1}, *rows, dtype=np.float32)
    return sum(sizes)


def test_memory_grows_with_the_sequence_and_not_with_its_square(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    allocated(8, monkeypatch)  # constants that are made once
    short, middle, long = (allocated(length, monkeypatch) for length in (64, 128, 256))
    assert long - middle == 2 * (middle - short)
    assert long < 256 * 256 * 4  # one array of the scores of one of the two matrices

    monkeypatch.setattr(kernels, "WIDEST", -1)
    assert allocated(256, monkeypatch) > 2 * 256 * 256 * 4


@pytest.mark.parametrize("needed", [(0, 1, 2), (1,), (2,)])
def test_a_gradient_that_was_changed_is_worked_out_anew(needed: tuple[int, ...]) -> None:
    rows = [cudagrad.tensor(RNG.standard_normal((2, 9, 5)), requires_grad=True) for _ in range(3)]
    leaves = [rows[place] for place in needed]
    for place, row in enumerate(rows):
        row.requires_grad_(place in needed)
    out = ops.scaled_dot_product_attention(*rows)
    dout = cudagrad.tensor(RNG.standard_normal((2, 9, 5)))
    out.backward(dout, retain_graph=True)
    before = [leaf.grad.numpy().copy() for leaf in leaves]
    nn.utils.clip_grad_norm_(leaves, 1e-3)
    for leaf in leaves:
        leaf.grad = None
    out.backward(dout)

    for leaf, grad in zip(leaves, before, strict=True):
        np.testing.assert_array_equal(leaf.grad.numpy(), grad)
