"""Training runs: the text, the weights, and that a planted fault is seen and named."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from parity import corpus
from parity.checks.runs import RunResult, check_run
from parity.engines import OURS, load, torch_gpt
from parity.spec.runs import RUNS, Run

TINY = replace(RUNS[0], steps=4, new_tokens=12)

with_every_dtype = pytest.mark.parametrize("dtype", ["float64", "float32"])


def test_the_text_is_of_the_alphabet_and_of_its_size() -> None:
    assert set(corpus.text()) == set(corpus.ALPHABET)
    assert len(set(corpus.ALPHABET)) == len(corpus.ALPHABET) == 32
    assert len(corpus.text()) == corpus.SIZE
    assert "  " not in corpus.text()


def test_ids_and_characters_are_one_to_one() -> None:
    some = corpus.text()[:1000]

    assert corpus.decode(corpus.encode(some)) == some


def test_a_character_outside_the_alphabet_is_refused() -> None:
    with pytest.raises(ValueError, match="not in the alphabet: 'ß'"):
        corpus.encode("stra\u00dfe")


def test_batches_are_the_same_every_time_and_shifted_by_one() -> None:
    first = list(itertools.islice(corpus.batches(7, 128, 3, 8), 20))
    again = list(itertools.islice(corpus.batches(7, 128, 3, 8), 20))
    other = next(corpus.batches(8, 128, 3, 8))

    for (inputs, targets), (same_inputs, same_targets) in zip(first, again, strict=True):
        assert inputs.shape == targets.shape == (3, 8)
        assert np.array_equal(inputs, same_inputs)
        assert np.array_equal(targets, same_targets)
        assert np.array_equal(inputs[:, 1:], targets[:, :-1])
        for row in inputs:
            assert corpus.decode(row) in corpus.text()[:128]
    assert not np.array_equal(first[0][0], other[0])


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_initial_weights_fit_the_model_and_float32(run: Run) -> None:
    model = torch_gpt.GPT(torch_gpt.GPTConfig(**run.config()))
    weights = run.weights()

    assert list(weights) == list(model.state_dict())
    for name, parameter in model.state_dict().items():
        assert weights[name].shape == tuple(parameter.shape)
        assert np.array_equal(weights[name], weights[name].astype(np.float32))
        assert np.unique(weights[name]).size > 1, f"{name} is constant: its use would not show"
    assert weights["lm_head.weight"] is weights["transformer.wte.weight"]


@pytest.mark.parametrize("name", OURS)
def test_an_honest_engine_passes(name: str) -> None:
    engine = load(name)
    for dtype in engine.dtypes:
        result = check_run(engine, TINY, dtype)

        assert result.status == "passed", result.message
        assert len(result.losses) == len(result.loss_bands) == TINY.steps
        assert list(result.gradients) == list(result.weights)
        assert result.losses[0] == pytest.approx(result.torch_losses[0], rel=1e-5)
        assert result.text == result.torch_text
        assert result.text.startswith(TINY.prompt)


@with_every_dtype
def test_another_order_of_the_same_sums_passes(altered: Callable[..., Any], dtype: str) -> None:
    """A whole run with every batch upside down: it differs from torch's by rounding alone."""

    class Reversed(torch_gpt.GPT):
        def forward(self, idx: torch.Tensor, targets: torch.Tensor | None = None) -> Any:
            return super().forward(idx.flip(0), None if targets is None else targets.flip(0))

    result = check_run(altered(package=package(gpt=Reversed)), RUNS[0], dtype)

    assert result.status == "passed", result.message
    assert max(band.error for band in result.loss_bands) > 0


def test_every_step_is_counted() -> None:
    steps: list[int] = []

    check_run(load("torch"), TINY, "float64", lambda: steps.append(1))

    assert len(steps) == TINY.steps


def package(gpt: Any = torch_gpt.GPT, **settings: Any) -> SimpleNamespace:
    """torch's package with another GPT, or with other settings of AdamW than those asked for."""

    def adamw(parameters: Any, **asked: Any) -> torch.optim.AdamW:
        return torch.optim.AdamW(parameters, **(asked | settings))

    return SimpleNamespace(
        gpt=SimpleNamespace(GPT=gpt, GPTConfig=torch_gpt.GPTConfig),
        optim=SimpleNamespace(AdamW=adamw),
    )


@pytest.fixture
def planted(altered: Callable[..., Any]) -> Callable[..., RunResult]:
    """planted(dtype, gpt=…, betas=…) is how the tiny run goes with that fault in torch."""

    def run(dtype: str = "float64", **fault: Any) -> RunResult:
        result = check_run(altered(package=package(**fault)), TINY, dtype)
        assert result.status == "failed", "the fault was not seen"
        return result

    return run


@with_every_dtype
@pytest.mark.parametrize(
    ("setting", "step"),
    [
        ({"lr": 1.001e-2}, 1),
        ({"weight_decay": 0.099}, 1),
        ({"weight_decay": 0.0}, 1),
        ({"eps": 1e-8}, 1),
        ({"amsgrad": True}, 2),
        # The first step does not depend on the betas: its correction of the bias undoes them.
        ({"betas": (0.9, 0.951)}, 2),
        ({"betas": (0.901, 0.95)}, 2),
    ],
    ids=str,
)
def test_a_wrong_optimizer_is_named(
    planted: Callable[..., RunResult], setting: dict[str, Any], step: int, dtype: str
) -> None:
    message = planted(dtype, **setting).message

    assert message.startswith(f"step {step}: the weights transformer."), message


