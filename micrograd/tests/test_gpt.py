"""The GPT: its options, its cache of keys and values, and the text it writes."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest

import micrograd
from micrograd import gpt, ops
from micrograd.lists import unnest
from micrograd.ops.attention import self_attention
from micrograd.sampling import Sampler

SIZES = gpt.GPTConfig(vocab_size=5, block_size=4, n_layer=2, n_head=2, n_embd=4)
SAMPLED = [{}, {"top_k": 3}, {"top_p": 0.7}, {"temperature": 2.0, "top_k": 5, "top_p": 0.9}]


@pytest.fixture
def model() -> gpt.GPT:
    """A GPT with weights large enough that its tokens differ."""
    micrograd.manual_seed(4)
    model = gpt.GPT(SIZES)
    for parameter in model.parameters():
        for value in unnest(parameter)[0]:
            value.data *= 20.0
    return model


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


@pytest.mark.parametrize("dropout_p", [0.0, 0.3])
def test_attention_of_heads_where_they_lie_is_attention_to_each(dropout_p: float) -> None:
    B, T, H, D = 2, 5, 3, 4
    drawn = random.Random(0)
    numbers = [[[drawn.gauss() for _ in range(3 * H * D)] for _ in range(T)] for _ in range(B)]
    dout = [[[drawn.gauss() for _ in range(H * D)] for _ in range(T)] for _ in range(B)]
    found = []
    for whole in (True, False):
        micrograd.manual_seed(1)
        x = micrograd.tensor(numbers, requires_grad=True)
        if whole:
            y = self_attention(x, H, dropout_p)
        else:
            heads = ops.permute(ops.view(x, (B, T, 3, H, D)), (2, 0, 3, 1, 4))  # (3, B, H, T, D)
            y = ops.scaled_dot_product_attention(*heads, None, dropout_p, is_causal=True)
            y = ops.reshape(ops.transpose(y, 1, 2), (B, T, H * D))
        micrograd.backward(y, dout)
        found.append((micrograd.tolist(y), unnest(micrograd.grad(x))[0]))
    (y, grad), (other, other_grad) = found

    assert y == other
    assert grad == pytest.approx(other_grad, rel=1e-13)


def test_gpt_generates() -> None:
    model = gpt.GPT(SIZES)
    prompt = [[0, 1], [2, 3]]
    longer = model.generate(prompt, 6)

    assert [row[:2] for row in longer] == prompt == [[0, 1], [2, 3]]
    assert micrograd.shape(longer) == (2, 8)


def test_targets_of_another_shape_are_refused(model: gpt.GPT) -> None:
    with pytest.raises(ValueError, match=r"targets of shape \(3, 2\) for ids of \(2, 3\)"):
        model([[0, 0, 0], [0, 0, 0]], [[0, 0], [0, 0], [0, 0]])


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


def test_presets() -> None:
    nano = gpt.GPTConfig.preset("nano", vocab_size=5, block_size=8, dropout=0.1)
    large = gpt.GPTConfig.preset("gpt2-large")

    assert (nano.n_layer, nano.n_head, nano.n_embd, nano.dropout) == (3, 3, 48, 0.1)
    assert (large.vocab_size, large.block_size, large.n_layer) == (50257, 1024, 36)


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


def test_there_is_no_checkpointing_of_single_numbers() -> None:
    with pytest.raises(ValueError, match="cannot recompute blocks: leave gradient"):
        gpt.GPTConfig(5, 4, 1, 1, 4, gradient_checkpointing=True)


def test_options_are_parts_of_the_model() -> None:
    config = gpt.GPTConfig(5, 4, 1, 2, 4, bias=False, norm="rms_norm", activation="relu")
    names = [name for name, _ in gpt.GPT(config).named_parameters()]

    assert not any(name.endswith("bias") for name in names)
    assert "RMSNorm" in repr(gpt.GPT(config))
    assert "ReLU" in repr(gpt.GPT(config))


@pytest.mark.parametrize("parts", [[4], [1] * 4, [1, 3], [2, 1, 1]], ids=str)
def test_logits_from_the_cache_are_those_without_it(model: gpt.GPT, parts: list[int]) -> None:
    idx = [[0, 1, 2, 3], [4, 0, 2, 2]]
    cache, logits, start = gpt.KVCache(), [[], []], 0
    for n in parts:
        found, _ = model([row[start : start + n] for row in idx], cache=cache)
        for row, new in zip(logits, micrograd.tolist(found), strict=True):
            row.extend(new)
        start += n
        assert cache.length == start

    want = [pytest.approx(x, rel=1e-12) for x in unnest(micrograd.tolist(model(idx)[0]))[0]]
    assert unnest(logits)[0] == want


def test_a_cache_refuses_what_does_not_fit(model: gpt.GPT) -> None:
    cache = gpt.KVCache()
    model([[0, 1, 2], [0, 1, 2]], cache=cache)
    with pytest.raises(ValueError, match="2 tokens after 3 in the cache for a block_size of 4"):
        model([[0, 1], [0, 1]], cache=cache)
    with pytest.raises(ValueError, match="targets and a cache exclude each other"):
        model([[0], [1]], [[0], [1]], cache)
    with pytest.raises(ValueError, match=r"cat: .*\(2, 2, 3, 2\) and \(1, 2, 1, 2\)"):
        model([[0]], cache=cache)
    assert cache.length == 3


@pytest.mark.parametrize("options", [{"do_sample": False}, *SAMPLED], ids=str)
def test_the_cache_changes_no_token(model: gpt.GPT, options: dict[str, Any]) -> None:
    """Not even once the context outgrows the block, after the second token."""
    asked = {"do_sample": True, "seed": 5, **options}
    prompt = [[1, 2], [3, 4]]
    cached = model.generate(prompt, 6, **asked)

    assert cached == model.generate(prompt, 6, use_cache=False, **asked)
    assert [row[:2] for row in cached] == prompt == [[1, 2], [3, 4]]


def test_a_seed_writes_the_same_text_and_none_follows_the_generator(model: gpt.GPT) -> None:
    def text(seed: int | None) -> Any:
        return model.generate([[1]], 12, do_sample=True, temperature=3.0, seed=seed)

    assert text(1) == text(1) != text(2)
    micrograd.manual_seed(9)
    drawn = text(None)
    assert drawn != text(None)
    micrograd.manual_seed(9)
    assert text(None) == drawn
    state = micrograd.get_rng_state()
    text(3)
    model.generate([[1]], 2)
    assert micrograd.get_rng_state() == state


def test_generating_drops_nothing_records_nothing_and_restores_each_mode() -> None:
    model = gpt.GPT(gpt.GPTConfig(5, 4, 2, 2, 4, dropout=0.5))
    model.transformer.h[0].eval()
    modes = [module.training for module in model.modules()]

    assert model.generate([[1]], 5) == model.generate([[1]], 5)
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
        ({"idx": [1, 2]}, ValueError, r"expected ids of shape \(B, T\), not \(2,\)"),
        ({"idx": [[], []]}, ValueError, r"with T > 0, not \(2, 0\)"),
        ({"idx": [[1.0]]}, TypeError, "generate: ids must be integers, not float"),
        # Out of sight, before the last block_size tokens.
        ({"idx": [[99] + [0] * 6]}, IndexError, r"generate: id .*out of range \[0, 4\]"),
    ],
    ids=str,
)
def test_arguments_of_generate_are_checked(
    model: gpt.GPT, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        model.generate(**{"idx": [[1, 2]], "max_new_tokens": 1, **arguments})


def test_nothing_new_is_the_prompt(model: gpt.GPT) -> None:
    assert model.generate([[1, 2]], 0) == [[1, 2]]


class Draws:
    """A random generator that returns the numbers it was given."""

    def __init__(self, *draws: float) -> None:
        self.draws: Iterator[float] = iter(draws)

    def random(self) -> float:
        return next(self.draws)


def drawn(draw: float, logits: list[float], **options: Any) -> int:
    asked = {"temperature": 1.0, "top_k": None, "top_p": None, **options}
    sampler = Sampler(True, seed=0, **asked)
    sampler.random = Draws(draw)
    (token,) = sampler([logits])
    return token


def test_a_draw_falls_in_the_tokens_share() -> None:
    logits = [math.log(share) for share in (0.2, 0.1, 0.4, 0.3)]
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
    assert Sampler(False, 1.0, None, None, None)([[0.0, 2.0, 2.0]]) == [1]
    assert drawn(0.99, [1.0] * 100, top_k=2) == 1
    assert drawn(0.99, [1.0, 1.0, 1.0, 1.0], top_p=0.5) == 1  # two have the share exactly
    assert drawn(0.99, [0.0, -math.inf, -math.inf]) == 0
    assert drawn(0.0, [-math.inf, 0.0]) == 1


@pytest.mark.parametrize(
    "logits", [[0.0, math.nan], [math.inf, 0.0], [-math.inf, -math.inf]], ids=str
)
@pytest.mark.parametrize("do_sample", [False, True])
def test_logits_that_are_not_finite_are_refused(logits: list[float], do_sample: bool) -> None:
    with pytest.raises(ValueError, match="the model's logits are not finite"):
        Sampler(do_sample, 1.0, None, None, 0)([logits])
