"""A GPT-2 of transformers is the same model in every engine, and comes back to transformers."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from torch.nn import functional as F

from parity import engines
from parity.engines import pretrained

os.environ["HF_HUB_OFFLINE"] = "1"
transformers = pytest.importorskip("transformers", reason="the parity environment of tox has it")

B, T, V = 2, 5, 19
SIZES = {"vocab_size": V, "n_positions": 8, "n_layer": 2, "n_head": 3, "n_embd": 12}
NO_END = {"bos_token_id": None, "eos_token_id": None}
CONV1D = (".c_attn.weight", ".c_proj.weight", ".c_fc.weight")  # (in, out)


@pytest.fixture(params=["micrograd", "minigrad", "cudagrad"])
def engine(request: pytest.FixtureRequest) -> engines.Adapter:
    return engines.load(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model, in which biases and norms are random too, as transformers writes it."""
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**SIZES, **NO_END))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    path = tmp_path_factory.mktemp("gpt2")
    model.save_pretrained(path)
    return path


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of folder, to be changed."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def reference(folder: Path) -> Any:
    return transformers.GPT2LMHeadModel.from_pretrained(folder).double().eval()


def loaded(engine: engines.Adapter, folder: Path) -> Any:
    """The engine's model, in float64; the numbers on disk are float32, and so the same."""
    model = pretrained.from_pretrained(engine, folder)
    return model.to(np.float64) if hasattr(model, "to") else model


def ids(seed: int, length: int = T) -> np.ndarray:
    return np.random.default_rng(seed).integers(V, size=(B, length))


def close(got: Any, want: torch.Tensor, tolerance: float = 1e-12) -> None:
    want = want.detach().numpy()
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= tolerance * np.abs(want).max()


def test_logits_loss_and_gradients_are_transformers(engine: engines.Adapter, folder: Path) -> None:
    theirs, ours = reference(folder), loaded(engine, folder)
    idx, targets = ids(1), ids(2)

    logits = theirs(torch.from_numpy(idx)).logits
    loss = F.cross_entropy(logits.flatten(0, 1), torch.from_numpy(targets).ravel())
    loss.backward()
    got_logits, got_loss = ours(engine.tensor(idx), engine.tensor(targets))
    got_loss.backward()

    close(engine.numpy(got_logits), logits)
    close(engine.numpy(got_loss), loss)
    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    found = dict(ours.named_parameters())
    assert found.keys() == gradients.keys()
    for name, parameter in found.items():
        want = gradients[name]
        close(engine.grad(parameter), want.T if name.endswith(CONV1D) else want)


def test_the_loss_is_that_of_their_labels(engine: engines.Adapter, folder: Path) -> None:
    """Theirs are shifted inside, and their loss is worked out in float32 whatever the model is."""
    idx = ids(1, T + 1)
    theirs = reference(folder)(torch.from_numpy(idx), labels=torch.from_numpy(idx)).loss

    _, loss = loaded(engine, folder)(engine.tensor(idx[:, :-1]), engine.tensor(idx[:, 1:]))

    close(engine.numpy(loss), theirs, tolerance=1e-6)


def test_greedy_tokens_are_transformers(engine: engines.Adapter, folder: Path) -> None:
    idx = ids(3, 3)
    theirs = reference(folder).generate(
        torch.from_numpy(idx), max_new_tokens=5, do_sample=False, pad_token_id=0
    )

    ours = loaded(engine, folder).generate(engine.tensor(idx), 5)

    assert np.array_equal(engine.numpy(ours), theirs.numpy())


def test_transformers_reads_what_was_saved(
    engine: engines.Adapter, folder: Path, tmp_path: Path
) -> None:
    ours = loaded(engine, folder)
    pretrained.save_pretrained(engine, ours, tmp_path / "new" / "gpt2")

    theirs, report = transformers.GPT2LMHeadModel.from_pretrained(
        tmp_path / "new" / "gpt2", output_loading_info=True
    )

    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    weights = reference(folder).state_dict()
    assert all(torch.equal(weights[name], w.double()) for name, w in theirs.state_dict().items())
    logits = theirs.double().eval()(torch.from_numpy(ids(1))).logits
    close(engine.numpy(ours(engine.tensor(ids(1)))[0]), logits)
    assert theirs.config.n_positions == SIZES["n_positions"]
    assert theirs.config.attn_pdrop == ours.config.dropout == 0.1


