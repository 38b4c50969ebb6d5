"""Generation: every engine reads and writes as torch does, and planted faults are seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from parity.checks import InvalidCaseError, MismatchError, generation
from parity.engines import OURS, load, torch_gpt
from parity.spec import MODELS
from parity.spec.case import named
from parity.spec.generation import CHOICES, NEW_TOKENS, Writing

kept = torch_gpt.kept
(GPT,) = MODELS
WRITINGS = GPT.cases

with_every_dtype = pytest.mark.parametrize("dtype", ["float64", "float32"])
with_every_writing = pytest.mark.parametrize("writing", WRITINGS, ids=lambda w: w.id)


@with_every_writing
@pytest.mark.parametrize("name", [*OURS, "torch"])
@pytest.mark.parametrize("check", ["trained", "cached", "written"])
def test_an_honest_engine_passes(name: str, check: str, writing: Writing) -> None:
    engine = load(name)
    for dtype in engine.dtypes:
        getattr(generation, check)(engine, GPT, writing, dtype)


@pytest.mark.parametrize("name", ["minigrad", "cudagrad"])
@pytest.mark.parametrize("check", ["trained", "cached", "written"])
def test_a_gpt_that_recomputes_its_blocks_is_no_other(name: str, check: str) -> None:
    recomputing = named(Writing(gradient_checkpointing=True), WRITINGS[0].id)
    getattr(generation, check)(load(name), GPT, recomputing, "float64")


@pytest.mark.parametrize("name", [*OURS, "torch"])
def test_a_gpt_begins_as_gpt2_does(name: str) -> None:
    """Normal numbers, smaller where 2 n_layer outputs are added up; no bias, and scales of 1."""
    package = load(name).package
    package.manual_seed(0)
    config = package.gpt.GPTConfig(vocab_size=99, block_size=30, n_layer=3, n_head=1, n_embd=20)
    model = package.gpt.GPT(config)

    for parameter, values in model.state_dict().items():
        array = np.asarray(values)
        if array.ndim == 2:
            std = 0.02 / math.sqrt(6) if parameter.endswith("c_proj.weight") else 0.02
            assert array.std() == pytest.approx(std, rel=0.15), parameter
            assert abs(array.mean()) < 0.15 * std, parameter
        else:
            assert (array == parameter.endswith("weight")).all(), parameter


@with_every_writing
def test_the_texts_differ_from_one_another_and_do_not_stand_still(writing: Writing) -> None:
    engine = load("torch")
    gpt = generation.model(engine, writing, "float64")
    texts = {
        tuple(gpt.generate(torch.tensor(row)[None], NEW_TOKENS, **choice)[0].tolist())
        for row in writing.ids(2)
        for choice in CHOICES
    }

    assert len(texts) == 3 * len(CHOICES)
    assert all(len(set(text)) > 3 for text in texts)
    assert NEW_TOKENS > writing.config()["block_size"]


def package(**members: Any) -> SimpleNamespace:
    """torch's package with some members of its GPT's module replaced."""
    own = {name: getattr(torch_gpt, name) for name in ("GPT", "GPTConfig", "KVCache")}
    return SimpleNamespace(no_grad=torch.no_grad, gpt=SimpleNamespace(**{**own, **members}))


@pytest.fixture
def refused(
    altered: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, str]]:
    """refused(dtype, GPT=…, patches=…) is what each check says of torch with that fault."""

    def judge(dtype: str, patches: dict[str, Any] | None = None, **members: Any) -> dict[str, str]:
        def planted(*args: Any) -> Any:
            # Only while the engine judged is at work: the reference is torch too.
            with monkeypatch.context() as patch:
                for path, value in (patches or {}).items():
                    patch.setattr(path, value)
                return args[0](*args[1:])

        class Planted(members.pop("GPT", torch_gpt.GPT)):  # type: ignore[misc]
            def __call__(self, *args: Any, **kwargs: Any) -> Any:
                return planted(lambda: super(Planted, self).__call__(*args, **kwargs))

            def generate(self, *args: Any, **kwargs: Any) -> Any:
                return planted(lambda: super(Planted, self).generate(*args, **kwargs))

        engine = altered(package=package(GPT=Planted, **members))
        found = {}
        for check in ("trained", "cached", "written"):
            try:
                getattr(generation, check)(engine, GPT, WRITINGS[0], dtype)
            except MismatchError as error:
                found[check] = str(error)
        return found

    return judge


@with_every_dtype
def test_without_a_fault_nothing_is_refused(refused: Callable[..., Any], dtype: str) -> None:
    assert refused(dtype) == {}


@with_every_dtype
@pytest.mark.parametrize("shift", [-1, 1])
def test_a_mask_that_is_off_by_one_is_seen(
    refused: Callable[..., Any], dtype: str, shift: int
) -> None:
    original = torch_gpt.F.scaled_dot_product_attention

    def shifted(q: Any, k: Any, v: Any, mask: Any = None, **kwargs: Any) -> Any:
        if mask is not None:
            T, S = mask.shape
            mask = torch.arange(S) <= torch.arange(S - T, S)[:, None] + shift
        return original(q, k, v, mask, **kwargs)

    path = "parity.engines.torch_gpt.F.scaled_dot_product_attention"
    found = refused(dtype, {path: shifted})

    assert found["cached"].startswith("the logits of ")
    assert "trained" not in found


@with_every_dtype
def test_a_position_that_does_not_advance_is_seen(refused: Callable[..., Any], dtype: str) -> None:
    original = torch_gpt.Transformer.forward

    def forward(self: Any, idx: Any, cache: Any = None) -> Any:
        if cache is None:
            return original(self, idx)
        length, cache.length = cache.length, 0
        features = original(self, idx, cache)
        cache.length += length
        return features

    found = refused(dtype, {"parity.engines.torch_gpt.Transformer.forward": forward})

    assert found["cached"].startswith("the logits of 1 + 1 + 1")
    assert found["written"].startswith("the text with the cache, {},")


@with_every_dtype
def test_a_cache_that_mixes_rows_is_seen(refused: Callable[..., Any], dtype: str) -> None:
    original = torch_gpt.KVCache.extend

    def extend(self: Any, layer: Any, k: Any, v: Any) -> Any:
        if layer in self.pasts:
            self.pasts[layer] = self.pasts[layer].roll(1, 1)
        return original(self, layer, k, v)

    found = refused(dtype, {"parity.engines.torch_gpt.KVCache.extend": extend})

    assert set(found) == {"cached", "written"}


@with_every_dtype
def test_a_cache_that_is_kept_when_the_context_outgrows_it_is_seen(
    refused: Callable[..., Any], dtype: str
) -> None:
    class Sliding(torch_gpt.GPT):
        """Forgets what it has seen, and reads the last token alone."""

        def generate(self, idx: Any, max_new_tokens: int, **options: Any) -> Any:
            for _ in range(max_new_tokens):
                if options["use_cache"] and idx.shape[1] > self.config.block_size:
                    new = super().generate(idx[:, -1:], 1, **options)[:, -1:]
                else:
                    new = super().generate(idx, 1, **options)[:, -1:]
                idx = torch.cat((idx, new), dim=1)
            return idx

    assert "with the cache" in refused(dtype, GPT=Sliding)["written"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda weights, top_k, top_p: kept(weights, top_k and top_k + 1, top_p),
        lambda weights, top_k, top_p: kept(weights, top_k and top_k - 1, top_p),
        lambda weights, _k, top_p: kept(weights, None, top_p),
        lambda weights, top_k, _p: kept(weights, top_k, None),
        lambda weights, top_k, top_p: kept(kept(weights, None, top_p), top_k, None),
        lambda weights, top_k, top_p: kept(weights, top_k, top_p and top_p - 0.2),
    ],
    ids=["one more", "one fewer", "no top_k", "no top_p", "top_p first", "another top_p"],
)
def test_another_way_of_choosing_is_seen(refused: Callable[..., Any], wrong: Any) -> None:
    found = refused("float64", {"parity.engines.torch_gpt.kept": wrong})

    assert set(found) == {"written"}


@with_every_dtype
@pytest.mark.parametrize(
    "options", [{"norm": "rms_norm"}, {"activation": "relu"}, {"bias": False}], ids=str
)
def test_an_option_that_is_ignored_is_seen(
    altered: Callable[..., Any], dtype: str, options: dict[str, Any]
) -> None:
    """An engine whose GPT has the options of another writing than the one that is asked for."""

    def config(**asked: Any) -> torch_gpt.GPTConfig:
        return torch_gpt.GPTConfig(**{**asked, **options})

    engine = altered(package=package(GPTConfig=config))
    with pytest.raises(MismatchError):
        generation.trained(engine, GPT, WRITINGS[0], dtype)


def test_a_text_that_rounding_changes_is_no_case(torch_engine: Any) -> None:
    """Tokens that differ in what float32 does not hold are all alike to it."""

    class Alike(Writing):
        def weights(self, shapes: Any) -> dict[str, Any]:
            weights = super().weights(shapes)
            table = weights["transformer.wte.weight"]
            table[:] = table[0] + 1e-12 * np.random.default_rng(0).normal(size=table.shape)
            return weights

    with pytest.raises(InvalidCaseError, match="torch's float32 writes something else"):
        generation.written(torch_engine, GPT, named(Alike(), "alike"), "float64")
