"""Under autocast products are of bfloat16, what needs float32 takes that, and weights stay it."""

from __future__ import annotations

import contextlib
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import cudagrad
from cudagrad import Tensor, autocast, bfloat16, checkpoint, engine, gpt, nn, ops, optim
from cudagrad.autocast import IN_BFLOAT16, IN_FLOAT32, IN_WIDEST
from parity.engines import torch_gpt

FLOAT32 = np.dtype(np.float32)


def leaf(*shape: int, dtype: Any = None) -> Tensor:
    numbers = np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)
    return cudagrad.tensor(numbers, dtype, requires_grad=True)


def test_the_lists_are_of_ops() -> None:
    names = IN_BFLOAT16 | IN_FLOAT32 | IN_WIDEST

    assert names <= set(ops.__all__)
    assert len(names) == len(IN_BFLOAT16) + len(IN_FLOAT32) + len(IN_WIDEST)


def test_it_is_of_one_thread() -> None:
    x = leaf(3, 3)
    found: list[Any] = []
    with autocast():
        thread = threading.Thread(target=lambda: found.append((x @ x).dtype))
        thread.start()
        thread.join()

    assert found == [FLOAT32]


def test_the_lists_are_torchs() -> None:
    """Of what is on the one for CUDA all that is an op here is on the one here."""
    header = Path(torch.__file__).parent / "include/ATen/autocast_mode.h"
    macros = re.split(r"#define AT_FORALL_", header.read_text(encoding="utf-8"))
    named = {text.split("(", 1)[0]: set(re.findall(r"_\((\w+)", text)) for text in macros[1:]}
    ours = set(ops.__all__)

    assert named["LOWER_PRECISION_FP"] & ours == IN_BFLOAT16
    assert (named["FP32"] | named["FP32_SET_OPT_DTYPE"]) & ours == IN_FLOAT32 - {"cross_entropy"}
    assert named["PROMOTE"] & ours == IN_WIDEST


def test_ops_take_what_they_gain_by() -> None:
    x, weight = leaf(3, 5), leaf(5, 5)
    with autocast(dtype=bfloat16):
        product = x @ weight
        assert product.dtype is bfloat16
        assert ops.einsum("ij,ij->ij", x, x).dtype is bfloat16
        assert ops.gelu(product).dtype is bfloat16
        assert ops.softmax(product, 1).dtype == FLOAT32
        assert ops.sum(product).dtype == FLOAT32
        assert (1 / product).dtype == FLOAT32
        assert (product / 2).dtype is bfloat16
        assert (product + x).dtype == FLOAT32
        assert ops.dot(product[0], x[0]).dtype == FLOAT32
        assert ops.dot(product[0], product[0]).dtype is bfloat16
        assert (x.double() @ weight.double()).dtype == np.float64
        with autocast(enabled=False):
            assert (x @ weight).dtype == FLOAT32
    assert (x @ weight).dtype == FLOAT32


READ = {
    "cross_entropy": lambda x: ops.cross_entropy(x, np.arange(8)),
    "smoothed cross_entropy": lambda x: ops.cross_entropy(x, np.arange(8), label_smoothing=0.1),
    "layer_norm": lambda x: ops.layer_norm(x, (2048,), leaf(2048), leaf(2048)),
    "rms_norm": lambda x: ops.rms_norm(x, (2048,), leaf(2048)),
}


@pytest.mark.parametrize("name", READ)
def test_what_reads_bfloat16_gives_what_it_gives_for_float32(name: str) -> None:
    """To the bit: the numbers are the same ones, and gradients are rounded either way."""
    small = leaf(8, 2048, dtype=bfloat16)
    wide = cudagrad.tensor(small.float().detach(), requires_grad=True)
    with autocast():
        outs = [READ[name](x) for x in (small, wide)]
    for out in outs:
        assert out.dtype == FLOAT32
        out.backward(np.random.default_rng(0).standard_normal(out.shape).astype(np.float32))

    assert np.array_equal(*(out.detach().numpy() for out in outs))
    assert small.grad.dtype is bfloat16
    assert np.array_equal(small.grad.numpy(), wide.grad.to(bfloat16).numpy())
    assert READ[name](small.detach()).dtype == (FLOAT32 if "norm" in name else bfloat16)


def kept(make: Any) -> int:
    """How many bytes a result and what is saved for backward take."""
    make()  # constants are kept for the next time
    before = cudagrad.memory_allocated()
    result = make()
    found = cudagrad.memory_allocated() - before
    del result
    return found


@pytest.mark.usefixtures("collector_off")
def test_nothing_is_kept_in_float32_of_what_bfloat16_was_given() -> None:
    """Sizes are multiples of what the allocator hands out; besides, a row has a few numbers."""
    x = leaf(8, 2048, dtype=bfloat16)
    q, k, v = (leaf(1, 2, 64, 16, dtype=bfloat16) for _ in range(3))
    size, rows = 2 * x.numel(), 512
    with autocast():
        assert kept(lambda: ops.dropout(x, 0.5)) == size
        assert kept(lambda: ops.add(x, x)) == size
        assert kept(lambda: ops.gelu(x)) == size
        assert kept(lambda: ops.scaled_dot_product_attention(q, k, v)) == 2 * q.numel() + 2 * rows
        assert kept(lambda: ops.layer_norm(x, (2048,))) == 2 * size + 2 * rows
        assert kept(lambda: ops.cross_entropy(x, np.arange(8))) <= 8 * rows
    wide = leaf(8, 2048)
    assert kept(lambda: ops.dropout(wide, 0.5)) == 4 * wide.numel()


