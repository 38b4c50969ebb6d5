"""Training runs: the text, the data, the weights, and that honest engines pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from run_faults import NAMED, TINY, Changed

from parity import corpus
from parity.checks.runs import check_run
from parity.checks.training import Training, initial
from parity.engines import OURS, load, torch_gpt
from parity.spec import OPTIMIZERS, SCHEDULERS
from parity.spec.run import Run
from parity.spec.runs import RUNS

SMALL = [run for run in RUNS if not run.prompt]

every_run = pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
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


def test_windows_of_the_text_are_shifted_by_one() -> None:
    inputs, targets = corpus.windows(np.random.default_rng(7), 128, 20, 8)

    assert inputs.shape == targets.shape == (20, 8)
    assert np.array_equal(inputs[:, 1:], targets[:, :-1])
    for row in inputs:
        assert corpus.decode(row) in corpus.text()[:128]


@every_run
def test_batches_are_of_their_step_alone(run: Run) -> None:
    later, first, again = run.batches(2), run.batches(1), run.batches(1)

    assert len(first) == run.accumulate
    for batch, same in zip(first, again, strict=True):
        for array, other in zip(batch, same, strict=True):
            assert np.array_equal(array, other)
            assert np.array_equal(array, array.astype(np.float32))
    if run.name != "xor":  # which has no other data
        assert not np.array_equal(first[0][0], later[0][0])


@every_run
def test_initial_weights_fit_the_model_and_float32(run: Run) -> None:
    model, weights = run.model(load("torch").package), initial(run)

    assert list(weights) == list(model.state_dict())
    for name, parameter in model.state_dict().items():
        assert weights[name].shape == tuple(parameter.shape)
        assert np.array_equal(weights[name], weights[name].astype(np.float32))
        if weights[name].size > 1:
            assert np.unique(weights[name]).size > 1, f"{name} is constant: its use would not show"
    if "lm_head.weight" in weights:
        assert weights["lm_head.weight"] is weights["transformer.wte.weight"]


def test_every_optimizer_and_scheduler_has_a_run() -> None:
    said = " ".join(f"{run.optimizer!r} {run.scheduler!r}" for run in RUNS)

    for part in (*OPTIMIZERS, *SCHEDULERS):
        assert f"{part.name}(" in said


@pytest.mark.parametrize("name", ["clip-norm", "clip-value"])
def test_gradients_are_clipped_at_some_steps_and_not_at_others(
    altered: Callable[..., Any], name: str
) -> None:
    clipped = clipped_steps(NAMED[name], altered)

    assert 0 < len(clipped) < NAMED[name].steps


def clipped_steps(run: Run, altered: Callable[..., Any]) -> list[int]:
    """The steps at which a run's clipping changes a gradient."""
    assert run.clip is not None
    clip, changed = run.clip.what, []

    def noted(parameters: list[torch.Tensor], limit: float) -> None:
        before = [parameter.grad.clone() for parameter in parameters]
        clip(parameters, limit)
        pairs = zip(before, parameters, strict=True)
        if not all(torch.equal(grad, parameter.grad) for grad, parameter in pairs):
            changed.append(training.number)

    package = Changed(load("torch").package, {f"nn.utils.{run.clip.name}": noted})
    training = Training(altered(package=package), run, "float64", initial(run))
    for _ in range(run.steps):
        training.step()
    return changed


@pytest.mark.parametrize("name", [*OURS, "torch"])
def test_accumulated_gradients_are_those_of_the_larger_batch(name: str) -> None:
    run = NAMED["accumulate"]
    steps, whole = (
        Training(load(name), run, "float64", initial(run), at_once) for at_once in (False, True)
    )

    for _ in range(5):
        assert steps.step() == pytest.approx(whole.step(), rel=1e-12)
        for parameter, grad in steps.gradients().items():
            assert np.allclose(grad, whole.gradients()[parameter], rtol=1e-10, atol=1e-15)


def test_torch_takes_the_batches_of_a_step_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    run = replace(NAMED["accumulate"], steps=1)
    loss, sizes = torch.nn.CrossEntropyLoss.forward, set()

    def noted(module: torch.nn.CrossEntropyLoss, x: Any, target: Any) -> torch.Tensor:
        sizes.add(len(x))
        return loss(module, x, target)

    monkeypatch.setattr(torch.nn.CrossEntropyLoss, "forward", noted)
    check_run(load("minigrad"), run, "float64")

    assert sizes == {sum(len(inputs) for inputs, _ in run.batches(1))}


def test_masks_leave_out_the_promised_share_and_are_of_their_step_alone() -> None:
    run = NAMED["dropout"]
    mask = run.mask(1, 1, (40, 50), 0.25)

    assert set(mask.flat) == {0.0, 1 / 0.75}
    assert (mask == 0).mean() == pytest.approx(0.25, abs=0.03)
    assert np.array_equal(mask, run.mask(1, 1, (40, 50), 0.25))
    assert not np.array_equal(mask, run.mask(2, 1, (40, 50), 0.25))
    assert not np.array_equal(mask, run.mask(1, 2, (40, 50), 0.25))


@pytest.mark.parametrize("name", [*OURS, "torch"])
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
@pytest.mark.parametrize("run", SMALL, ids=lambda run: run.name)
def test_torch_passes(run: Run, dtype: str) -> None:
    """The controls of what is planted below: without a fault, none is found."""
    result = check_run(load("torch"), run, dtype)

    assert result.status == "passed", result.message
    assert result.losses[-1] < 0.9 * result.losses[0], "it learns nothing"


@with_every_dtype
def test_another_order_of_the_same_sums_passes(altered: Callable[..., Any], dtype: str) -> None:
    """A whole run with every batch upside down: it differs from torch's by rounding alone."""

    class Reversed(torch_gpt.GPT):
        def forward(self, idx: torch.Tensor, targets: Any = None, cache: Any = None) -> Any:
            if targets is None:
                return super().forward(idx, None, cache)
            return super().forward(idx.flip(0), targets.flip(0))

    package = Changed(load("torch").package, {"gpt.GPT": Reversed})
    result = check_run(altered(package=package), NAMED["gpt-tiny"], dtype)

    assert result.status == "passed", result.message
    assert len({band.error for band in result.loss_bands}) > 1, "every step has its own"


def test_every_step_is_counted() -> None:
    steps: list[int] = []

    check_run(load("torch"), TINY, "float64", lambda: steps.append(1))

    assert len(steps) == TINY.steps


def test_a_run_of_the_gpt_is_long() -> None:
    assert NAMED["gpt-tiny"].steps >= 200
