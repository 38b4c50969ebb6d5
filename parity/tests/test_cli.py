"""The parity command: what it prints, and that bad usage gets one clear sentence."""

from __future__ import annotations

import json
import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parity import engines
from parity.cli import main
from parity.spec import OPS


def test_help_starts_fast_and_without_torch() -> None:
    code = (
        "import sys; from parity.cli import main; status = main(['--help']);"
        "sys.exit(status or 'torch' in sys.modules)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert done.returncode == 0, done.stderr
    assert "check" in done.stdout
    # Of the processor, which other work on the machine does not stretch as it does the clock.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Commands:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (
            "check --engine megagrad",
            "no engine 'megagrad'; there are micrograd, minigrad, cudagrad",
        ),
        ("report --out {tmp} --engine x", "no engine 'x'; there are"),
        ("check --engine torch --op sofmax", "no op 'sofmax'; near it: softmax"),
        ("report --out {tmp} --engine torch --op qqqqqq", "no op 'qqqqqq'"),
        ("check --engine torch --case softmax[99]", "no case 'softmax[99]'; near it: softmax["),
        ("check --engine torch --check forwards", "no check 'forwards'; there are forward, "),
        ("check --engine torch --dtype float16", "no dtype 'float16'; there are float32, float64"),
        ("check --engine torch --run gpt-5", "no run 'gpt-5'; there are gpt-tiny, gpt-small"),
        ("check --engine torch --run gpt-tiny --op exp", "--run trains whole models"),
        (
            "check --engine torch --op exp --case log[0]",
            "torch has no check that is all of what was asked for",
        ),
        ("report --out {tmp}/file/report --engine torch", "cannot write to "),
        ("report --engine torch", "Missing option '--out'."),
        ("report --out {tmp} --steps 0", "Invalid value for '--steps'"),
        ("check --quick", "No such option"),
        ("judge", "No such command 'judge'."),
    ],
)
def test_bad_usage_is_one_sentence(
    command: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()

    assert main(shlex.split(command.format(tmp=tmp_path))) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"parity: {sentence}")
    assert printed.err.count("\n") == 1


def test_a_missing_package_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"engine {name} needs the package numba: pip install numba")

    monkeypatch.setattr(engines, "load", missing)

    assert main(["check", "--engine", "cudagrad"]) == 2
    assert capsys.readouterr().err == (
        "parity: engine cudagrad needs the package numba: pip install numba\n"
    )
    assert main(["engines"]) == 0
    assert "pip install numba" in capsys.readouterr().out


def test_an_interrupt_leaves_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(name: str) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(engines, "load", interrupt)

    assert main(["check", "--engine", "torch"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_engines_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines"]) == 0
    printed = capsys.readouterr().out
    for name in engines.names():
        assert name in printed


def test_ops_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ops", "--engine", "torch"]) == 0
    printed = capsys.readouterr().out
    for op in OPS:
        assert f" {op.name} " in printed


def test_few_checks_are_told_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--engine", "torch", "--case", "exp[0],log[0]", "--check", "forward"]

    assert main(["check", *arguments, "--dtype", "float64"]) == 0
    printed = capsys.readouterr()
    assert re.sub(r"0\.\d+", "N", printed.out).splitlines() == [
        "✓ torch exp[0] forward float64: 0 eps (torch float32: N)",
        "✓ torch log[0] forward float64: 0 eps (torch float32: N)",
        "torch: 2 passed, 0 failed, 0 skipped, forward 0 eps (torch float32: N)",
    ]
    assert printed.err == "torch: 2 checks\n"


def test_names_may_be_given_again(capsys: pytest.CaptureFixture[str]) -> None:
    command = "check --engine torch --op exp --op log --check forward --dtype float32"

    assert main(command.split()) == 0
    printed = capsys.readouterr().out
    assert "exp[0]" in printed
    assert "log[0]" in printed


@pytest.fixture
def faulty(with_op: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine called torch computes exp(x) as 1 + x."""
    wrong = with_op(exp=lambda x: 1 + x)
    wrong.name = "torch"
    monkeypatch.setattr(engines, "load", lambda name: wrong)


@pytest.mark.usefixtures("faulty")
def test_a_failure_is_told_and_is_exit_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--engine", "torch", "--op", "exp", "--check", "forward"]) == 1
    printed = capsys.readouterr().out
    assert "✗ torch exp[0] forward float64: output" in printed
    assert 'parity check --engine torch --case "exp[0]" --check forward --dtype float64' in printed


@pytest.mark.usefixtures("faulty")
def test_a_report_with_a_failure_is_exit_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--out", str(tmp_path), "--engine", "torch", "--op", "exp,log"]) == 1
    assert " checks of torch failed." in capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text())
    assert not report["passed"]
    assert {r["op"] for r in report["results"] if r["status"] == "failed"} == {"exp"}


def test_a_report_that_passes_is_exit_status_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "folder"

    assert main(["report", "--out", str(out), "--engine", "torch", "--op", "log"]) == 0
    assert {path.name for path in out.iterdir()} == {"index.html", "report.json", "summary.md"}
    assert "torch agrees with torch in all " in capsys.readouterr().out


def test_a_run_is_trained(capsys: pytest.CaptureFixture[str]) -> None:
    command = "check --engine torch --run gpt-tiny --dtype float32"

    assert main(command.split()) == 0
    printed = capsys.readouterr().out
    assert "✓ torch gpt-tiny float32: loss 3.6" in printed
    assert "torch: 1 passed, 0 failed, 0 skipped" in printed


def test_a_skipped_run_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--engine", "micrograd", "--run", "gpt-small"]) == 0
    assert "– micrograd gpt-small float64: skipped, " in capsys.readouterr().out
