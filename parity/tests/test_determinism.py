"""What depends on the hash seed, on the number of threads or on luck is seen, and named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from parity import engines
from parity.checks.determinism import Determinism, determinism, digests
from parity.cli import main

# An engine of a third party, found in every process by its entry point; its tanh alone is right.
SOURCE = """
import os

import numpy as np

from parity.engines.minigrad import Minigrad

PARTS = {"large": 1e17, "small": 1.0, "smaller": 0.5, "negative": -1e17, "tiny": 1e-3}
threads, seed = int(os.environ.get("OMP_NUM_THREADS", 1)), os.environ.get("PYTHONHASHSEED")


class Other(Minigrad):
    name = "other"

    def call(self, name, *args, **kwargs):
        value = super().call(name, *args, **kwargs)
        if name == "exp":  # a sum in the order of a set of strings
            scale = 0.0
            for part in set(PARTS):
                scale += PARTS[part]
            return super().call("mul", value, scale)
        if name == "log":  # a sum of one part per thread
            numbers = np.full(1000, 0.1)
            parts = [part.sum() for part in np.array_split(numbers, threads)]
            return super().call("mul", value, float(sum(parts)))
        if name == "sqrt" and seed == "2":
            raise MemoryError
        return value

    def grad(self, tensor):
        found = super().grad(tensor)
        return found + id(tensor) if found is not None and found.shape == (2, 3, 5) else found
"""


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of the engine called other, which is installed here and in every process."""
    file = tmp_path / "wavering.py"
    file.write_text(SOURCE)
    info = tmp_path / "wavering-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wavering\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[parity.engines]\nother = wavering:Other\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    engines.load.cache_clear()
    yield file
    engines.load.cache_clear()


def differing(result: Determinism) -> set[str]:
    """The ops of which a case differs."""
    return {name.partition("[")[0] for name in result.differing}


@pytest.mark.usefixtures("other")
def test_what_wavers_is_named() -> None:
    finished = []

    result = determinism("other", ("exp", "log", "sqrt"), 4, lambda: finished.append(1))

    assert result.status == "failed"
    assert differing(result) == {"exp", "log", "sqrt"}
    assert result.message.startswith("other bits in other processes: sqrt[0] float64, ")
    assert result.message.endswith(f" and {len(result.differing) - 5} more")
    assert result.reproduce == "parity determinism --engine other --op exp,log,sqrt --processes 4"
    assert (len(finished), result.processes) == (4, 4)


@pytest.mark.usefixtures("other")
def test_the_bits_of_gradients_are_compared_too() -> None:
    result = determinism("other", ("tanh",), 2)

    assert result.differing
    assert {name.partition(" ")[0] for name in result.differing} < {
        f"tanh[{i}]" for i in range(result.cases)
    }


def test_a_process_that_ends_badly_is_a_failure(other: Path) -> None:
    other.write_text(f"{SOURCE}\nif seed == '1':\n    raise OSError('no more')\n")

    result = determinism("other", ("tanh",), 2)

    assert result.status == "failed"
    assert result.message.startswith("a process did not end well: OSError: no more (OMP_NUM_")
    assert "PYTHONHASHSEED=1" in result.message


def test_nothing_to_compare_is_a_failure(other: Path) -> None:
    other.write_text(
        SOURCE.replace("value = super()", "raise MemoryError\n        value = super()")
    )

    result = determinism("other", ("tanh",), 2)

    assert (result.status, result.cases) == ("failed", 0)
    assert result.message == "no case could be computed"


@pytest.mark.parametrize("name", engines.OURS)
def test_our_engines_give_the_same_bits(name: str) -> None:
    result = determinism(name, ("matmul", "softmax", "embedding", "dropout"), 3)

    assert result.status == "passed", result.message
    assert (result.differing, result.message) == ([], "")


@pytest.mark.parametrize("name", engines.OURS)
def test_every_case_is_digested_in_every_dtype(name: str) -> None:
    engine = engines.load(name)

    found = digests(engine, ("split", "max", "dropout"))

    assert {key.partition("[")[0] for key in found} == {"split", "max", "dropout"}
    assert {key.partition(" ")[2] for key in found} == set(engine.dtypes)
    assert found == digests(engine, ("split", "max", "dropout"))


@pytest.mark.usefixtures("other")
def test_the_command_says_which_differ(capsys: pytest.CaptureFixture[str]) -> None:
    command = "determinism --engine minigrad,other --op exp --processes 2"

    assert main(command.split()) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith("✓ minigrad: ")
    assert ", the same bits in 2 processes\n✗ other: other bits in other processes: " in printed.out
    assert printed.out.endswith("parity determinism --engine other --op exp --processes 2\n")
    assert printed.err == "minigrad: 2 processes\nother: 2 processes\n"


def test_torch_is_left_out_for_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["determinism", "--engine", "torch"]) == 0
    assert capsys.readouterr().out.startswith("– torch: skipped, torch's threads")
