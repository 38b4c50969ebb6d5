"""Files of the user's, with one sentence for what goes wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ... import files


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """The file, open; an OSError then names it in one sentence."""
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise _said(error, f"cannot read {path}") from error


def write(path: Path, parts: Iterable[bytes]) -> None:
    """Write the file whole or not at all; an OSError names it in one sentence."""
    if path.is_dir():  # or it would be said only when all is written
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    try:
        files.replace(path, parts)
    except OSError as error:
        raise _said(error, f"cannot write {path}") from error


def make(folder: Path) -> None:
    """Make the folder, and those that it is in, where they are not yet there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _said(error, f"cannot write to {folder}") from error


def _said(error: OSError, what: str) -> OSError:
    """The same error with a sentence for people."""
    return type(error)(f"{what}: {error.strerror or error}")