def test_an_engine_reads_what_it_saved(
    engine: engines.Adapter, folder: Path, tmp_path: Path
) -> None:
    ours = pretrained.from_pretrained(engine, folder)
    ours.save_pretrained(tmp_path)

    again = engine.package.gpt.GPT.from_pretrained(tmp_path)

    assert again.config == ours.config
    assert not again.training
    logits = [engine.numpy(model(engine.tensor(ids(1)))[0]) for model in (again, ours)]
    assert np.array_equal(*logits)


def rewrite(folder: Path, change: Any) -> None:
    """Replace model.safetensors by what change makes of its arrays."""
    arrays = change(pretrained.arrays(folder))
    safetensors.numpy.save_file(arrays, folder / "model.safetensors", {"format": "pt"})


def without_prefix(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix("transformer."): array for name, array in arrays.items()}


def with_masks_and_head(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    masks = {"transformer.h.0.attn.bias": np.tril(np.ones((1, 1, 8, 8), np.float32))}
    masks["transformer.h.0.attn.masked_bias"] = np.array(-1e4, np.float32)
    return {**arrays, **masks, "lm_head.weight": arrays["transformer.wte.weight"]}


@pytest.mark.parametrize("change", [without_prefix, with_masks_and_head])
def test_the_forms_that_such_files_have_had(
    engine: engines.Adapter, copy: Path, folder: Path, change: Any
) -> None:
    rewrite(copy, change)

    logits, _ = loaded(engine, copy)(engine.tensor(ids(1)))

    close(engine.numpy(logits), reference(folder)(torch.from_numpy(ids(1))).logits)


def test_half_precision_is_converted(engine: engines.Adapter, copy: Path) -> None:
    rewrite(copy, lambda arrays: {name: a.astype(np.float16) for name, a in arrays.items()})

    logits, _ = loaded(engine, copy)(engine.tensor(ids(1)))

    close(engine.numpy(logits), reference(copy)(torch.from_numpy(ids(1))).logits)


def test_bfloat16_is_refused(engine: engines.Adapter, copy: Path) -> None:
    reference(copy).bfloat16().save_pretrained(copy)

    with pytest.raises(ValueError, match=r"model\.safetensors .*bfloat16"):
        pretrained.from_pretrained(engine, copy)
    if engine.package.serialization.SUFFIX == ".safetensors":
        with pytest.raises(ValueError, match=r"model\.safetensors .*bfloat16"):
            engine.package.gpt.GPT.from_pretrained(copy)


def test_bfloat16_is_refused_where_something_has_imported_ml_dtypes(
    engine: engines.Adapter, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """safetensors then reads it, into arrays that NumPy cannot compute with."""
    read = {"wte.weight": np.zeros((2, 2), "V2")}
    file = SimpleNamespace(get_tensors=lambda: read)
    monkeypatch.setattr(safetensors, "safe_open", lambda *_: contextlib.nullcontext(file))
    monkeypatch.setattr(safetensors.numpy, "load_file", lambda _: read)

    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read: NumPy has no .*V2"):
        pretrained.from_pretrained(engine, copy)
    if engine.package.serialization.SUFFIX == ".safetensors":
        with pytest.raises(ValueError, match=r"model\.safetensors holds .* that NumPy lacks: .*V2"):
            engine.package.gpt.GPT.from_pretrained(copy)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("model_type", "llama"),
        ("activation_function", "relu"),
        ("layer_norm_epsilon", 1e-6),
        ("scale_attn_weights", False),
        ("scale_attn_by_inverse_layer_idx", True),
        ("reorder_and_upcast_attn", True),
        ("add_cross_attention", True),
        ("tie_word_embeddings", False),
        ("n_inner", 24),
        ("n_layer", "2"),
        ("n_layer", 0),
        ("attn_pdrop", 0.2),
    ],
)
def test_other_models_are_refused_in_a_sentence(
    engine: engines.Adapter, copy: Path, entry: str, value: Any
) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, entry: value}))

    with pytest.raises(ValueError, match=rf"config\.json says .*{entry}"):
        pretrained.from_pretrained(engine, copy)


