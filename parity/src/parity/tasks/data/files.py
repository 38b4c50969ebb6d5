"""Files are read with one sentence for what goes wrong, and written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """The file, open; an OSError then names it in one sentence."""
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise _said(error, f"cannot read {path}") from error


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of path once all is written; until then path is as it was."""
    if path.is_dir():  # or it would be said only when all is written
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        with open(unfinished, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        raise _said(error, f"cannot write {path}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def made(folder: Path) -> None:
    """Make the folder, and those that it is in, where they are not yet there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _said(error, f"cannot write to {folder}") from error


def _said(error: OSError, what: str) -> OSError:
    """The same error with a sentence for people."""
    return type(error)(f"{what}: {error.strerror or error}")
