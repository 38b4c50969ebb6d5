"""The catalogue of planted kernel bugs: who catches each, and that nobody minds it mended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from bugs_elsewhere import SEEN, digest, surprises
from catching import COMPILER, EXECUTORS, SIMULATOR, catalogue, outcome

ROOT = Path(__file__).resolve().parents[2]
BUGS = catalogue()

every_executor = pytest.mark.parametrize("executor", EXECUTORS)
every_bug = pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS.keys())


@every_executor
@every_bug
def test_a_bug_is_caught_by_those_it_names(bug: ModuleType, executor: str) -> None:
    assert outcome(bug, bug.bug, executor) == bug.CAUGHT.get(executor, "")


@every_executor
@every_bug
def test_the_mended_kernel_is_right_everywhere(bug: ModuleType, executor: str) -> None:
    assert outcome(bug, bug.fixed, executor) == ""


def test_the_checker_catches_all_of_at_least_25_but_those_of_machine_code() -> None:
    assert len(BUGS) >= 25
    for name, bug in BUGS.items():
        assert "checker" in bug.CAUGHT or list(bug.CAUGHT) == [COMPILER], name


def test_what_is_said_of_the_compiler_and_the_simulator_is_of_these_bugs() -> None:
    assert SEEN.read_text(encoding="utf-8").strip() == digest(), (
        "a bug has changed: tox -e kernels asks the compiler and numba's simulator anew"
    )


def bug_that_says(**says: object) -> dict[str, ModuleType]:
    bug = ModuleType("bug")
    vars(bug).update({"CAUGHT": {}} | says)
    return {"bug": bug}


def test_what_the_compiler_finds_is_what_the_mended_kernel_has_not() -> None:
    wide = bug_that_says(CAUGHT={COMPILER: "wide"})

    assert not list(surprises(COMPILER, {"bug": (["divisions", "wide"], ["divisions"])}, wide))
    assert len(list(surprises(COMPILER, {"bug": (["wide"], ["wide"])}, wide))) == 1
    assert len(list(surprises(COMPILER, {"bug": (["spills", "wide"], [])}, wide))) == 1
    assert len(list(surprises(COMPILER, {"bug": (["wide"], [])}, bug_that_says()))) == 1


@pytest.mark.parametrize(
    ("says", "runs", "mended", "is_right"),
    [
        ({"CAUGHT": {SIMULATOR: "wrong number"}}, ["", "wrong number"], [""], True),
        ({"CAUGHT": {SIMULATOR: "wrong number"}}, ["", ""], [""], False),
        ({"CAUGHT": {SIMULATOR: "wrong number"}}, ["wrong number"], ["wrong number"], False),
        ({"CAUGHT": {SIMULATOR: "wrong number, at times"}}, ["", ""], [""], True),
        ({"CAUGHT": {SIMULATOR: "wrong number, at times"}}, ["", "IndexError"], [""], False),
        ({}, ["", "wrong number"], [""], True),
        ({}, ["wrong number"], [""], False),
        ({"UNABLE": {SIMULATOR: "no shuffles"}}, ["cannot run"], ["cannot run"], True),
        ({"UNABLE": {SIMULATOR: "no shuffles"}}, ["wrong number"], ["cannot run"], True),
        ({"UNABLE": {SIMULATOR: "no shuffles"}}, [""], [""], False),
    ],
)
def test_what_the_simulator_says_may_differ_from_run_to_run(
    says: dict[str, object], runs: list[str], mended: list[str], is_right: bool
) -> None:
    found = {"bug": (runs, mended)}

    assert len(list(surprises(SIMULATOR, found, bug_that_says(**says)))) == (not is_right)


def test_the_page_is_fresh() -> None:
    command = [sys.executable, str(ROOT / ".ci" / "bugs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
