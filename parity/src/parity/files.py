"""Write files atomically: an interrupted write leaves the old file, never half of the new one.

And read files that others hand in, with errors in words.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

StrPath = str | os.PathLike[str]


def replace(path: StrPath, parts: Iterable[bytes]) -> None:
    """Write a temporary file, and rename it once its content is on the disk.

    Raises OSError, which names the file, and leaves an existing file as it is.
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
            error.filename = os.fspath(path)  # instead of the temporary name
        with contextlib.suppress(OSError):  # it may not be there; the first error is what to tell
            os.unlink(temporary)
        raise
    if hasattr(os, "O_DIRECTORY"):  # not on Windows, which has no fsync of a folder
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)  # makes the rename durable
        finally:
            os.close(folder)


def dump(path: StrPath, value: Any) -> None:
    """Write a value as indented JSON; a missing folder is made. Raises OSError like replace."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    replace(path, [json.dumps(value, indent=1, ensure_ascii=False).encode()])


def load(path: StrPath, otherwise: str, check: Callable[[Any], object]) -> Any:
    """The JSON value in a file, once check has taken out of it what will be asked of it.

    Raises ValueError if it is not JSON, or check raises: the file's name, otherwise, and why.
    """
    try:
        value = json.loads(utf8(Path(path).read_bytes()))
        check(value)
        return value
    except (json.JSONDecodeError, RecursionError):
        why = "it is not JSON"
    except KeyError as error:
        why = f"it has no {error}"
    except (AttributeError, TypeError):
        why = "it is JSON of another form"
    except ValueError as error:
        why = str(error)
    raise ValueError(f"{path} {otherwise}: {why}")


def utf8(content: bytes) -> str:
    """The text of a file's content; raises ValueError if it is not UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        byte = content[error.start]
        raise ValueError(
            f"it is not UTF-8: there is the byte {byte:#04x} at {error.start}"
        ) from None
