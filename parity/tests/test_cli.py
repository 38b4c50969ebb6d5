"""The parity command: what it prints, and that bad usage gets one clear sentence."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from parity import checks, engines, usage
from parity.cli import main
from parity.environment import executor
from parity.report import collect
from parity.spec import BY_NAME, OPS
from parity.tasks import progress

SOFTMAX = BY_NAME["softmax"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--help"], 0, "check"),
        (["check", "--op", "sofmax"], 2, "no op 'sofmax'; did you mean s"),
        (["check", "--case", "sofmax[1]"], 2, "no op 'sofmax'; did you mean s"),
        (["check", "--layer", "Linera"], 2, "no layer 'Linera'; did you mean Linear"),
    ],
    ids=["help", "a wrong op", "a wrong case", "a wrong layer"],
)
def test_nothing_slow_is_imported_for(arguments: list[str], status: int, said: str) -> None:
    code = (
        "import sys; before = {*sys.modules};"
        f"from parity.cli import main; status = main({arguments});"
        "new = {name.partition('.')[0] for name in {*sys.modules} - before};"
        "print(*sorted(new - sys.stdlib_module_names)); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "click parity rich"


@pytest.mark.parametrize("command", ["", "bench", "data", "train"])
def test_without_a_command_there_is_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command.split()) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"Usage: {' '.join(['parity', *command.split()])} [OPTIONS]")
    assert "Commands:" in printed.out
    assert printed.err == ""


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (
            "check --engine megagrad",
            "no engine 'megagrad'; there are micrograd, minigrad, cudagrad",
        ),
        ("report --out {tmp} --engine x", "no engine 'x'; there are"),
        ("check --engine torch --op sofmax", "no op 'sofmax'; did you mean softmax"),
        ("report --out {tmp} --engine torch --op qqqqqq", "no op 'qqqqqq'"),
        ("check --engine torch --layer gelu", "no layer 'gelu'; did you mean GELU, "),
        (
            "check --engine torch --case softmax[99]",
            f"no case 'softmax[99]'; softmax has cases [0] to [{len(SOFTMAX.cases) - 1}], and ",
        ),
        ("check --engine torch --case sofmax[1]", "no op 'sofmax'; did you mean softmax"),
        ("check --engine torch --case softmax", "no case 'softmax'; softmax has cases [0] to "),
        ("check --engine ,", "Invalid value for '--engine': a name is empty"),
        ("check --engine torch --op ''", "Invalid value for '--op': a name is empty"),
        ("check --engine torch,micrograd --case relu[0] --dtype float32", "micrograd has no float"),
        ("check --case relu[0] --check rejects", "micrograd has no check that fits all"),
        (
            "report --out {tmp} --engine torch --op exp --steps 3",
            "--steps sets the length of training runs, which --op leaves out",
        ),
        ("check --engine torch --check forwards", "no check 'forwards'; did you mean forward, "),
        ("check --engine torch --dtype float16", "no dtype 'float16'; there are float32, float64"),
        ("check --engine micrograd --dtype float32", "no dtype 'float32'; there is float64"),
        ("check --engine torch --run nope", "no run 'nope'; there are xor, "),
        ("check --engine torch --run gpt-5", "no run 'gpt-5'; did you mean gpt-tiny"),
        ("check --engine torch --run gpt-tiny --op exp", "--run trains whole models"),
        (
            "check --engine torch --op exp --case log[0]",
            "torch has no check that fits all of these options",
        ),
        ("report --out {tmp}/file/report --engine torch", "cannot write to "),
        ("report --engine torch", "Missing option '--out'."),
        ("report --out {tmp} --fail-on-regression", "--fail-on-regression needs --baseline"),
        ("report --out {tmp} --baseline {tmp}/none", "Invalid value for '--baseline': File"),
        ("report --out {tmp} --baseline {tmp}/file", "{tmp}/file is no report to compare with: "),
        ("report --out {tmp} --speed {tmp}/file", "{tmp}/file holds no results of parity bench: "),
        ("report --out {tmp} --mutants {tmp}/file", "{tmp}/file holds no results of parity mut"),
        ("report --out {tmp} --steps 0", "Invalid value for '--steps'"),
        ("mutants --json {tmp}", "Invalid value for '--json': File '{tmp}' is a directory."),
        (
            "mutants --json {tmp}/file/a.json",
            "cannot write to {tmp}/file: it is a file, not a folder",
        ),
        ("bench ops --json {tmp}", "Invalid value for '--json': File '{tmp}' is a directory."),
        ("bench steps --json {tmp}/file/a.json", "cannot write to {tmp}/file: "),
        ("bench generation --json {tmp}/file/a.json", "cannot write to {tmp}/file: "),
        ("bench ops --engine torch", "an engine cannot be its own rival"),
        ("bench steps --engine torch", "torch is the rival here: name another --engine"),
        ("bench generation --engine torch --pairs 2", "torch is the rival here"),
        ("determinism --engine x", "no engine 'x'; there are"),
        ("determinism --engine torch --op sofmax", "no op 'sofmax'; did you mean softmax"),
        ("determinism --processes 1", "Invalid value for '--processes'"),
        ("check --quick", "No such option"),
        ("chek", "no command 'chek'; did you mean check"),
        ("train xr", "no command 'xr'; there are digits, moons, names, sales, text, xor"),
        ("bench opps", "no command 'opps'; there are generation, ops, parallel, steps"),
    ],
)
def test_bad_usage_is_one_sentence(
    command: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()

    assert main(shlex.split(command.format(tmp=tmp_path))) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"parity: {sentence.format(tmp=tmp_path)}")
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


@pytest.mark.parametrize(
    ("command", "place", "position"),
    [
        ("mutants", "parity.mutants.score", 2),
        ("report --out {tmp}", "parity.report.planning.Asked", 3),
        ("determinism", "parity.checks.determinism.ThreadPoolExecutor", 0),
    ],
)
def test_the_work_is_for_as_many_processes_as_this_one_has_cores(
    command: str, place: str, position: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AskedError(Exception):
        pass

    def asked(*arguments: Any) -> Any:
        raise AskedError(arguments[position])

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 4, 5}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(place, asked)
    with pytest.raises(AskedError, match=r"^3$"):
        main([*command.format(tmp=tmp_path).split(), "--engine", "minigrad", "--op", "exp"])


def without(package: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command where a package is not installed."""
    code = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {package!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        f"from parity.cli import main; sys.exit(main({list(arguments)!r}))"
    )
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("package", "command"),
    [
        ("torch", "check --engine minigrad --op exp"),
        ("torch", "report --out {tmp} --engine minigrad"),
        ("plotly", "report --out {tmp} --engine minigrad"),
        ("jinja2", "report --out {tmp} --engine minigrad"),
    ],
)
def test_what_parity_itself_needs_is_one_sentence(
    package: str, command: str, tmp_path: Path
) -> None:
    done = without(package, *shlex.split(command.format(tmp=tmp_path)))

    assert done.stderr == f"parity: parity needs the package {package}: pip install {package}\n"
    assert done.returncode == 2


