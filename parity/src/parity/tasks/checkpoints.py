"""The checkpoints of one engine's training: the last two, so that one is always whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..engines import Adapter
from .task import Task

KEPT = 2


class Checkpoints:
    """Files named after the step, in a folder that is made with the first."""

    def __init__(self, folder: Path, engine: Adapter) -> None:
        self.folder, self.package = folder, engine.package
        self.suffix: str = engine.package.serialization.SUFFIX

    def paths(self) -> list[Path]:
        """Those that are there, in the order of their steps."""
        return written(self.folder, self.suffix)

    def save(self, state: Mapping[str, Any]) -> None:
        """Write a checkpoint, and then remove all but the last two, and what a kill left over.

        Raises OSError, with all that was there still there.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.package.save(state, self.folder / f"step-{state['step']:06}{self.suffix}")
        for path in (*self.paths()[:-KEPT], *self.folder.glob(".step-*")):
            path.unlink()

    def load(self) -> dict[str, Any] | None:
        """The newest one, or None where there is none.

        Raises ValueError for a damaged one, which says from which one to go on instead.
        """
        paths = self.paths()
        if not paths:
            return None
        newest, *older = reversed(paths)
        try:
            return self._read(newest)
        except ValueError as error:
            whole = next(filter(self._is_whole, older), None)
            advice = (
                f"{whole.name} before it is whole: delete the damaged one to go on from there"
                if whole
                else "no other is whole: begin anew in another folder"
            )
            raise ValueError(f"{newest} is damaged; {advice}") from error

    def _is_whole(self, path: Path) -> bool:
        try:
            self._read(path)
        except ValueError:
            return False
        return True

    def _read(self, path: Path) -> dict[str, Any]:
        state: dict[str, Any] = self.package.load(path)
        return state


def written(folder: Path, suffix: str = "") -> list[Path]:
    """The checkpoints in a folder, of any engine or those with its suffix, by their steps."""
    return sorted(folder.glob(f"step-*{suffix}"), key=step_of)


def step_of(path: Path) -> int:
    """The step that a checkpoint's name has in it."""
    match = re.search(r"\d+", path.name)
    return int(match.group()) if match else 0


def difference(state: Mapping[str, Any], task: Task) -> str:
    """In what a checkpoint is not of this task and its settings; "" if it is."""
    wanted = {**task.fingerprint(), **task.settings.decisive()}
    found = {**state["task"], **state["settings"]}
    for name in (*wanted, *found):
        old, new = (repr(each[name]) if name in each else "none" for each in (found, wanted))
        if old != new:
            short = len(old) + len(new) < 80
            return f"{name} {old}, not {new}" if short else f"other {name}"
    return ""
