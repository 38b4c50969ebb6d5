"""The checkpoints of a training. The last two are kept, so that one is always intact."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..engines import Adapter
from .settings import Settings
from .task import Task

KEPT = 2
PARTS = {  # the keys of Training.state_dict
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
    """Files named after their step, in a folder that is created with the first."""

    def __init__(self, folder: Path, engine: Adapter) -> None:
        self.folder, self.package = folder, engine.package
        self.suffix: str = engine.package.serialization.SUFFIX

    def paths(self) -> list[Path]:
        """The existing checkpoints, ordered by step."""
        return written(self.folder, self.suffix)

    def save(self, state: Mapping[str, Any]) -> None:
        """Write a checkpoint, then remove all but the last two, and leftovers of a killed process.

        Raises OSError, which names the file, and leaves the earlier checkpoints alone.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step-{state['step']:06}{self.suffix}"
        try:
            self.package.save(state, path)
        except OSError as error:
            error.filename = str(path)  # instead of the temporary file's name
            raise
        for old in (*self.paths()[:-KEPT], *self.folder.glob(".step-*")):
            old.unlink()

    def load(self) -> dict[str, Any] | None:
        """The newest checkpoint, or None.

        Raises ValueError if it is damaged, and names the one to continue from instead.
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
                else "no other is whole: start again in another folder"
            )
            raise ValueError(f"{newest} is damaged; {advice}") from error

    def _is_whole(self, path: Path) -> bool:
        try:
            read(self.package, path)
        except ValueError:
            return False
        return True


def read(package: Any, path: Path) -> dict[str, Any]:
    """The state in a checkpoint; package: the engine that wrote it.

    Raises OSError or ValueError if the file is missing, damaged or no checkpoint.
    """
    state = package.load(path)
    if not isinstance(state, dict) or not PARTS <= state.keys():
        raise ValueError(f"{path} is not a checkpoint of a training")
    return state


def written(folder: Path, suffix: str = "") -> list[Path]:
    """The checkpoints in a folder ordered by step; suffix: only those of one engine."""
    return sorted(folder.glob(f"step-*{suffix}"), key=step_of)


def step_of(path: Path) -> int:
    """The step in a checkpoint's name."""
    match = re.search(r"\d+", path.name)
    return int(match.group()) if match else 0


def difference(state: Mapping[str, Any], task: Task, settings: Settings) -> str:
    """How a checkpoint differs from this task and these settings; empty if it does not."""
    wanted = {**task.fingerprint(), **settings.decisive()}
    found = {**state["task"], **state["settings"]}
    for name in (*wanted, *found):
        old, new = (repr(each[name]) if name in each else "none" for each in (found, wanted))
        if old != new:
            short = len(old) + len(new) < 80
            return f"{name} {old}, not {new}" if short else f"a different {name}"
    return ""