def test_engines_are_listed_without_torch() -> None:
    done = without("torch", "engines")

    assert done.returncode == 0, done.stderr
    assert "float64, float32" in done.stdout
    assert "engine torch needs the package torch: pip install torch" in done.stdout


def test_ops_are_listed_without_torch() -> None:
    done = without("torch", "ops", "--engine", "minigrad")

    assert done.returncode == 0, done.stderr
    assert "minigrad lacks nothing" in done.stdout


def test_a_missing_module_of_parity_is_not_a_package_to_install() -> None:
    done = without("parity.environment", "engines")

    assert done.returncode == 1
    assert "pip install" not in done.stderr


def test_an_interrupt_leaves_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(name: str) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(engines, "load", interrupt)

    assert main(["check", "--engine", "torch"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_what_is_interrupted_leaves_no_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(collect, "collect", interrupt)
    out = tmp_path / "new" / "report"

    assert main(["report", "--engine", "torch", "--out", str(out)]) == 130
    assert not list(tmp_path.iterdir())


COMMAND = "import sys; from parity.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_cannot_be_shown_is_one_sentence(tmp_path: Path, unbuffered: str) -> None:
    command = ["train", "xor", "--steps", "5", "--out", str(tmp_path)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, *command],
            stdout=full,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            text=True,
            check=False,
        )

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "parity: No space left on device"
    assert "Traceback" not in done.stderr
    # What was trained is all there.
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"minigrad", "metrics.json", "curve.png"}


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_who_leaves_hears_no_complaint(unbuffered: str) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "ops"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        text=True,
        check=False,
    )
    os.close(theirs)

    assert done.returncode == 1
    assert done.stderr == ""


