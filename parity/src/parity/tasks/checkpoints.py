"""The checkpoints of one engine's training: the last two, so that one is always whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..engines import Adapter
from .settings import Settings
from .task import Task

KEPT = 2
PARTS = {  # of Training.state_dict
    "task",
    "settings",
    "engine",
    "step",
    "model",
    "optimizer",
    "scheduler",
    "random",
    "history",
}


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

        Raises OSError, which names the file, with all that was there still there.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step-{state['step']:06}{self.suffix}"
        try:
            self.package.save(state, path)
        except OSError as error:
            error.filename = str(path)  # not the name under which it was written at first
            raise
        for old in (*self.paths()[:-KEPT], *self.folder.glob(".step-*")):
            old.unlink()

    def load(self) -> dict[str, Any] | None:
        """The newest one, or None where there is none.

        Raises ValueError for a damaged one, which says from which one to go on instead.
        """
        paths = self.paths()
        if not paths:
            return None
        newest, *older = reversed(paths)
        try:
            return read(self.package, newest)
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
            read(self.package, path)
        except ValueError:
            return False
        return True


def read(package: Any, path: Path) -> dict[str, Any]:
    """What a checkpoint holds, by the package of the engine that wrote it.

    Raises OSError or ValueError, in one sentence, for what is none or is damaged.
    """
    state = package.load(path)
    if not isinstance(state, dict) or not PARTS <= state.keys():
        raise ValueError(f"{path} is not a checkpoint of a training")
    return state


def written(folder: Path, suffix: str = "") -> list[Path]:
    """The checkpoints in a folder, of any engine or those with its suffix, by their steps."""
    return sorted(folder.glob(f"step-*{suffix}"), key=step_of)


def step_of(path: Path) -> int:
    """The step that a checkpoint's name has in it."""
    match = re.search(r"\d+", path.name)
    return int(match.group()) if match else 0


def difference(state: Mapping[str, Any], task: Task, settings: Settings) -> str:
    """In what a checkpoint is not of this task and these settings; "" if it is."""
    wanted = {**task.fingerprint(), **settings.decisive()}
    found = {**state["task"], **state["settings"]}
    for name in (*wanted, *found):
        old, new = (repr(each[name]) if name in each else "none" for each in (found, wanted))
        if old != new:
            short = len(old) + len(new) < 80
            return f"{name} {old}, not {new}" if short else f"a different {name}"
    return ""
