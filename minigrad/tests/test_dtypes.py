"""torch's promotion rules, written out, and float32 that stays float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import engine, gpt, nn, ops, optim
from minigrad.dtypes import result_type


def zeros(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.zeros(shape, dtype)


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


def test_a_0_d_target_counts_in_the_dtype_of_a_distance() -> None:
    """torch stretches x and target before it promotes them."""
    x = minigrad.tensor(np.array([0.5, -1.0], np.float32), requires_grad=True)
    target = minigrad.tensor(np.array(2.0), requires_grad=True)

    for loss in (ops.mse_loss, ops.l1_loss):
        assert loss(x, target).dtype == np.float64
        assert loss(minigrad.tensor([1.0]), target, reduction="none").dtype == np.float64
    ops.mse_loss(x, target, reduction="sum").backward()

    assert x.grad is not None
    assert target.grad is not None
    assert (x.grad.dtype, x.grad.tolist()) == (np.float32, [-3.0, -6.0])
    assert (target.grad.dtype, target.grad.tolist()) == (np.float64, 9.0)


def test_something_that_is_no_number_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="not str"):
        minigrad.tensor([1.0]) + "1"


@pytest.mark.parametrize("options", [{}, {"norm": "rms_norm", "activation": "relu"}], ids=str)
def test_a_training_step_in_float32_makes_no_float64(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    made: dict[str, set[np.dtype]] = {}
    record, pull = engine.Tensor.record, engine.Tensor.pull

    def recorded(self: engine.Tensor, op: str, *args: Any) -> None:
        made.setdefault(op, set()).add(self.dtype)
        record(self, op, *args)

    def pulled(self: engine.Tensor, dout: np.ndarray) -> Any:
        grads = pull(self, dout)
        for grad in grads:
            array = grad.dout if isinstance(grad, engine.Part) else grad
            made[f"the gradient of {self.op}"] = {dout.dtype}
            if array is not None:
                made[f"the gradient of {self.op}"].add(array.dtype)
        return grads

    sizes = {"vocab_size": 11, "block_size": 40, "n_layer": 1, "n_head": 2, "n_embd": 6}
    model = gpt.GPT(gpt.GPTConfig(**sizes, dropout=0.1, **options))
    optimizer = optim.AdamW(model.parameters())
    monkeypatch.setattr(engine.Tensor, "record", recorded)
    monkeypatch.setattr(engine.Tensor, "pull", pulled)
    idx = np.arange(80).reshape(2, 40) % 11
    _, loss = model(idx, idx)
    loss.backward()
    for parameter in model.parameters():
        made[f"a .grad of {parameter.shape}"] = {parameter.grad.dtype}
    made["the norm"] = {nn.utils.clip_grad_norm_(model.parameters(), 1e-3).dtype}
    optimizer.step()
    for parameter in model.parameters():
        made[f"a parameter {parameter.shape}"] = {parameter.dtype, parameter.grad.dtype}
    for state in optimizer.state.values():
        for name, array in state.items():
            made.setdefault(name, set()).add(np.dtype("float32") if name == "step" else array.dtype)

    assert {"linear", "the gradient of self_attention", "exp_avg_sq"} <= set(made)
    assert {name: kinds for name, kinds in made.items() if kinds != {np.dtype("float32")}} == {}


def test_a_number_that_no_integer_holds_is_refused() -> None:
    x = minigrad.tensor([1, 2])
    for call in (
        lambda: x + 2**70,
        lambda: ops.lt(x, -(2**64) - 1),
        lambda: ops.where(ops.gt(x, 1), x, 2**70),
        lambda: ops.clamp(x, max=2**70),
        lambda: ops.clamp_min(x, 2**70),
        lambda: ops.masked_fill(x, ops.gt(x, 1), 2**70),
        lambda: ops.scatter(x, 0, minigrad.tensor([0]), 2**70),
        lambda: ops.full_like(x, 2**70),
        lambda: ops.pad(x, (1, 1), value=2**70),
    ):
        with pytest.raises(ValueError, match="does not fit into int64"):
            call()
    assert ops.clamp(minigrad.tensor([1.5]), max=2**70).item() == 1.5
    with pytest.raises(ValueError, match="does not fit into float32"):
        ops.clamp(x, 0, 1e39)


def test_an_empty_vector_in_cat_has_a_dtype_too() -> None:
    empty = minigrad.tensor(np.zeros(0, np.float32))

    assert ops.cat([empty, minigrad.tensor([3, 4])]).dtype == np.float32


def test_python_floats_are_float32_and_arrays_keep_their_dtype() -> None:
    assert minigrad.tensor([1.0]).dtype == np.float32
    assert minigrad.tensor(np.array([1.0])).dtype == np.float64
    assert minigrad.tensor([1]).dtype == np.int64
    assert ops.div(minigrad.tensor([1, 2]), 2).dtype == np.float32


def test_a_number_that_does_not_fit_an_integer_dtype_wraps_around_as_in_torch() -> None:
    small = minigrad.tensor(np.array([5], np.uint8))

    assert (small + -1).tolist() == [4]
    assert (small / -1).tolist() == [-5.0]


def test_a_negative_power_of_an_unsigned_integer_is_no_large_one() -> None:
    small = minigrad.tensor(np.array([5], np.uint8))

    for exponent in (-1, minigrad.tensor(-1), minigrad.tensor([-1])):
        with pytest.raises(ValueError, match="negative power"):
            ops.pow(small, exponent)


def test_arrays_of_the_other_byte_order_are_read() -> None:
    assert minigrad.tensor(np.array([1.5], ">f8")).tolist() == [1.5]
