"""The op, the layer and the run that CONTRIBUTING adds, as it says: every engine passes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from parity.checks import judge
from parity.checks.runs import check_run
from parity.engines import load
from parity.spec import layers, runs

ROOT = Path(__file__).parents[2]
ENGINES = ("micrograd", "minigrad", "cudagrad")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with mish in it."""
    root = tmp_path_factory.mktemp("copy")
    for package in (*ENGINES, "parity"):
        shutil.copytree(ROOT / package / "src", root / package / "src")
    shutil.copytree(ROOT / ".ci", root / ".ci")
    shutil.copy(ROOT / "README.md", root)
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text[text.index("## Adding an op") : text.index("## Adding a layer")]
    steps = re.findall(r"`(\S+\.py)`[^`]*```python\n(.*?)```", section, re.DOTALL)
    assert len(steps) == 7
    for name, block in steps:
        path, code = root / name, textwrap.dedent(block)
        source = path.read_text(encoding="utf-8")
        if "/spec/" in name:
            last = source.rindex(")")  # the end of OPS
            path.write_text(f"{source[:last]}    {code.strip()},\n)\n", encoding="utf-8")
        elif name.endswith("workloads.py"):
            numbers, rest = source.split("\n\n\ndef _of_shapes")
            added = f"{numbers}\n    {code.strip()}\n\n\ndef _of_shapes{rest}"
            path.write_text(added, encoding="utf-8")
        else:
            path.write_text(f"{source}\n\n{code}", encoding="utf-8")
    subprocess.run([sys.executable, str(root / ".ci" / "generate.py")], check=True)
    return root


@pytest.mark.parametrize("engine", ENGINES)
def test_the_layer_as_contributing_adds_it(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text[text.index("## Adding a layer") : text.index("## Adding a run")]
    entry, written = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    judged, layer = load(engine), eval(entry, vars(layers))
    space = vars(judged.package.nn.activation)
    exec(written, space)
    monkeypatch.setattr(judged.package.nn, layer.name, space.pop(layer.name), raising=False)

    results = list(judge(judged, layer))

    assert {result.check for result in results} == {"form", "training", "evaluation"}
    assert [result.message for result in results if result.status != "passed"] == []


@pytest.mark.parametrize("engine", ENGINES)
def test_the_run_as_contributing_adds_it(engine: str) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text[text.index("## Adding a run") : text.index("## Running one case")]
    (block,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)

    result = check_run(load(engine), eval(block, vars(runs)), "float64")

    assert result.status == "passed", result.message
    assert result.run not in [run.name for run in runs.RUNS]


def ran(copy: Path, *arguments: str) -> str:
    """What a module says, with the sources of the copy."""
    sources = os.pathsep.join(str(copy / package / "src") for package in (*ENGINES, "parity"))
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": sources},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def parity(copy: Path, *arguments: str) -> str:
    return ran(copy, "-c", f"from parity.cli import main; main({list(arguments)!r})")


@pytest.mark.parametrize("engine", ENGINES)
def test_mish_as_contributing_adds_it(engine: str, copy: Path) -> None:
    said = parity(copy, "check", "--engine", engine, "--op", "mish")

    assert re.search(r"mish\[1\] backward", said), said
    assert re.search(r"\b[1-9]\d* passed, 0 failed, 0 skipped", said), said


def test_mish_is_good_for_the_tests_of_the_spec(copy: Path) -> None:
    said = ran(copy, "-m", "pytest", "-q", str(ROOT / "parity/tests/test_spec.py"), "-k", "mish")

    assert re.search(r"\b\d\d passed, \d+ deselected", said), said


def test_the_fault_of_mish_is_rejected(copy: Path) -> None:
    said = ran(copy, "-m", "pytest", "-q", str(ROOT / "parity/tests/test_faults.py"), "-k", "mish")

    assert re.search(r"\b2 passed, \d+ deselected", said), said


def test_mish_is_timed(copy: Path) -> None:
    said = parity(copy, "bench", "ops", "--op", "mish", "--size", "small", "--pairs", "2")

    for engine in ENGINES:
        assert re.search(rf"{engine} / torch, forward \+ backward: .* of 1, ", said), said
