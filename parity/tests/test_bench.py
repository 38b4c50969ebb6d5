"""The benchmarks: equal results before any time is taken, and what they leave as they found it."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from parity import engines
from parity.bench import steps, timing
from parity.cli import main

NAMES = steps.SCALARS[0]


def test_a_table_and_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "steps.json"
    assert main(f"bench steps --engine micrograd --pairs 2 --json {file}".split()) == 0
    found = json.loads(file.read_text())
    lines = [line for line in found["lines"] if line["collector"]]
    ratio = {line["contestant"]: line["ratio"]["median"] for line in lines}

    assert "Python" in found["machine"]
    assert ratio["microgpt's manner"] == 1.0
    assert 0.0 < ratio["plain lists, no graph"] < ratio["micrograd"]
    assert {line["rival"] for line in found["lines"]} == {"microgpt's manner"}
    assert "micrograd, sums of products" in capsys.readouterr().out


def test_an_engine_of_arrays_beside_torch(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "steps", "--engine", "minigrad", "--item", "tiny", "--pairs", "2"]) == 0
    assert "torch" in capsys.readouterr().out


def test_a_work_item_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "steps", "--engine", "minigrad", "--item", "names"]) == 2
    assert "no item 'names'; there are tiny, cpu" in capsys.readouterr().err


def test_contestants_compute_the_same_step_after_step() -> None:
    others = steps.contestants(NAMES, engines.load("micrograd"))
    losses = [[each.step(NAMES.batch(number)) for number in range(3)] for each in others]

    assert len(others) == 5
    np.testing.assert_allclose(losses, [losses[0]] * 5, rtol=1e-12)
    assert len(set(losses[0])) == 3


def test_a_contestant_that_computes_something_else_is_not_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = steps.Item(**{**vars(NAMES), "config": {**NAMES.config, "n_head": 2}})

    def mixed(item: steps.Item, engine: engines.Adapter) -> list[steps.Contestant]:
        return [contestants(item, engine)[0], contestants(wrong, engine)[1]]

    contestants = steps.contestants
    monkeypatch.setattr(steps, "contestants", mixed)
    with pytest.raises(ValueError, match="micrograd and microgpt's manner differ by"):
        steps.run(NAMES, engines.load("micrograd"), 2, True)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_and_the_limit_are_as_they_were(enabled: bool) -> None:
    before, limit = gc.isenabled(), sys.getrecursionlimit()
    seen = []
    (gc.enable if enabled else gc.disable)()
    try:
        timing.interleaved({"a": lambda _: seen.append(gc.isenabled())}, 2, 3, collector=False)
        after = gc.isenabled(), gc.get_freeze_count(), sys.getrecursionlimit()
    finally:
        (gc.enable if before else gc.disable)()

    assert seen == [False] * 9
    assert after == (enabled, 0, limit)


def test_a_ratio_is_taken_within_its_round() -> None:
    seconds = {"rival": [1.0, 2.0, 4.0], "own": [0.5, 1.0, 2.0]}

    assert timing.ratios(seconds, "rival")["own"] == timing.Spread(0.5, 0.5, 0.5)
