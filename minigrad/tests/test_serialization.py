"""The file that minigrad saves: a safetensors file, arrays in every dtype, and what is refused."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy

import minigrad
from minigrad import gpt, nn, ops, optim

DTYPES = ["bool", "u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8", ">i4", ">f8"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.safetensors"


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (2, 3)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_come_back_with_dtype_and_shape(
    path: Path, dtype: str, shape: tuple[int, ...]
) -> None:
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    minigrad.save({"a": array, "b": [array.T]}, path)

    state = minigrad.load(path)

    native = np.dtype(dtype).newbyteorder("=")
    for got, want in ((state["a"], array), (state["b"][0], array.T)):
        assert (got.dtype, got.shape, got.flags.writeable) == (native, want.shape, True)
        assert np.array_equal(got, want)


def test_tensors_and_parameters_come_back_as_arrays(path: Path) -> None:
    x = minigrad.tensor([[1.5, 2.0]], requires_grad=True)
    minigrad.save([x, ops.transpose(x, 0, 1), nn.Parameter(np.ones(2, np.float32))], path)

    leaf, made, parameter = minigrad.load(path)

    assert leaf.tolist() == [[1.5, 2.0]]
    assert made.tolist() == [[1.5], [2.0]]
    assert parameter.dtype == np.float32


def test_any_reader_of_safetensors_finds_the_arrays(path: Path) -> None:
    state = {0: {"step": 1, "exp_avg": np.ones((3, 2), np.float32)}}
    minigrad.save({"optimizer": {"state": state}, "x": np.arange(3)}, path)

    arrays = safetensors.numpy.load_file(path)

    assert arrays.keys() == {"optimizer.state.0.exp_avg", "x"}
    assert arrays["x"].tolist() == [0, 1, 2]
    with safetensors.safe_open(path, "numpy") as file:
        state = json.loads(file.metadata()["state"])
    assert state["x"] == {"$tensor": "x"}


@pytest.mark.parametrize("dtype", ["longdouble", "complex64", "M8[s]", "U3", "S3", "i4,f4"])
def test_an_array_of_another_dtype_is_refused_with_its_path(path: Path, dtype: str) -> None:
    with pytest.raises(TypeError, match=rf"x\.1 .* array of {re.escape(str(np.dtype(dtype)))}"):
        minigrad.save({"x": [0, np.zeros(2, dtype)]}, path)


def test_a_file_that_something_else_wrote_is_refused(path: Path) -> None:
    for metadata in (None, {"sha256": "0" * 64, "state": "{}"}):
        safetensors.numpy.save_file({"x": np.ones(3)}, path, metadata)

        with pytest.raises(ValueError, match=rf"{path} is damaged, or is not a file that minigrad"):
            minigrad.load(path)


def test_without_safetensors_a_sentence_says_what_to_install(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = gpt.GPT(gpt.GPTConfig(vocab_size=3, block_size=2, n_layer=1, n_head=1, n_embd=2))
    model.save_pretrained(path.parent)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)

    for name, call in {
        "save": lambda: minigrad.save({}, path),
        "load": lambda: minigrad.load(path),
        "GPT.save_pretrained": lambda: model.save_pretrained(path.parent / "new"),
        "GPT.from_pretrained": lambda: gpt.GPT.from_pretrained(path.parent),
    }.items():
        message = rf"minigrad\.{name} needs the package safetensors: pip install safetensors"
        with pytest.raises(ModuleNotFoundError, match=message):
            call()


def test_the_example_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No doctest, because those of the README must run where safetensors is not installed."""
    text = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (example,) = [code for code in examples if ".save(" in code]
    layer = nn.Linear(2, 1)
    optimizer, before = optim.Adam(layer.parameters()), layer.state_dict()
    monkeypatch.chdir(tmp_path)

    exec(example, {"minigrad": minigrad, "layer": layer, "optimizer": optimizer})

    assert all(np.array_equal(before[name], array) for name, array in layer.state_dict().items())
    assert [file.suffix for file in tmp_path.iterdir()] == [minigrad.serialization.SUFFIX]