def test_a_config_may_leave_out_what_transformers_would_assume(
    engine: engines.Adapter, copy: Path
) -> None:
    config = {"model_type": "gpt2", "n_inner": 48, **SIZES}
    (copy / "config.json").write_text(json.dumps(config))

    assert pretrained.from_pretrained(engine, copy).config.dropout == 0.1


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "no?t a JSON object"), ("[]", "not a JSON object"), ('{"n_embd": 3}', "'vocab_size'")],
)
def test_a_config_that_says_no_sizes_is_refused(
    engine: engines.Adapter, copy: Path, text: str, message: str
) -> None:
    (copy / "config.json").write_text(text)

    with pytest.raises(ValueError, match=message):
        pretrained.from_pretrained(engine, copy)


def test_missing_and_misshapen_weights_are_listed(engine: engines.Adapter, copy: Path) -> None:
    def change(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        del arrays["transformer.h.1.ln_2.weight"], arrays["transformer.wte.weight"]
        arrays["transformer.h.0.mlp.c_fc.weight"] = np.ones((4, 12), np.float32)
        arrays["transformer.h.0.mlp.c_proj.weight"] = np.ones(3, np.float32)
        return {**arrays, "transformer.h.2.ln_1.bias": np.ones(12, np.float32)}

    rewrite(copy, change)

    with pytest.raises(RuntimeError) as error:
        pretrained.from_pretrained(engine, copy)
    for part in (
        "h.0.mlp.c_fc.weight (12, 4) instead of (48, 12)",
        "h.0.mlp.c_proj.weight (3,) instead of (12, 48)",
        "missing: transformer.wte.weight, transformer.h.1.ln_2.weight, lm_head.weight",
        "unexpected: transformer.h.2.ln_1.bias",
    ):
        assert part in str(error.value)


@pytest.mark.parametrize("length", [0, 7, 100, 5000])
def test_a_damaged_file_is_one_error(engine: engines.Adapter, copy: Path, length: int) -> None:
    model = engine.package.gpt.GPT.from_pretrained(copy, state=pretrained.arrays(copy))
    model.save_pretrained(copy)
    file = copy / f"model{engine.package.serialization.SUFFIX}"
    file.write_bytes(file.read_bytes()[:length])

    with pytest.raises(ValueError, match=str(file)):
        engine.package.gpt.GPT.from_pretrained(copy)


@pytest.mark.parametrize("missing", ["config.json", "model"])
def test_a_missing_file_is_named(engine: engines.Adapter, tmp_path: Path, missing: str) -> None:
    package = engine.package
    config = package.gpt.GPTConfig(vocab_size=3, block_size=2, n_layer=1, n_head=1, n_embd=2)
    package.gpt.GPT(config).save_pretrained(tmp_path)
    file = missing if missing == "config.json" else f"model{package.serialization.SUFFIX}"
    (tmp_path / file).unlink()

    with pytest.raises(FileNotFoundError, match=f"{file}: a model is read from a folder with"):
        package.gpt.GPT.from_pretrained(tmp_path)


def test_micrograd_says_who_reads_safetensors(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors.*as state"):
        engines.load("micrograd").package.gpt.GPT.from_pretrained(folder)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"bias": False}, "bias=True, not False"),
        ({"norm": "rms_norm"}, "norm='layer_norm', not 'rms_norm'"),
        ({"activation": "relu"}, "activation='gelu', not 'relu'"),
    ],
    ids=str,
)
def test_another_kind_of_gpt_is_no_gpt2(
    engine: engines.Adapter, tmp_path: Path, option: dict[str, Any], said: str
) -> None:
    gpt = engine.package.gpt
    config = gpt.GPTConfig(vocab_size=3, block_size=2, n_layer=1, n_head=1, n_embd=2, **option)

    with pytest.raises(ValueError, match=said):
        gpt.GPT(config).save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()
