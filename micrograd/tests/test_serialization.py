"""The file that micrograd saves: JSON, with Values and parameters as nested lists of numbers."""

from __future__ import annotations

import array
import json
from pathlib import Path

import micrograd
from micrograd import Value, nn


def test_values_and_parameters_come_back_as_numbers(tmp_path: Path) -> None:
    x = micrograd.tensor([[1.5, 2.0]], requires_grad=True)
    state = [x, x[0][0] * 2, Value(0.1), nn.Parameter([[1.0], [2.0]]), [[1, True, -0.5]]]
    micrograd.save(state, tmp_path / "state.json")

    loaded = micrograd.load(tmp_path / "state.json")

    assert loaded == [[[1.5, 2.0]], 3.0, 0.1, [[1.0], [2.0]], [[1, True, -0.5]]]
    assert [type(item) for item in loaded[-1][0]] == [int, bool, float]


def test_what_has_a_tolist_comes_back_as_a_list(tmp_path: Path) -> None:
    micrograd.save({"x": array.array("d", [1.0, 2.0])}, tmp_path / "state.json")

    assert micrograd.load(tmp_path / "state.json") == {"x": [1.0, 2.0]}


def test_the_file_is_json(tmp_path: Path) -> None:
    micrograd.save({"model": nn.Linear(1, 1, bias=False).state_dict()}, tmp_path / "state.json")

    file = json.loads((tmp_path / "state.json").read_text("ascii"))

    assert file.keys() == {"sha256", "state"}
    assert file["state"]["model"].keys() == {"weight"}


def test_what_is_shared_comes_back_twice(tmp_path: Path) -> None:
    x = micrograd.tensor([1.0])
    micrograd.save({"a": x, "b": x}, tmp_path / "state.json")

    state = micrograd.load(tmp_path / "state.json")

    assert state == {"a": [1.0], "b": [1.0]}
    assert state["a"] is not state["b"]
