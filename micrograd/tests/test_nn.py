"""Modules, optimizers and the GPT, against numbers known by hand."""

from __future__ import annotations

import math

import pytest

import micrograd
from micrograd import gpt, nn, optim

SIZES = gpt.GPTConfig(vocab_size=5, block_size=4, n_layer=2, n_head=2, n_embd=4)


class Pair(nn.Module):
    def __init__(self) -> None:
        self.first = nn.Linear(2, 2)
        self.second = nn.Linear(2, 2, bias=False)
        self.second.weight = self.first.weight
        self.rest = nn.ModuleList([nn.Dropout(0.5), nn.LayerNorm(2)])


def test_parameters_are_found_by_name() -> None:
    pair = Pair()
    own = ["first.weight", "first.bias", "rest.1.weight", "rest.1.bias"]

    assert [name for name, _ in pair.named_parameters()] == own
    assert set(pair.state_dict()) == {*own, "second.weight"}
    assert next(pair.parameters()) is pair.second.weight


def test_state_goes_from_one_model_to_another() -> None:
    one, other = Pair(), Pair()
    other.load_state_dict(one.state_dict())

    assert other.state_dict() == one.state_dict()
    assert other.second.weight is other.first.weight


def test_a_state_that_does_not_fit() -> None:
    pair = Pair()
    state = pair.state_dict()
    before = pair.state_dict()
    del state["first.bias"]
    state |= {"third": 1.0, "rest.1.bias": [0.0], "rest.1.weight": [9.0, 9.0]}
    with pytest.raises(RuntimeError) as caught:
        pair.load_state_dict(state)
    text = str(caught.value)

    assert "misshapen: rest.1.bias (1,) instead of (2,)" in text
    assert "missing: first.bias" in text
    assert "unexpected: third" in text
    assert pair.state_dict() == before


def test_not_strict() -> None:
    pair = Pair()
    pair.load_state_dict({"first.bias": (1, 2), "third": 3}, strict=False)

    assert micrograd.tolist(pair.first.bias) == [1.0, 2.0]


def test_train_and_eval() -> None:
    pair = Pair()

    assert not pair.eval().rest[0].training
    assert pair.train().rest[0].training
    assert pair.rest[0](micrograd.tensor([1.0] * 50)) != [1.0] * 50
    x = micrograd.tensor([1.0, 2.0])
    assert pair.eval().rest[0](x) == x


def test_zero_grad() -> None:
    layer = nn.Linear(2, 1)
    micrograd.backward(layer([1.0, 2.0]))
    assert micrograd.grad(layer.weight) == [[1.0, 2.0]]
    layer.zero_grad()

    assert micrograd.grad(layer.weight) is None


def test_initial_weights() -> None:
    micrograd.manual_seed(3)
    numbers = [abs(w) for row in micrograd.tolist(nn.Linear(25, 40).weight) for w in row]
    normal = [w for row in micrograd.tolist(nn.Embedding(50, 20).weight) for w in row]

    assert 0.19 < max(numbers) <= 1 / math.sqrt(25)
    assert 0.9 < sum(w * w for w in normal) / len(normal) < 1.1


def test_optimizers_leave_what_has_no_gradient() -> None:
    x, y = (micrograd.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    optimizer = optim.AdamW([x, y], lr=0.1)
    x[0].backward()
    optimizer.step()

    assert micrograd.tolist(y) == [1.0, 2.0]
    assert micrograd.tolist(x)[1] == 2.0 * (1 - 0.1 * 0.01)


def test_dropout_refuses() -> None:
    with pytest.raises(ValueError, match="Dropout: p must be between 0 and 1"):
        nn.Dropout(1.5)


def test_gpt_has_gpt2s_names() -> None:
    model = gpt.GPT(SIZES)
    names = [name for name, _ in model.named_parameters()]

    assert names[:3] == [
        "transformer.wte.weight",
        "transformer.wpe.weight",
        "transformer.h.0.ln_1.weight",
    ]
    assert "transformer.h.1.mlp.c_proj.bias" in names
    assert set(model.state_dict()) - set(names) == {"lm_head.weight"}
    assert model.num_parameters() == 9 * 4 + 2 * (4 * 4 + 12 * 5 + 4 * 5 + 16 * 5 + 4 * 17) + 8


def test_gpt_starts_knowing_nothing() -> None:
    model = gpt.GPT(SIZES)
    logits, loss = model([[0, 1, 2]], [[1, 2, 3]])

    assert micrograd.shape(logits) == (1, 3, 5)
    assert loss.data == pytest.approx(math.log(5), abs=0.05)
    assert model([[0]])[1] is None


def test_gpt_does_not_look_ahead() -> None:
    model = gpt.GPT(SIZES)
    one, other = (micrograd.tolist(model([[0, 1, last]])[0]) for last in (2, 3))

    assert one[0][:2] == other[0][:2]
    assert one[0][2] != other[0][2]


def test_gpt_generates() -> None:
    model = gpt.GPT(SIZES)
    prompt = [[0, 1], [2, 3]]
    longer = model.generate(prompt, 6)

    assert [row[:2] for row in longer] == prompt == [[0, 1], [2, 3]]
    assert micrograd.shape(longer) == (2, 8)


def test_gpt_refuses() -> None:
    with pytest.raises(ValueError, match="not a multiple of n_head"):
        gpt.GPTConfig(vocab_size=5, block_size=4, n_layer=1, n_head=3, n_embd=4)
    with pytest.raises(ValueError, match="5 tokens for a block_size of 4"):
        gpt.GPT(SIZES)([[0, 1, 2, 3, 4]])
    with pytest.raises(ValueError, match="n_head must be at least 1, not 0"):
        gpt.GPTConfig(vocab_size=5, block_size=4, n_layer=1, n_head=0, n_embd=4)
    for call in (gpt.GPT(SIZES), lambda idx: gpt.GPT(SIZES).generate(idx, 1)):
        with pytest.raises(ValueError, match=r"expected ids of shape \(B, T\), not \(3,\)"):
            call([0, 1, 2])
