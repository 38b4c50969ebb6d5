"""Files that are there whole or not at all, whatever interrupts who writes them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

StrPath = str | os.PathLike[str]


def replace(path: StrPath, parts: Iterable[bytes]) -> None:
    """Write a file under another name first, and give it its own once all is on the disk.

    Raises OSError, which names the file, and leaves what was there before.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not (path.is_file() or path.is_dir()):  # os.replace refuses a folder
        raise FileExistsError(errno.EEXIST, "Not a file that can be replaced", os.fspath(path))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:  # KeyboardInterrupt too
        if isinstance(error, OSError):
            error.filename = os.fspath(path)  # the name that the user knows
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if hasattr(os, "O_DIRECTORY"):  # not on Windows, which has no fsync of a folder
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)  # the name
        finally:
            os.close(folder)


def dump(path: StrPath, value: Any) -> None:
    """Write a value as JSON that a reader, too, can follow. Raises OSError as replace does."""
    replace(path, [json.dumps(value, indent=1, ensure_ascii=False).encode()])
