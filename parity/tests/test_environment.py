"""Results name the commit that they come from, and never fail for want of one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from parity.cli import main
from parity.environment import environment, source, source_of

UNKNOWN = {"commit": "", "uncommitted": False}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file in the only commit of a repository."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    file = tmp_path / "engine.py"
    file.write_text("right\n", encoding="utf-8")
    for arguments in (
        ("init", "--quiet"),
        ("add", "engine.py"),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=a"),
    ):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    return file


def test_the_commit_is_named_and_what_differs_from_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "elsewhere")  # as git sets it for what its hooks start
    (file.parent / "notes.txt").touch()  # untracked
    found = source_of(file)

    head = (file.parent / ".git" / "refs" / "heads").iterdir()
    assert found == {"commit": next(head).read_text(encoding="utf-8").strip(), "uncommitted": False}

    file.write_text("wrong\n", encoding="utf-8")
    assert source_of(file) == found | {"uncommitted": True}


def test_what_git_does_not_track_has_no_commit(file: Path, tmp_path: Path) -> None:
    installed = tmp_path / "site-packages" / "engine.py"
    installed.parent.mkdir()
    installed.touch()

    assert source_of(installed) == UNKNOWN


def test_without_git_there_is_no_commit(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    assert source_of(file) == UNKNOWN


@pytest.mark.parametrize(("options", "asked"), [("", 0), ("--json {tmp}/a.json", 1)])
def test_git_is_asked_before_the_work_and_only_if_results_will_say(
    options: str, asked: int, tmp_path: Path
) -> None:
    source.cache_clear()

    assert main(["bench", "ops", "--op", "nope", *options.format(tmp=tmp_path).split()]) == 2
    assert source.cache_info().misses == asked


def test_every_result_has_the_source() -> None:
    assert environment().items() >= source().items()
