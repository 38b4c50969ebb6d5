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
    with saying(f"cannot read {path}"), open(path, "rb") as file:
        yield file


def write(path: Path, parts: Iterable[bytes]) -> None:
    """Write the file whole or not at all; an OSError names it in one sentence."""
    if path.is_dir():  # or it would be said only when all is written
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    with saying(f"cannot write {path}"):
        files.replace(path, parts)


def make(folder: Path) -> None:
    """Make the folder, and those that it is in, where they are not yet there."""
    with saying(f"cannot write to {folder}"):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def saying(what: str) -> Iterator[None]:
    """An OSError becomes the same with a sentence for people, which begins with what."""
    try:
        yield
    except OSError as error:
        raise type(error)(f"{what}: {error.strerror or error}") from error
