"""The command for a machine with a GPU runs whole without one, and refuses what cannot be."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from recording import recorded

from cudagrad import device, ops
from cudagrad.allocator import OutOfMemoryError
from cudagrad.compile.table import Launch
from cudagrad.gpu import __main__ as command
from cudagrad.gpu import measuring, page, spec, step, timing
from cudagrad.gpu.cases import BABY, CPU, SCALES, Case, GPTSizes, cases, tokens, weights
from cudagrad.gpu.ceilings import Ceilings
from cudagrad.gpu.contestant import Cudagrad
from cudagrad.gpu.measuring import Figure, judge
from cudagrad.precision import get_float32_matmul_precision

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")


def ceilings(bandwidth: float = 1e9, peak: float = 1e12) -> Any:
    return SimpleNamespace(bandwidth=lambda moved: bandwidth, peak=lambda precision: peak)


def run(out: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    code = command.main(["--out", str(out), "--scale", "mini", *arguments])
    return code, json.loads((out / "gpu.json").read_text()), (out / "gpu.md").read_text()


def test_it_runs_whole_where_there_is_no_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    hidden = ("torch", "parity")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in hidden else find_spec(name)
    )
    code, report, text = run(tmp_path / "new")

    assert code == 0
    assert {figure["case"] for figure in report["figures"]} == {
        # Without a GPU there are no tensor cores, which the other precisions are for.
        case.name
        for case in cases(SCALES["mini"])
        if "float32" in case.precisions
    }
    assert {figure["executor"] for figure in report["figures"]} == {device.EXECUTOR}
    outcomes = {check["name"]: check for check in report["checks"]}
    assert outcomes["spec"]["outcome"] == "skipped"
    assert "parity is not installed" in outcomes["spec"]["detail"]
    assert outcomes["length 33"]["outcome"] == "passed"
    assert "torch is not there" in text
    assert report["environment"]["device"] == device.describe()


@needs_torch
def test_torch_is_measured_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report, text = run(tmp_path, "--only", "figures")

    assert code == 0
    found = {(figure["case"], figure["contestant"]): figure for figure in report["figures"]}
    assert all(("GPT step", name) in found for name in ("cudagrad", "cudagrad, graph", "torch"))
    rounded = [figure for figure in report["figures"] if figure["precision"] == "autocast"]
    assert {(figure["case"], figure["contestant"]) for figure in rounded} == {
        ("GPT step", name) for name in ("cudagrad", "cudagrad, graph", "torch")
    }
    wrong = [figure for figure in report["figures"] if "differs" in figure["refused"]]
    assert not wrong
    assert found["AdamW", "torch"]["executor"] in ("CPU", "gpu")
    measured = [figure for figure in report["figures"] if not figure["refused"]]
    assert measured
    for figure in measured:
        assert figure["precision"] != "float32" or figure["ratio"] > 0
        assert (figure["of_copy"] is None) != (figure["of_peak"] is None)
    assert "| GPT step | tiny: 1 layer of 4, batch 2 | float32 | cudagrad, graph |" in text
    assert "The emulator's figures say nothing about a GPU." in text
    ceilings = text.partition("## Ceilings")[2].splitlines()[4:]
    assert ceilings
    assert all(re.search(rf" on (CPU|{device.EXECUTOR}) \|$", line) for line in ceilings)
    assert "written: " in capsys.readouterr().out


@needs_torch
def test_under_autocast_products_are_of_bfloat16_for_both() -> None:
    rivals = importlib.import_module("cudagrad.gpu.rivals")
    for contestant in (Cudagrad(), rivals.Torch()):
        x = contestant.tensor(np.ones((2, 2), np.float32))
        with contestant.precision("autocast") as able:
            assert able
            assert str(contestant.ops.matmul(x, x).dtype).endswith("bfloat16")
        assert str(contestant.ops.matmul(x, x).dtype).endswith("float32")


def test_a_failed_check_is_the_exit_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "exp", ops.tanh)
    code, report, _ = run(tmp_path, "--only", "shapes")

    assert code == 1
    bad = next(check for check in report["checks"] if check["name"] == "length 31")
    assert bad["outcome"] == "failed"
    assert "exp is off by" in bad["detail"]


def test_the_longest_arrays_are_judged_by_their_last_element(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert spec.longest(1025).outcome == "passed"

    monkeypatch.setattr(ops, "flip", lambda x, dims: x)
    check = spec.longest(1025)
    assert (check.outcome, check.detail) == ("failed", "flip")

    def full(*_: Any, **__: Any) -> None:
        raise OutOfMemoryError("out of memory")

    monkeypatch.setattr(ops, "arange", full)
    check = spec.longest(1025)
    assert (check.outcome, check.detail) == ("skipped", "out of memory")


def test_a_place_that_cannot_be_written_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")

    assert command.main(["--out", str(tmp_path / "file"), "--only", "shapes"]) == 2
    assert "cudagrad.gpu: --out: " in capsys.readouterr().err


# Figures


def case(moved: float = 0, flops: float = 0) -> Case:
    return Case("c", "s", lambda contestant: lambda: [], moved, flops)


def test_a_figure_beside_its_ceiling() -> None:
    figure = Figure("c", "s", "float32", "cudagrad", "gpu")
    judge(figure, case(moved=5e5), 1.0, 2.0, ceilings(bandwidth=1e9))

    assert (figure.bandwidth, figure.of_copy, figure.ratio) == (5e8, 0.5, 2.0)
    assert figure.speed is None
    figure = Figure("c", "s", "float32", "cudagrad", "gpu")
    judge(figure, case(flops=5e8), 1.0, None, ceilings(peak=1e12))
    assert (figure.speed, figure.of_peak, figure.ratio) == (5e11, 0.5, None)


@pytest.mark.parametrize("milliseconds", [0.9, 0.001, 0.0])
@pytest.mark.parametrize("cost", [{"moved": 1e6}, {"flops": 1e9}])
def test_the_impossible_is_refused(cost: dict[str, float], milliseconds: float) -> None:
    figure = Figure("c", "s", "float32", "cudagrad", "gpu")
    judge(figure, case(**cost), milliseconds, 1.0, ceilings())

    assert "is impossible: measured wrongly" in figure.refused
    assert figure.milliseconds is figure.bandwidth is figure.speed is figure.ratio is None
    row = page._row(vars(figure))
    assert row[5].startswith("refused: ")
    assert row[6:] == ("-",) * 5


def test_what_is_a_little_above_a_ceiling_is_not() -> None:
    figure = Figure("c", "s", "float32", "cudagrad", "gpu")
    judge(figure, case(moved=1e6), 0.95, 1.0, ceilings())

    assert not figure.refused


def test_wrong_results_have_no_figure() -> None:
    right, wrong = ops.zeros((3,)), ops.ones((3,))
    runs: dict[str, Callable[[], Any]] = {"torch": lambda: [right], "cudagrad": lambda: [wrong]}
    found = measuring._wrong(case(), runs, dict.fromkeys(runs, Cudagrad()))

    assert found == {"cudagrad": "differs from torch by 1.0e+00 of the largest number"}
    nan: dict[str, Callable[[], Any]] = {"torch": lambda: [right], "x": lambda: [right / right]}
    assert (
        "differs from torch by nan"
        in measuring._wrong(case(), nan, dict.fromkeys(nan, Cudagrad()))["x"]
    )


def test_rounds_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []
    spans = {"a": iter([5.0, 1.0, 9.0, 2.0]), "b": iter([5.0, 4.0, 4.0, 4.0])}

    def measured(run: Any, count: int) -> float:
        assert count == 1
        run()
        return next(spans[turns[-1]])

    monkeypatch.setattr(timing, "measured", measured)
    found = timing.medians({n: lambda n=n: turns.append(n) for n in "ab"}, 0.001, rounds=3)

    assert found == {"a": 2.0, "b": 4.0}
    assert turns == ["a", "a", "b", "b", "a", "b", "a", "b", "a", "b"]


def test_a_copy_is_measured_once_for_about_as_many_bytes() -> None:
    measured = Ceilings(None, 0.001, 16)
    first = measured.bandwidth(5000)

    assert measured.bandwidth(4097) == first > 0
    assert measured.bandwidth(9000) != first
    assert list(measured.bandwidths) == [4096, 8192]
    assert measured.peak("float32") > 0
    assert list(measured.reached_by) == [4096, 8192, "float32"]
    assert all(
        by.endswith((" on CPU", f" on {device.EXECUTOR}")) for by in measured.reached_by.values()
    )


@needs_torch
def test_both_gpts_are_the_same_model() -> None:
    rivals = importlib.import_module("cudagrad.gpu.rivals")
    sizes = GPTSizes("test", 2, 2, 8, 6, 3, vocab_size=11)
    steps = [c.gpt(sizes, as_graph=False) for c in (Cudagrad(), rivals.Torch())]
    losses = np.array([[step()[0].item() for step in steps] for _ in range(4)])

    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=2e-5)
    assert losses[-1, 0] < losses[0, 0]


def test_the_full_scale_is_what_is_asked_for() -> None:
    full = list(cases(SCALES["full"]))
    sizes = {(case.name, case.size) for case in full}

    assert ("cross_entropy, and backward", "4096 x 50257") in sizes
    assert {("matmul", n) for n in ("1024", "2048", "4096")} <= sizes
    assert {("attention", f"8 heads, T = {n}") for n in (1024, 4096)} <= sizes
    assert SCALES["full"].gpts == (CPU, BABY)
    assert tokens(CPU)[0].shape == (12, 64)
    assert weights(BABY)["transformer.h.5.mlp.c_fc.weight"].shape == (1536, 384)
    assert [case.precisions for case in full if case.side] == [("float32", "tf32", "bfloat16")] * 3


# Checks by other programs, made up


def on_a_gpu(monkeypatch: pytest.MonkeyPatch, code: int, output: str) -> list[list[str]]:
    commands: list[list[str]] = []

    def done(command: list[str], **options: Any) -> Any:
        commands.append(command)
        return SimpleNamespace(returncode=code, stdout=output, stderr="")

    monkeypatch.setattr(device, "EXECUTOR", "gpu")
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", done)
    return commands


def test_the_sanitizer_looks_at_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    output = "3.1\n========= ERROR SUMMARY: 0 errors\n========= RACECHECK SUMMARY: 0 hazards shown"
    commands = on_a_gpu(monkeypatch, 0, output)
    found = list(spec.sanitized())

    assert [(check.name, check.outcome) for check in found] == [
        ("memcheck", "passed"),
        ("racecheck", "passed"),
    ]
    assert found[0].detail == "ERROR SUMMARY: 0 errors"
    assert [command[:3] for command in commands] == [
        ["/bin/compute-sanitizer", "--tool", name] for name in ("memcheck", "racecheck")
    ]
    assert commands[0][-2:] == ["-m", "cudagrad.gpu.step"]


@pytest.mark.parametrize(
    ("code", "output"), [(1, "ERROR SUMMARY: 0 errors"), (0, ""), (0, "ERROR SUMMARY: 2 errors")]
)
def test_only_what_says_so_has_passed(
    monkeypatch: pytest.MonkeyPatch, code: int, output: str
) -> None:
    on_a_gpu(monkeypatch, code, output)

    assert next(spec.sanitized()).outcome == "failed"


def test_why_the_sanitizer_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "EXECUTOR", "gpu")
    monkeypatch.setattr(shutil, "which", lambda name: None)

    assert next(spec.sanitized()).detail.startswith("compute-sanitizer is not installed")


@pytest.mark.launches
def test_the_step_for_the_sanitizer_trains() -> None:
    assert 0 < step.train(2) < step.train(1) < 5
    assert 0 < step.train(small=True) < 5


@pytest.mark.launches
def test_the_sanitizer_sees_what_tensor_cores_do() -> None:
    seen: set[Launch] = set()
    with recorded(seen):
        loss = step.train(precision="high")
        step.multiply()
    products = {launch.kernel for launch in seen if launch.kernel.startswith("matmul.")}

    assert 0 < loss < 5
    assert any(kernel.startswith("matmul.tensor_core.") for kernel in products)
    assert sum(kernel.startswith("matmul.stored.") for kernel in products) == 4  # layouts
    assert get_float32_matmul_precision() == "highest"


def test_paritys_spec_passes_only_if_cases_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    good = "cudagrad: 12 passed, 0 failed, 0 skipped"
    for output, outcome in ((good, "passed"), ("", "failed"), ("cudagrad: 0 passed", "failed")):
        commands = on_a_gpu(monkeypatch, 0, output)
        assert spec.parity(whole=True).outcome == outcome
        assert "--op" not in commands[0]
    assert spec.parity(whole=False).outcome == "failed"
    assert "--op" in commands[-1]
