"""What got worse since an earlier report is found, and nothing else is."""

from __future__ import annotations

import copy
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from reports import quiet

from parity import engines, files
from parity.bench import rows
from parity.bench.rows import Row
from parity.cli import main
from parity.report import changes, collect, page, planning

Report = dict[str, Any]

SPEED = Row(
    kind="ops",
    item="exp(randn(768, 512))",
    op="exp",
    engine="minigrad",
    against="torch",
    phase="forward",
    size="gpt",
    dtype="float32",
    ratio=2.0,
    low=1.9,
    high=2.1,
    seconds=2e-3,
    against_seconds=1e-3,
    collector=False,
)


def timed(found: Report, *lines: Row) -> Report:
    return found | {"speed": rows.document(lines, [engines.load("minigrad")], 1)}


@pytest.fixture(scope="module")
def before() -> Report:
    """A report on minigrad, of two ops, with a speed."""
    asked = planning.Asked(ops=("exp", "log"), quick=True)
    return timed(collect.collect([engines.load("minigrad")], quiet, asked), SPEED)


@pytest.fixture
def after(before: Report) -> Report:
    """The same, to be changed."""
    return copy.deepcopy(before)


def passed(report: Report, check: str = "backward") -> Report:
    """A result with an error, that passed."""
    found: Report = next(r for r in report["results"] if r["check"] == check and r["error"])
    return found


def test_nothing_has_changed_in_the_same_report(before: Report, after: Report) -> None:
    found = changes.since(after, before)

    assert [found[kind] for kind in ("worse", "better", "slower", "faster", "gone")] == [[]] * 5
    assert found["compared"] == len(before["results"]) + 2, "the bits and the random graphs"
    assert not changes.regressed(found)
    assert changes.sentence(found).startswith("0 worse, 0 better, 0 slower and 0 faster, of ")


@pytest.mark.parametrize(
    ("was", "now", "kind"),
    [
        (0.5, 1.4, None),  # less than an eps more
        (10.0, 19.0, None),  # less than twice as much
        (0.0, 1.5, "worse"),
        (10.0, 21.0, "worse"),
        (21.0, 10.0, "better"),
    ],
)
def test_an_error_changes_beyond_the_noise(
    before: Report, after: Report, was: float, now: float, kind: str | None
) -> None:
    old = copy.deepcopy(before)
    passed(old)["error"], passed(after)["error"] = was, now

    found = changes.since(after, old)

    assert [name for name in ("worse", "better") if found[name]] == ([kind] if kind else [])
    if kind:
        (change,) = found[kind]
        assert (change["was"], change["op"]) != (change["now"], "")


def test_a_check_that_fails_now_is_worse_and_one_that_passes_again_better(
    before: Report, after: Report
) -> None:
    result = passed(after)
    result.update(status="failed", error=None, message="minigrad exp[0]: off\n  more")

    found = changes.since(after, before)
    (change,) = found["worse"]

    assert (change["was"], change["now"]) == ("passed", "failed")
    assert change["message"] == "minigrad exp[0]: off"
    assert changes.regressed(found)
    assert len(changes.since(before, after)["better"]) == 1


@pytest.mark.parametrize(
    ("key", "fails", "what"),
    [
        ("determinism", {"status": "failed", "message": "other bits"}, "determinism"),
        ("fuzz", {"status": "failed", "message": "off", "program": "x = 1"}, "random graphs"),
        ("faults", {"caught": False}, "exp that is off"),
    ],
)
def test_whatever_passed_and_fails_now_is_worse(
    before: Report, after: Report, key: str, fails: Report, what: str
) -> None:
    fault = {"op": "exp", "name": "is off", "story": "", "wanted": [], "rejected_by": {}}
    for report in (before, after):
        report["faults"] = [fault | {"caught": True}]
    after[key][0].update(fails)

    (change,) = changes.since(after, before)["worse"]

    assert (change["what"], change["was"], change["now"]) == (what, "passed", "failed")


def test_a_check_that_is_skipped_now_is_worse(before: Report, after: Report) -> None:
    passed(after).update(status="skipped", error=None, message="it takes hours")

    assert [c["now"] for c in changes.since(after, before)["worse"]] == ["skipped"]


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        ((2.1, 2.0, 2.2), None),  # quartiles that meet
        ((2.15, 2.12, 2.2), None),  # less than a tenth
        ((3.0, 2.9, 3.1), "slower"),
        ((1.0, 0.9, 1.1), "faster"),
    ],
)
def test_a_speed_changes_beyond_the_noise(
    before: Report, after: Report, now: tuple[float, float, float], kind: str | None
) -> None:
    ratio, low, high = now
    row = Row(**{**vars(SPEED), "ratio": ratio, "low": low, "high": high})

    found = changes.since(timed(after, row), before)

    assert [name for name in ("slower", "faster") if found[name]] == ([kind] if kind else [])
    assert changes.regressed(found) == (kind == "slower")


def test_speeds_of_two_processors_are_not_compared(before: Report, after: Report) -> None:
    row = Row(**{**vars(SPEED), "ratio": 9.0, "low": 8.9, "high": 9.1})
    after = timed(after, row)
    after["speed"]["environment"]["cpu"] = "another"  # than the report's own

    found = changes.since(after, before)

    assert found["slower"] == []
    assert found["speed_not_compared"].startswith("the two differ in the processor: ")
    assert found["speed_not_compared"].endswith(" and another")


