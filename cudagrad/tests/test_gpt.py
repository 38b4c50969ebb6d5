"""The GPT: its options, its cache of keys and values, and the text it writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import cudagrad
from cudagrad import gpt, optim
from cudagrad.sampling import Sampler

CONFIG = gpt.GPTConfig(vocab_size=13, block_size=6, n_layer=2, n_head=2, n_embd=8)
SAMPLED = [{}, {"top_k": 3}, {"top_p": 0.7}, {"temperature": 2.0, "top_k": 5, "top_p": 0.9}]


@pytest.fixture
def model() -> gpt.GPT:
    """A GPT with weights large enough that its tokens differ."""
    cudagrad.manual_seed(4)
    model = gpt.GPT(CONFIG)
    model.load_state_dict({name: 12 * array for name, array in model.state_dict().items()})
    return model


def test_gpt_learns_a_sequence_by_heart_and_says_it() -> None:
    cudagrad.manual_seed(0)
    model = gpt.GPT(CONFIG)
    opt = optim.AdamW(model.parameters(), lr=0.01)
    sequence = np.array([[3, 1, 4, 1, 5, 9, 2]])
    for _ in range(150):
        opt.zero_grad()
        _, loss = model(sequence[:, :-1], sequence[:, 1:])
        loss.backward()
        opt.step()

    assert loss.item() < 0.1
    assert model.generate(sequence[:, :1], 6).tolist() == sequence.tolist()


def test_ids_may_be_lists(model: gpt.GPT) -> None:
    ids, targets = [[1, 2]], [[2, 3]]

    _, loss = model(ids, targets)
    _, same = model(np.array(ids), np.array(targets))
    assert loss.item() == same.item()


def test_targets_of_another_shape_are_refused(model: gpt.GPT) -> None:
    with pytest.raises(ValueError, match=r"targets of shape \(3, 2\) for ids of \(2, 3\)"):
        model(np.zeros((2, 3), int), np.zeros((3, 2), int))


def test_a_context_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="7 tokens for a block_size of 6"):
        gpt.GPT(CONFIG)(np.zeros((1, 7), int))
    with pytest.raises(ValueError, match="not a multiple of n_head"):
        gpt.GPTConfig(vocab_size=3, block_size=3, n_layer=1, n_head=3, n_embd=8)


def test_presets_have_the_published_numbers_of_parameters() -> None:
    # 124, 355, 774 and 1558 million, counted from the sizes: a model of the last takes 6 GB.
    for name, millions in {
        "gpt2": 124,
        "gpt2-medium": 355,
        "gpt2-large": 774,
        "gpt2-xl": 1558,
    }.items():
        c = gpt.GPTConfig.preset(name)
        tables = (c.vocab_size + c.block_size) * c.n_embd
        per_layer = 12 * c.n_embd**2 + 13 * c.n_embd
        assert round((tables + c.n_layer * per_layer + 2 * c.n_embd) / 1e6) == millions
    nano = gpt.GPTConfig.preset("nano", vocab_size=5, block_size=8, dropout=0.1)
    assert (nano.n_layer, nano.n_head, nano.n_embd, nano.dropout) == (3, 3, 48, 0.1)
    assert gpt.GPT(nano).num_parameters() == 13 * 48 + 3 * (12 * 48**2 + 13 * 48) + 2 * 48
    assert gpt.GPTConfig.preset("gpt2", n_layer=1).n_layer == 1


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"norm": "batch"}, ValueError, "norm must be one of layer_norm, rms_norm, not 'batch'"),
        ({"activation": "tanh"}, ValueError, "activation must be one of gelu, relu, not 'tanh'"),
        ({"n_layer": 0}, ValueError, "n_layer must be at least 1, not 0"),
        ({"vocab_size": 2.5}, TypeError, "vocab_size must be an int, not float"),
        ({"dropout": "a"}, TypeError, "dropout must be a number"),
        ({"dropout": 1.0}, ValueError, r"dropout must lie in \[0, 1\), not 1.0"),
        ({"bias": "no"}, TypeError, "bias must be a bool, not str"),
    ],
)
def test_a_config_that_makes_no_model_is_refused(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        gpt.GPTConfig.preset("nano", **{"vocab_size": 5, "block_size": 4, **changes})


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(
        ValueError, match="preset must be one of nano, micro, mini, gpt2, gpt2-medi"
    ):
        gpt.GPTConfig.preset("gpt3")


def test_options_are_parts_of_the_model() -> None:
    config = gpt.GPTConfig(5, 4, 1, 2, 4, bias=False, norm="rms_norm", activation="relu")
    names = [name for name, _ in gpt.GPT(config).named_parameters()]

    assert not any(name.endswith("bias") for name in names)
    assert "RMSNorm" in repr(gpt.GPT(config))
    assert "ReLU" in repr(gpt.GPT(config))


@pytest.mark.parametrize("parts", [[6], [1] * 6, [2, 4], [3, 1, 2]], ids=str)
def test_logits_from_the_cache_are_those_without_it(model: gpt.GPT, parts: list[int]) -> None:
    idx = np.random.default_rng(1).integers(0, 13, (2, 6))
    cache, logits, start = gpt.KVCache(), [], 0
    for n in parts:
        logits.append(numbers(model(idx[:, start : start + n], cache=cache)[0]))
        start += n
        assert cache.length == start

    want = numbers(model(idx)[0])
    assert np.abs(np.concatenate(logits, axis=1) - want).max() < 1e-5 * np.abs(want).max()


def numbers(tensor: cudagrad.Tensor) -> Any:
    return tensor.detach().numpy()


def test_a_cache_refuses_what_does_not_fit(model: gpt.GPT) -> None:
    cache, idx = gpt.KVCache(), np.zeros((2, 5), int)
    model(idx, cache=cache)
    with pytest.raises(ValueError, match="2 tokens after 5 in the cache for a block_size of 6"):
        model(idx[:, :2], cache=cache)
    with pytest.raises(ValueError, match="targets and a cache exclude each other"):
        model(idx[:, :1], idx[:, :1], cache)
    with pytest.raises(ValueError, match=r"cat: .*\(2, 2, 5, 4\) and \(1, 2, 1, 4\)"):
        model(idx[:1, :1], cache=cache)
    assert cache.length == 5


@pytest.mark.parametrize("options", [{"do_sample": False}, *SAMPLED], ids=str)
def test_the_cache_changes_no_token(model: gpt.GPT, options: dict[str, Any]) -> None:
    """Nor when the context outgrows the block after the fourth token."""
    asked = {"do_sample": True, "seed": 5, **options}
    prompt = [[1, 2], [3, 4]]
    cached = model.generate(prompt, 10, **asked).tolist()

    assert cached == model.generate(prompt, 10, use_cache=False, **asked).tolist()
    assert [row[:2] for row in cached] == prompt
    assert len({tuple(row) for row in cached}) == 2


def test_a_seed_writes_the_same_text_and_none_follows_the_generator(model: gpt.GPT) -> None:
    def text(seed: int | None) -> Any:
        return model.generate([[1]], 20, do_sample=True, temperature=3.0, seed=seed).tolist()

    assert text(1) == text(1) != text(2)
    cudagrad.manual_seed(9)
    drawn = [text(None), text(None)]
    cudagrad.manual_seed(9)
    assert [text(None), text(None)] == drawn
    assert drawn[0] != drawn[1]
    state = cudagrad.get_rng_state()
    text(3)
    model.generate([[1]], 2)
    assert cudagrad.get_rng_state() == state


def test_the_smallest_choices_are_greedy(model: gpt.GPT) -> None:
    greedy = model.generate([[1, 2]], 8).tolist()
    for options in ({"top_k": 1}, {"top_p": 1e-9}, {"temperature": 1e-6}):
        assert model.generate([[1, 2]], 8, do_sample=True, seed=0, **options).tolist() == greedy


def test_generating_drops_nothing_records_nothing_and_restores_each_mode() -> None:
    model = gpt.GPT(gpt.GPTConfig(13, 6, 2, 2, 8, dropout=0.5))
    model.transformer.h[0].eval()
    modes = [module.training for module in model.modules()]
    one = model.generate([[1]], 8)

    assert one.tolist() == model.generate([[1]], 8).tolist()
    assert not one.requires_grad
    assert [module.training for module in model.modules()] == modes
    with pytest.raises(IndexError):
        model.generate([[13]], 1)
    assert [module.training for module in model.modules()] == modes


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"temperature": 0.0}, ValueError, r"temperature must lie in \(0, inf\), not 0.0"),
        ({"temperature": float("nan")}, ValueError, r"temperature must lie in \(0, inf\), not nan"),
        ({"temperature": float("inf")}, ValueError, r"temperature must lie in \(0, inf\), not inf"),
        ({"top_k": 0}, ValueError, "top_k must be at least 1, not 0"),
        ({"top_k": 2.0}, TypeError, "top_k must be an int, not float"),
        ({"top_p": 0.0}, ValueError, r"top_p must lie in \(0, 1\], not 0.0"),
        ({"top_p": 1.5}, ValueError, r"top_p must lie in \(0, 1\], not 1.5"),
        ({"seed": -1}, ValueError, "seed must be at least 0, not -1"),
        ({"max_new_tokens": -1}, ValueError, "max_new_tokens must be at least 0, not -1"),
        ({"idx": [1, 2]}, ValueError, r"expected ids \(B, T\) with T > 0, not \(2,\)"),
        ({"idx": [[]]}, ValueError, r"with T > 0, not \(1, 0\)"),
        ({"idx": np.zeros((2, 0), int)}, ValueError, r"with T > 0, not \(2, 0\)"),
        ({"idx": [[1.0]]}, TypeError, "generate: id must be integers, not float32"),
        # Out of sight, before the last block_size tokens.
        ({"idx": [[99] + [0] * 6]}, IndexError, r"generate: id .*out of range \[0, 12\]"),
    ],
    ids=str,
)
def test_arguments_of_generate_are_checked(
    model: gpt.GPT, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        model.generate(**{"idx": [[1, 2]], "max_new_tokens": 1, **arguments})


def test_nothing_new_is_the_prompt(model: gpt.GPT) -> None:
    assert model.generate([[1, 2]], 0).tolist() == [[1, 2]]


class Draws:
    """A random generator that gives the numbers it was made of."""

    def __init__(self, *draws: float) -> None:
        self.draws: Iterator[float] = iter(draws)

    def random(self) -> float:
        return next(self.draws)


def drawn(draw: float, logits: list[float], **options: Any) -> int:
    asked = {"temperature": 1.0, "top_k": None, "top_p": None, **options}
    sampler = Sampler(True, seed=0, **asked)
    sampler.random = Draws(draw)
    (token,) = sampler(np.array([logits]))
    return int(token)


def test_a_draw_falls_in_the_tokens_share() -> None:
    logits = [float(np.log(share)) for share in (0.2, 0.1, 0.4, 0.3)]
    edges = {0.0: 0, 0.19: 0, 0.21: 1, 0.29: 1, 0.31: 2, 0.69: 2, 0.71: 3, 1 - 2**-53: 3}

    assert {draw: drawn(draw, logits) for draw in edges} == edges
    # 2 and 3 are left, with 4/7 and 3/7.
    assert [drawn(d, logits, top_k=2) for d in (0.0, 0.57, 0.58, 0.99)] == [2, 2, 3, 3]
    assert [drawn(d, logits, top_p=0.69) for d in (0.0, 0.57, 0.58, 0.99)] == [2, 2, 3, 3]
    assert [drawn(d, logits, top_p=0.71) for d in (0.0, 0.99)] == [0, 3]
    # Of the three likeliest, which have 0.9 together, two have a share of 0.7 / 0.9.
    assert drawn(0.0, logits, top_k=3, top_p=0.77) == 2
    assert drawn(0.0, logits, top_k=3, top_p=0.79) == 0
    # Squared, the shares are 4, 1, 16 and 9 thirtieths.
    assert [drawn(d, logits, temperature=0.5) for d in (0.13, 0.14, 0.71)] == [0, 1, 3]


def test_of_equals_the_first_are_kept() -> None:
    assert [drawn(d, [1.0, 1.0, 1.0, 1.0], top_k=2) for d in (0.0, 0.49, 0.51, 0.99)] == [
        0,
        0,
        1,
        1,
    ]
    assert Sampler(False, 1.0, None, None, None)(np.array([[0.0, 2.0, 2.0]])).tolist() == [1]
    assert drawn(0.99, [1.0] * 100, top_k=2) == 1
    assert drawn(0.99, [1.0, 1.0, 1.0, 1.0], top_p=0.5) == 1  # two have the share exactly
    assert drawn(0.99, [0.0, -np.inf, -np.inf]) == 0
    assert drawn(0.0, [-np.inf, 0.0]) == 1


@pytest.mark.parametrize("logits", [[0.0, np.nan], [np.inf, 0.0], [-np.inf, -np.inf]], ids=str)
@pytest.mark.parametrize("do_sample", [False, True])
def test_logits_that_are_not_finite_are_refused(logits: list[float], do_sample: bool) -> None:
    with pytest.raises(ValueError, match="the model's logits are not finite"):
        Sampler(do_sample, 1.0, None, None, 0)(np.array([logits]))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_checkpointing_changes_no_bit(dropout: float) -> None:
    idx = np.random.default_rng(2).integers(0, 13, (2, 7))

    def trained(*, checkpointing: bool) -> list[Any]:
        cudagrad.manual_seed(5)
        sizes = {"dropout": dropout, "gradient_checkpointing": checkpointing}
        model = gpt.GPT(gpt.GPTConfig(13, 6, 3, 2, 8, **sizes))
        losses = []
        for _ in range(2):  # the second adds to gradients that are there
            _, loss = model(idx[:, :-1], idx[:, 1:])
            loss.backward()
            losses.append(loss.item())
        return [losses, *(parameter.grad.tolist() for parameter in model.parameters())]

    assert trained(checkpointing=True) == trained(checkpointing=False)
