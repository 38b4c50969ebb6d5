"""torch's promotion rules, written out, and float32 that stays float32."""

from __future__ import annotations

import numpy as np
import pytest

import cudagrad
from cudagrad import arrays, gpt, ops, optim
from cudagrad.arrays import Array
from cudagrad.dtypes import result_type


def zeros(shape: tuple[int, ...], dtype: str) -> Array:
    return arrays.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("operands", "expected"),
    [
        ((zeros((2,), "float32"), 1.5), "float32"),
        ((zeros((2,), "float64"), 1.5), "float64"),
        ((zeros((2,), "int64"), 2), "int64"),
        ((zeros((2,), "int32"), 2), "int32"),
        ((zeros((2,), "int64"), 1.5), "float32"),
        ((zeros((2,), "bool"), 2), "int64"),
        ((zeros((2,), "int64"), zeros((2,), "float32")), "float32"),
        ((zeros((2,), "float32"), zeros((2,), "float64")), "float64"),
        ((zeros((2,), "float32"), zeros((), "float64")), "float32"),
        ((zeros((2,), "int32"), zeros((), "float64")), "float64"),
        ((zeros((2,), "int32"), zeros((), "int64")), "int32"),
        ((zeros((), "float64"), zeros((), "float32")), "float64"),
        ((True, False), "bool"),
    ],
)
def test_result_type_follows_torch(operands: tuple, expected: str) -> None:
    assert result_type(*operands) == expected


def test_something_that_is_no_number_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="not str"):
        cudagrad.tensor([1.0]) + "1"


def test_a_training_step_in_float32_makes_no_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    original = cudagrad.Tensor.__init__

    def watch(self: cudagrad.Tensor, *args: object, **kwargs: object) -> None:
        original(self, *args, **kwargs)
        made.append(self.data.dtype)

    model = gpt.GPT(gpt.GPTConfig(vocab_size=11, block_size=5, n_layer=1, n_head=2, n_embd=6))
    optimizer = optim.AdamW(model.parameters())
    monkeypatch.setattr(cudagrad.Tensor, "__init__", watch)
    idx = np.arange(10).reshape(2, 5)
    _, loss = model(idx, idx)
    loss.backward()
    optimizer.step()

    assert loss.dtype == np.float32
    assert np.dtype("float64") not in made
    assert {p.dtype for p in model.parameters()} == {np.dtype("float32")}


def test_a_0_d_target_counts_in_the_dtype_of_a_distance() -> None:
    """torch stretches x and target before it promotes them."""
    x = cudagrad.tensor(np.array([0.5, -1.0], np.float32), requires_grad=True)
    target = cudagrad.tensor(np.array(2.0), requires_grad=True)

    for loss in (ops.mse_loss, ops.l1_loss):
        assert loss(x, target).dtype == np.float64
        assert loss(cudagrad.tensor([1.0]), target, reduction="none").dtype == np.float64
        small = cudagrad.tensor([1.5], cudagrad.bfloat16)
        assert loss(small, cudagrad.tensor(2.0)).dtype == np.float32
    ops.mse_loss(x, target, reduction="sum").backward()

    assert x.grad is not None
    assert target.grad is not None
    assert (x.grad.dtype, x.grad.tolist()) == (np.float32, [-3.0, -6.0])
    assert (target.grad.dtype, target.grad.tolist()) == (np.float64, 9.0)


def test_small_integers_wrap_around() -> None:
    small = cudagrad.tensor(np.array([250, 3], np.uint8))

    assert (small + 10).tolist() == [4, 13]
    assert ops.neg(small).tolist() == [6, 253]
    assert ops.add(small, small, alpha=2).tolist() == [238, 9]
    assert ops.pow(small, 5).tolist() == [160, 243]
    assert ops.arange(254, 258, dtype="uint8").tolist() == [254, 255, 0, 1]


def test_a_negative_power_of_an_unsigned_integer_is_no_large_one() -> None:
    small = cudagrad.tensor(np.array([5], np.uint8))

    for exponent in (-1, cudagrad.tensor(-1), cudagrad.tensor([-1])):
        with pytest.raises(ValueError, match="negative power"):
            ops.pow(small, exponent)


def test_large_integers_keep_their_digits() -> None:
    x = cudagrad.tensor([2**53 + 1, -(2**53) - 1])

    assert ops.div(x, 1, rounding_mode="floor").tolist() == x.tolist()
    assert ops.amax(x).item() == 2**53 + 1
    assert ops.cumsum(x, 0).tolist() == [2**53 + 1, 0]
    assert ops.pow(cudagrad.tensor([3]), 70001).item() == (3**70001 + 2**63) % 2**64 - 2**63
    assert ops.arange(2**53 + 1, 2**53 + 4, 2).tolist() == [2**53 + 1, 2**53 + 3]


def test_a_number_that_a_dtype_cannot_hold_is_refused() -> None:
    for number, dtype in ((300, "uint8"), (1e300, "float32"), (float("nan"), int), (2**70, None)):
        with pytest.raises(ValueError, match="does not fit into"):
            ops.full((2,), number, dtype=dtype)


def test_a_number_that_no_integer_holds_is_refused() -> None:
    x = cudagrad.tensor([1, 2])
    for call in (
        lambda: x + 2**70,
        lambda: ops.lt(x, -(2**64) - 1),
        lambda: ops.where(ops.gt(x, 1), x, 2**70),
        lambda: ops.clamp(x, max=2**70),
        lambda: ops.clamp_min(x, 2**70),
        lambda: ops.masked_fill(x, ops.gt(x, 1), 2**70),
        lambda: ops.scatter(x, 0, cudagrad.tensor([0]), 2**70),
        lambda: ops.full_like(x, 2**70),
        lambda: ops.pad(x, (1, 1), value=2**70),
    ):
        with pytest.raises(ValueError, match="does not fit into int64"):
            call()
    assert ops.clamp(cudagrad.tensor([1.5]), max=2**70).item() == 1.5
    with pytest.raises(ValueError, match="does not fit into float32"):
        ops.clamp(x, 0, 1e39)


def test_an_empty_vector_in_cat_has_a_dtype_too() -> None:
    empty = cudagrad.tensor(np.zeros(0, np.float32))

    assert ops.cat([empty, cudagrad.tensor([3, 4])]).dtype == np.float32


def test_python_floats_are_float32_and_arrays_keep_their_dtype() -> None:
    assert cudagrad.tensor([1.0]).dtype == np.float32
    assert cudagrad.tensor(np.array([1.0])).dtype == np.float64
    assert cudagrad.tensor([1]).dtype == np.int64
    assert ops.div(cudagrad.tensor([1, 2]), 2).dtype == np.float32
