"""The catalogue of planted kernel bugs: who catches each, and that nobody minds it mended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from catching import EXECUTORS, catalogue, outcome

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


def test_the_checker_catches_all_of_at_least_25() -> None:
    assert len(BUGS) >= 25
    assert [name for name, bug in BUGS.items() if "checker" not in bug.CAUGHT] == []


def test_the_page_is_fresh() -> None:
    command = [sys.executable, str(ROOT / ".ci" / "bugs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