def test_gradients_come_back_in_the_dtype_of_the_leaf() -> None:
    x, weight = leaf(3, 5), leaf(4, 5)
    with autocast():
        ops.sum(ops.linear(x, weight)).backward()

    for given in (x, weight):
        assert given.grad is not None
        assert given.grad.dtype == FLOAT32
    assert np.allclose(weight.grad.numpy(), x.detach().numpy().sum(0), rtol=0, atol=0.05)


def test_a_parameter_is_rounded_once_and_again_after_backward() -> None:
    x, weight = leaf(3, 5), leaf(5, 5)
    with autocast():
        first = (x.detach() @ weight) @ weight
        casts = [node for node in engine.tape(first) if node.op == "to"]
        assert len(casts) == 1
        first.sum().backward()
        (x.detach() @ weight).sum().backward()  # through a graph of its own
        weight.data = ops.zeros((5, 5)).data
        assert not (x.detach() @ weight).detach().numpy().any()


def test_what_autocast_cannot_do_is_refused() -> None:
    for dtype in (np.float16, np.float64, "float16"):
        with pytest.raises(ValueError, match="dtype must be one of bfloat16, not"):
            autocast(dtype=dtype).__enter__()
    with pytest.raises(ValueError, match="device_type must be one of cuda, not 'xpu'"):
        autocast("xpu").__enter__()
    with autocast(), pytest.raises(RuntimeError, match="use binary_cross_entropy_with_logits"):
        ops.binary_cross_entropy(ops.sigmoid(leaf(3)), ops.ones(3))


def test_a_checkpoint_computes_the_same_again() -> None:
    weight = leaf(5, 5)

    def gradient(remember: Any) -> np.ndarray:
        weight.grad = None
        with autocast():
            x = leaf(3, 5) @ weight  # which is rounded before the checkpoint, too
            loss = remember(lambda x: ops.gelu(x @ weight), x).sum()
        loss.backward()
        assert weight.grad is not None
        return weight.grad.numpy()

    # Its two parts are rounded each by itself, or their sum is.
    got, want = gradient(checkpoint), gradient(lambda function, x: function(x))
    assert np.abs(got - want).max() <= 2 * 2.0**-8 * np.abs(want).max()


def test_attention_takes_a_mask_of_its_input() -> None:
    layer, x = nn.MultiheadAttention(4, 2, batch_first=True), leaf(2, 3, 4)
    with autocast():
        for need_weights in (False, True):
            y, _ = layer(x, x, x, attn_mask=ops.zeros((3, 3)), need_weights=need_weights)
            assert y.dtype is bfloat16


# Training beside torch


SIZES = {"vocab_size": 11, "block_size": 8, "n_layer": 2, "n_head": 2, "n_embd": 16}


def losses(engine: Any, package: Any, dtype: Any, steps: int = 12) -> list[float]:
    """Of a tiny GPT that learns a batch by heart, from the same weights; dtype: of autocast."""
    cudagrad.manual_seed(0)
    weights = gpt.GPT(gpt.GPTConfig(**SIZES)).state_dict()
    model = package.GPT(package.GPTConfig(**SIZES))
    model.load_state_dict({name: engine.tensor(value) for name, value in weights.items()})
    optimizer, found = engine.optim.AdamW(model.parameters(), lr=0.01), []
    idx = engine.tensor(np.random.default_rng(0).integers(0, 11, (4, 9)))
    where = "cpu" if engine is torch else "cuda"
    for _ in range(steps):
        with engine.autocast(where, dtype=dtype) if dtype else contextlib.nullcontext():
            logits, loss = model(idx[:, :-1], idx[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    assert logits.dtype == (dtype or (torch.float32 if engine is torch else FLOAT32))
    for parameter in model.parameters():  # the masters
        assert parameter.dtype == parameter.grad.dtype
        assert str(parameter.dtype).endswith("float32")
    return found


@pytest.mark.launches
def test_a_gpt_learns_as_in_torch_and_as_in_float32() -> None:
    """Numbers rounded to 8 bits, in products that are summed in float32: 2^-8 of the loss."""
    ours, plain = losses(cudagrad, gpt, bfloat16), losses(cudagrad, gpt, None)
    torchs = losses(torch, torch_gpt, torch.bfloat16)

    assert plain[-1] < 0.7 * plain[0]
    assert np.allclose(ours, plain, rtol=2.0**-8, atol=0)
    assert np.allclose(ours, torchs, rtol=2.0**-8, atol=0)
    assert not np.allclose(ours, plain, rtol=1e-6, atol=0)


@pytest.mark.parametrize("count", [1, 2])
def test_a_step_inside_of_autocast_is_seen(count: int) -> None:
    weights, x = [leaf(4, 3) for _ in range(count)], leaf(5, 3)
    optimizer = optim.SGD(weights, lr=1.0)
    with autocast():
        for _ in range(3):
            made = [ops.linear(x, weight) for weight in weights]
            anew = [ops.linear(x, cudagrad.tensor(weight.detach())) for weight in weights]
            for y, expected in zip(made, anew, strict=True):
                np.testing.assert_array_equal(y.detach().numpy(), expected.detach().numpy())
            optimizer.zero_grad()
            sum(y.sum() for y in made).backward(retain_graph=True)
            optimizer.step()