def test_output_may_be_closed() -> None:
    command = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-c", COMMAND, "--help"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == 0
    assert done.stderr == ""


def test_engines_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines"]) == 0
    printed = capsys.readouterr().out
    for name in engines.names():
        assert name in printed
    detail = executor(engines.load("cudagrad")).partition(": ")[2]
    assert detail in printed.rpartition("┘")[2], "too long for the table"


def test_ops_are_listed_with_what_an_engine_lacks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines.load("torch"), "ops", [op.name for op in OPS if op.name != "exp"])

    assert main(["ops", "--engine", "torch,minigrad"]) == 0
    printed = capsys.readouterr().out
    for op in OPS:
        assert f" {op.name} " in printed
    assert printed.endswith("\ntorch lacks exp\nminigrad lacks nothing\n")


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


def test_an_engine_without_a_dtype_is_skipped_unless_it_was_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engines, "names", lambda: ("micrograd", "minigrad", "torch"))

    assert main(["check", "--case", "relu[0]", "--dtype", "float32"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "– skipped: micrograd has no float32"
    assert lines[-1].startswith("minigrad: 2 passed, ")


def test_nothing_is_judged_where_a_part_cannot_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks, "run", pytest.fail)
    command = "check --engine minigrad,micrograd --op exp --dtype float32"

    assert main(command.split()) == 2
    assert capsys.readouterr().err == "parity: micrograd has no float32\n"


def test_finite_differences_are_told_as_a_share(capsys: pytest.CaptureFixture[str]) -> None:
    command = "check --engine torch --case exp[0] --check differences"

    assert main(command.split()) == 0
    line = capsys.readouterr().out.splitlines()[0]
    assert re.fullmatch(r"✓ torch exp\[0\] differences float64: agrees to \de-\d+", line), line


def test_where_there_are_no_finite_differences_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    kinked = next(case for op in OPS for case in op.cases if case.kink)
    command = ["check", "--engine", "torch", "--case", kinked.id]
    sentence = f"no finite differences at 1 case: {kinked.kink}"

    assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[-1] == sentence
    assert main([*command, "--check", "differences"]) == 2
    assert capsys.readouterr().err.endswith(f"; {sentence}\n")


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


def test_the_command_of_a_failure_shows_where_the_engine_raised(
    with_op: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def explode(x: Any) -> Any:
        raise ZeroDivisionError("why")

    monkeypatch.setattr(engines, "load", lambda name: with_op(exp=explode))
    command = "check --engine torch --check forward --dtype float64"

    assert main([*command.split(), "--case", "exp[0]"]) == 1
    printed = capsys.readouterr().out
    assert re.search(r"in explode\n[\s\S]*\n✗ other exp\[0\] forward float64: raised Zero", printed)
    assert main([*command.split(), "--op", "exp"]) == 1
    assert "in explode" not in capsys.readouterr().out


@pytest.mark.usefixtures("faulty")
def test_a_report_with_a_failure_is_exit_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["report", "--engine", "torch", "--op", "exp,log", "--jobs", "1"]

    assert main([*command, "--out", str(tmp_path)]) == 1
    assert re.search(r"\. torch fails \d+ of \d+ checks; \d+ skipped", capsys.readouterr().out)
    report = json.loads((tmp_path / "report.json").read_text())
    assert not report["passed"]
    assert {r["op"] for r in report["results"] if r["status"] == "failed"} == {"exp"}


def test_a_report_that_passes_is_exit_status_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "folder"

    command = ["report", "--engine", "torch", "--op", "log", "--jobs", "1"]

    assert main([*command, "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {
        "index.html",
        "report.json",
        "summary.md",
        "junit.xml",
    }
    headline = capsys.readouterr().out.splitlines()[-1]
    assert headline.startswith("Partial report (without micrograd, minigrad and cudagrad; of 1 op")
    assert "torch passes all " in headline


def test_layers_and_optimizers_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    command = "check --engine torch --layer Tanh,Linear --optimizer StepLR,SGD --check rates,form"

    assert main(command.split()) == 0
    printed = capsys.readouterr().out
    assert "✓ torch Linear[0] form float64\n" in printed
    assert "✓ torch StepLR[1] rates float64\n" in printed
    assert f"torch: {printed.count('✓')} passed, 0 failed, 0 skipped\n" in printed


def test_a_model_is_checked_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    command = "check --engine torch --layer GPT --check written --dtype float64"

    assert main(command.split()) == 0
    assert "✓ torch GPT[0] written float64" in capsys.readouterr().out


def test_a_case_of_a_layer_is_known_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--engine", "torch", "--case", "Tanh[0]", "--dtype", "float64"]) == 0
    assert "✓ torch Tanh[0] training float64: " in capsys.readouterr().out
    assert main(["check", "--engine", "torch", "--case", "Tanh[7]"]) == 2
    assert "no case 'Tanh[7]'; Tanh has cases [0] to [0]" in capsys.readouterr().err


def test_a_run_is_trained(capsys: pytest.CaptureFixture[str]) -> None:
    command = "check --engine torch --run gpt-tiny --dtype float32"

    assert main(command.split()) == 0
    printed = capsys.readouterr().out
    assert "✓ torch gpt-tiny float32: loss 3.5" in printed
    assert "torch: 1 passed, 0 failed, 0 skipped" in printed


def test_a_skipped_run_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--engine", "micrograd", "--run", "gpt-small"]) == 0
    assert "– micrograd gpt-small float64: skipped, " in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        "train xor --engine torch --steps 5",
        "train text --engine torch --steps 5",
        "generate --checkpoint {tmp} --engine torch",
        "bench steps --engine torch",
        "bench generation --engine torch",
        "bench parallel --engine torch",
    ],
)
def test_an_engine_of_ops_alone_cannot_train(
    command: str,
    altered: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As the rivals are."""
    engine = altered(package=SimpleNamespace(optim=None))
    monkeypatch.setattr(engines, "load", lambda name: engine)

    assert main(shlex.split(command.format(tmp=tmp_path))) == 2
    assert capsys.readouterr().err.startswith("parity: other has no nn, gpt: it cannot train, ")


def test_an_interrupt_leaves_no_traceback_of_processes_that_start() -> None:
    code = (
        "import signal, sys; from parity.cli import main;"
        # What a shell starts in the background ignores Ctrl-C, and so does all that it starts.
        "signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "mutants", "--engine", "minigrad", "--jobs", "2"]
    started = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that Ctrl-C, which is for all in a group, does not end us
    )
    assert started.stderr is not None
    first = started.stderr.readline()  # the processes start now, which takes seconds
    time.sleep(1)
    os.killpg(started.pid, signal.SIGINT)
    rest = started.communicate()[1]

    assert "as they are" in first
    assert rest.strip() == "parity: interrupted"
    assert started.returncode == 130


@pytest.mark.parametrize(("width", "columns"), [(200, 4), (46, 3), (20, 2)])
def test_a_narrow_terminal_lacks_columns_but_no_figure(
    width: int, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=width, no_color=True)
    monkeypatch.setattr(usage, "Console", lambda: terminal)
    table = Table("ratio", "work", "peak memory", "collector")
    table.add_row("0.95 [0.94]", "abcdefghijklm", "12.5", "on")
    usage.printed(table, spare=2)

    lines = shown.getvalue().splitlines()
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert {len(row) for row in cells} == {columns}
    assert "".join(row[1] for row in cells) == "abcdefghijklm"


def test_a_narrow_terminal_shows_all_of_a_trainings_progress(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=50, no_color=True)
    monkeypatch.setattr(progress, "Console", lambda **_: terminal)
    command = "train xor --engine minigrad,torch --steps 3"

    assert main(command.split()) == 0
    last = shown.getvalue().rpartition("3/3")[2]
    for word in ("minigrad", "torch", "samples/s", "left"):
        assert word in last
