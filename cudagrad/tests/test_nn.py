"""Modules and optimizers: names, state, and that training trains."""

from __future__ import annotations

import numpy as np
import pytest

import cudagrad
from cudagrad import gpt, nn, ops, optim

CONFIG = gpt.GPTConfig(vocab_size=13, block_size=6, n_layer=2, n_head=2, n_embd=8)


def test_parameters_are_found_by_name_and_tied_ones_once() -> None:
    model = gpt.GPT(CONFIG)
    names = [name for name, _ in model.named_parameters()]

    assert names[:2] == ["transformer.wte.weight", "transformer.wpe.weight"]
    assert "transformer.h.1.attn.c_attn.bias" in names
    assert "lm_head.weight" not in names
    assert "lm_head.weight" in model.state_dict()
    assert model.num_parameters() == sum(p.numel() for p in model.parameters())


def test_state_goes_out_and_in() -> None:
    cudagrad.manual_seed(1)
    one, other = gpt.GPT(CONFIG), gpt.GPT(CONFIG)
    other.load_state_dict(one.state_dict())
    idx = np.arange(6)[None] % 13

    assert one(idx)[0].tolist() == other(idx)[0].tolist()


def test_a_state_that_does_not_fit_is_refused_before_anything_changes() -> None:
    layer = nn.Linear(2, 3)
    before = layer.state_dict()
    with pytest.raises(RuntimeError, match=r"misshapen: bias \(2,\) instead of \(3,\)"):
        layer.load_state_dict({"weight": np.zeros((3, 2)), "bias": np.zeros(2)})
    with pytest.raises(RuntimeError, match=r"missing: bias; unexpected: biases"):
        layer.load_state_dict({"weight": np.zeros((3, 2)), "biases": np.zeros(3)})
    with pytest.raises(TypeError, match=r"of Linear: expected a dict.* not Linear"):
        layer.load_state_dict(layer)
    layer.load_state_dict({"bias": before["bias"]}, strict=False)

    assert layer.weight.tolist() == before["weight"].tolist()


def test_modules_print_as_torchs() -> None:
    assert repr(nn.Linear(2, 3)) == "Linear(in_features=2, out_features=3, bias=True)"
    assert repr(nn.ModuleList([nn.ReLU()])) == "ModuleList(\n  (0): ReLU()\n)"


def test_initial_weights_are_torchs_distributions() -> None:
    cudagrad.manual_seed(0)
    layer = nn.Linear(100, 400)
    table = nn.Embedding(400, 100)

    assert np.abs(layer.state_dict()["weight"]).max() <= 0.1
    assert np.isclose(layer.state_dict()["weight"].std(), 0.1 / np.sqrt(3), rtol=0.02)
    assert np.isclose(table.state_dict()["weight"].std(), 1.0, rtol=0.02)


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.AdamW])
def test_training_fits_a_line(optimizer: type[optim.Optimizer]) -> None:
    cudagrad.manual_seed(0)
    layer = nn.Linear(1, 1)
    x = cudagrad.tensor([[-1.0], [0.0], [1.0]])
    opt = optimizer(layer.parameters(), lr=0.1)
    for _ in range(300):
        opt.zero_grad()
        loss = ops.mse_loss(layer(x), x * 2.0 + 1.0)
        loss.backward()
        opt.step()

    assert loss.item() < 1e-3


def test_dropout_follows_the_seed_and_the_mode() -> None:
    drop, x = nn.Dropout(0.5), cudagrad.tensor(np.ones(100))
    cudagrad.manual_seed(3)
    one, two = drop(x).tolist(), drop(x).tolist()
    cudagrad.manual_seed(3)

    assert drop(x).tolist() == one != two
    assert drop.eval()(x).tolist() == x.tolist()