def test_nothing_is_timed_besides_what_was_timed_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(planning, "PROCESSES", 0)
    monkeypatch.setattr(planning, "HUNTS", 0)
    file = tmp_path / "speed.json"
    files.dump(file, rows.document([SPEED], [engines.load("minigrad")], 4))
    command = f"report --engine minigrad --op exp --jobs 1 --out {tmp_path}/a --speed {file}"

    main(shlex.split(command))

    found = json.loads((tmp_path / "a" / "report.json").read_text())["speed"]
    assert (found["threads"], len(found["rows"])) == (4, 1)
    assert "speed.json: the two differ in threads: 4 and 1\n" in capsys.readouterr().out


def test_what_is_in_one_report_alone_is_counted(before: Report, after: Report) -> None:
    gone = after["results"].pop()

    found = changes.since(after, before)

    assert (len(found["gone"]), found["added"]) == (1, 0)
    assert gone["case"] in found["gone"][0]
    assert changes.since(before, after)["added"] == 1


def test_a_training_that_is_no_longer_there_is_named(before: Report, after: Report) -> None:
    skipped = {"engine": "minigrad", "run": "xor", "dtype": "float64", "ratio": 0.0}
    skipped |= {"status": "skipped", "message": "", "reproduce": "", "elapsed": 0.0}

    found = changes.since(after, before | {"trainings": [skipped]})

    assert found["gone"] == ["minigrad xor float64"]


def test_changes_are_shown(before: Report, after: Report) -> None:
    passed(after).update(status="failed", error=None, message="off by one")
    row = Row(**{**vars(SPEED), "ratio": 3.0, "low": 2.9, "high": 3.1})
    after = timed(after, row)
    after["changes"] = changes.since(after, before)

    text, summary = page.html(after), page.markdown(after)

    assert "off by one" in text[text.index('<section id="changes">') :]
    assert "3.0 [2.9, 3.1]" in text
    for words in ("1 worse, 0 better, 1 slower and 0 faster", "was 2.0 [1.90, 2.1], is 3.0"):
        assert words in summary


def test_a_fault_and_a_slowdown_are_found_by_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A regression planted in one op, and a slowdown in another, beside what is as it was."""
    speeds = {}
    for name, ratio in {"old": 2.0, "new": 3.0}.items():
        row = Row(**{**vars(SPEED), "engine": "torch", "against": "minigrad", "ratio": ratio})
        row = Row(**{**vars(row), "low": ratio - 0.1, "high": ratio + 0.1})
        speeds[name] = tmp_path / f"{name}.json"
        files.dump(speeds[name], rows.document([row], [engines.load("torch")], 1))
    command = "report --engine torch --op exp,log --quick --jobs 1"
    first = f"{command} --out {tmp_path}/a --speed {speeds['old']}"
    then = f"--baseline {tmp_path}/a/report.json --fail-on-regression"
    assert main(shlex.split(first)) == 0

    again = f"{command} --out {tmp_path}/b --speed {speeds['old']} {then}"
    assert main(shlex.split(again)) == 0
    assert "0 worse, 0 better, 0 slower and 0 faster" in capsys.readouterr().out

    slower = f"{command} --out {tmp_path}/c --speed {speeds['new']} {then}"
    assert main(shlex.split(slower)) == 1
    found = json.loads((tmp_path / "c" / "report.json").read_text())
    assert found["passed"]
    assert [change["op"] for change in found["changes"]["slower"]] == ["exp"]

    right = torch.log
    eps = torch.finfo(torch.float64).eps

    def worse(x: torch.Tensor) -> torch.Tensor:
        return right(x) * (1 + 16 * eps) if x.dtype == torch.float64 else right(x)

    call = engines.load("torch").call
    monkeypatch.setattr(
        engines.load("torch"),
        "call",
        lambda name, *args, **kwargs: (
            worse(*args) if name == "log" else call(name, *args, **kwargs)
        ),
        raising=False,
    )
    less_exact = f"{command} --out {tmp_path}/d --speed {speeds['old']} {then}"
    assert main(shlex.split(less_exact)) == 1
    found = json.loads((tmp_path / "d" / "report.json").read_text())
    assert {change["op"] for change in found["changes"]["worse"]} == {"log"}
    assert found["passed"], "within the tolerance, and yet worse than it was"


def test_a_slowdown_is_found_by_what_a_report_measures_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is handed in: the same op, ten times in a row."""
    monkeypatch.setattr(planning, "PROCESSES", planning.QUICK_PROCESSES)
    monkeypatch.setattr(planning, "HUNTS", 0)
    command = "report --engine minigrad --op exp --jobs 1"
    assert main(shlex.split(f"{command} --out {tmp_path}/a")) == 0

    functions = engines.load("minigrad").package.ops
    right = functions.exp
    monkeypatch.setattr(functions, "exp", lambda x: [right(x) for _ in range(10)][-1])
    then = f"--out {tmp_path}/b --baseline {tmp_path}/a/report.json --fail-on-regression"
    assert main(shlex.split(f"{command} {then}")) == 1

    found = json.loads((tmp_path / "b" / "report.json").read_text())
    assert found["passed"]
    assert {change["op"] for change in found["changes"]["slower"]} == {"exp"}
