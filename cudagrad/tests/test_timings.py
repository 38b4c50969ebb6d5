"""The table of times: every workload runs, and each form is measured."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cudagrad import device, overhead, timings

needs_emulator = pytest.mark.skipif(device.EXECUTOR != "emulator", reason="needs the emulator")


def test_times_are_compared_with_those_of_the_first_column() -> None:
    found = {
        "work": {"in step": 0.5, "generators": 2.0, "other": 1000.0},
        "more": {"in step": 0.5, "generators": 1.0},
    }

    assert timings.table(found, ["in step", "generators", "other"]) == [
        "| ms | in step | generators | other |",
        "|---|---:|---:|---:|",
        "| work | 0.50 | 2.0 (4×) | 1,000.0 (2,000×) |",
        "| more | 0.50 | 1.0 (2×) | – |",
    ]


@needs_emulator
def test_every_workload_is_timed_in_every_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timings, "ROUNDS", 1)
    found = timings.on_emulator()

    assert list(found) == list(timings.workloads())
    assert all(time > 0 for times in found.values() for time in times.values())
    assert all(list(times) == list(timings.FORMS) for times in found.values())


@needs_emulator
def test_an_op_costs_the_host_few_calls() -> None:
    found = timings.elsewhere("host", CUDAGRAD_DEVICE="emulator")
    step = found["a GPT step (one layer)"]

    assert all(row["µs"] > 0 and row["launches"] >= 1 for row in found.values())
    assert found["add"]["launches"] == 1
    assert 20 < found["add"]["calls"] < 75
    assert 20 < step["calls"] / step["launches"] < 65
    assert [line.split(" | ")[0] for line in overhead.table(found)[2:]] == [f"| {n}" for n in found]


def test_the_simulator_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "numba_cuda", lambda extra: (None, f"{extra} is missing"))

    assert timings.main(["--simulator"]) == 2


def test_wrong_input_is_refused() -> None:
    command = [sys.executable, "-m", "cudagrad.timings", "--nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "unrecognized arguments: --nothing" in done.stderr