@with_every_dtype
def test_one_gradient_off_by_one_in_ten_thousand_is_named(
    planted: Callable[..., RunResult], dtype: str
) -> None:
    class Scaled(torch_gpt.GPT):
        def __init__(self, config: torch_gpt.GPTConfig) -> None:
            super().__init__(config)
            weight = self.transformer.h[1].mlp.c_fc.weight
            weight.register_hook(lambda gradient: gradient * (1 + 1e-4))

    result = planted(dtype, gpt=Scaled)

    name = "transformer.h.1.mlp.c_fc.weight"
    assert result.message.startswith(f"step 1: the gradient of {name} is ")
    assert [name for name, band in result.gradients.items() if not band.within] == [name]


def test_an_untied_weight_is_named(planted: Callable[..., RunResult]) -> None:
    class Untied(torch_gpt.GPT):
        def __init__(self, config: torch_gpt.GPTConfig) -> None:
            super().__init__(config)
            self.lm_head.weight = torch.nn.Parameter(self.lm_head.weight.detach().clone())

    message = planted(gpt=Untied).message

    assert message.endswith("missing none, extra lm_head.weight")


def test_gradients_that_pile_up_are_named(planted: Callable[..., RunResult]) -> None:
    class Piling(torch_gpt.GPT):
        def zero_grad(self, set_to_none: bool = True) -> None:
            pass

    class Lazy(torch.optim.AdamW):
        def zero_grad(self, set_to_none: bool = True) -> None:
            pass

    fault = package(gpt=Piling)
    fault.optim.AdamW = Lazy
    engine = SimpleNamespace(**{**members(), "package": fault})

    assert check_run(engine, TINY, "float64").message.startswith("step 2: the weights ")


def members() -> dict[str, Any]:
    """What check_run uses of torch's adapter."""
    engine = load("torch")
    names = ("dtypes", "tensor", "numpy", "grad")
    return {"name": "other", **{name: getattr(engine, name) for name in names}}


@with_every_dtype
def test_a_gelu_of_another_kind_is_seen(planted: Callable[..., RunResult], dtype: str) -> None:
    class Exact(torch_gpt.MLP):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.c_proj(torch.nn.functional.gelu(self.c_fc(x)))

    class Other(torch_gpt.GPT):
        def __init__(self, config: torch_gpt.GPTConfig) -> None:
            super().__init__(config)
            for block in self.transformer.h:
                block.mlp.__class__ = Exact

    assert "step 1: " in planted(dtype, gpt=Other).message


def test_a_nan_does_not_pass(planted: Callable[..., RunResult]) -> None:
    class Broken(torch_gpt.GPT):
        calls = 0

        def forward(self, idx: torch.Tensor, targets: torch.Tensor | None = None) -> Any:
            self.calls += 1
            logits, loss = super().forward(idx, targets)
            return logits, loss if loss is None or self.calls < 3 else loss * float("nan")

    result = planted(gpt=Broken)

    assert result.message.startswith("step 3: the loss is ")
    assert not result.loss_bands[2].within


def test_an_error_is_a_failure_that_says_the_step(planted: Callable[..., RunResult]) -> None:
    class Raising(torch_gpt.GPT):
        calls = 0

        def forward(self, idx: torch.Tensor, targets: torch.Tensor | None = None) -> Any:
            self.calls += 1
            if self.calls == 2:
                raise ValueError("no second time")
            return super().forward(idx, targets)

    result = planted(gpt=Raising)

    assert result.message == "step 2: ValueError: no second time"
    assert len(result.losses) == 1


def test_an_error_outside_the_steps_is_said_to_be_there(
    planted: Callable[..., RunResult],
) -> None:
    class Unbuilt(torch_gpt.GPT):
        def __init__(self, config: torch_gpt.GPTConfig) -> None:
            raise TypeError("no such model")

    class Silent(torch_gpt.GPT):
        def generate(self, idx: torch.Tensor, max_new_tokens: int) -> torch.Tensor:
            raise ValueError("nothing to say")

    assert planted(gpt=Unbuilt).message == "building the model: TypeError: no such model"
    silent = planted(gpt=Silent)
    assert silent.message == "writing text after the last step: ValueError: nothing to say"
    assert len(silent.losses) == TINY.steps


def test_another_text_is_a_failure(planted: Callable[..., RunResult]) -> None:
    class Unlikeliest(torch_gpt.GPT):
        def generate(self, idx: torch.Tensor, max_new_tokens: int) -> torch.Tensor:
            return torch.cat((idx, torch.zeros(1, max_new_tokens, dtype=torch.int64)), dim=1)

    result = planted(gpt=Unlikeliest)

    assert result.message.startswith("the trained model writes 'the assert  ")
    assert repr(result.torch_text) in result.message
