"""Save and load checkpoints: a file is written whole or not at all, and damage to it is noticed.

The file is JSON, with nested lists for tensors, and with its SHA-256 in the first line.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .engine import Value

__all__ = ["SUFFIX", "load", "save"]

StrPath = str | os.PathLike[str]

SUFFIX = ".json"
_START = '{"sha256": "'  # the checksum follows it
_BLANK = "0" * 64  # in place of the checksum while it is computed
_STATE = '",\n"state": '


def save(state: Any, path: StrPath) -> None:
    """Write state to a file, replacing what was there; if that fails, the old file stays.

    state: dicts with str or int keys, lists, tuples, str, numbers, bool and None, nested, with
    Values and parameters in them, or arrays: what has a tolist(). Raises TypeError with the path
    to anything else, OSError if the file cannot be written.
    """
    text = json.dumps(_encoded(state))
    data = f"{_START}{_BLANK}{_STATE}{text}}}\n".encode()
    at = len(_START)
    rest = memoryview(data)[at + len(_BLANK) :]
    replace_file(path, [data[:at], _checksum(data, at), rest])


def load(path: StrPath) -> Any:
    """What was saved to the file: nested lists of numbers for tensors, all else as it was.

    Raises FileNotFoundError if there is no file, ValueError if it is damaged.
    """
    data = Path(path).read_bytes()
    at = len(_START)
    if _checksum(data, at) != data[at : at + len(_BLANK)]:
        raise ValueError(f"{path} is damaged, or is not a file that micrograd.save wrote")
    return json.loads(data, object_hook=_decoded)["state"]


def replace_file(path: StrPath, parts: Iterable[bytes | memoryview]) -> None:
    """Write a file under a temporary name, and rename it once all of it is on the disk."""
    path = Path(os.path.realpath(path))
    if path.exists() and not (path.is_file() or path.is_dir()):  # os.replace refuses a folder
        raise FileExistsError(errno.EEXIST, "Not a file that can be replaced", os.fspath(path))
    if not path.parent.exists():
        raise FileNotFoundError(errno.ENOENT, "No such folder to write to", os.fspath(path.parent))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:  # KeyboardInterrupt too
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if hasattr(os, "O_DIRECTORY"):  # not on Windows, which has no fsync of a folder
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)  # puts the new name on the disk
        finally:
            os.close(folder)


def _encoded(state: Any) -> Any:
    """state in JSON's types; what JSON lacks is a dict with one key that starts with $."""
    whole = [state]
    waiting: list[tuple[Any, Any, str]] = [(whole, 0, "")]  # a list or dict, a key, its path
    while waiting:
        place, at, path = waiting.pop()
        value = place[at]
        if isinstance(value, Value):
            value = value.data
        if hasattr(value, "tolist"):
            value = value.tolist()
        if isinstance(value, (list, tuple)):
            items = list(value)
            waiting.extend((items, i, _below(path, i)) for i in range(len(items)))
            value = items if isinstance(value, list) else {"$tuple": items}
        elif isinstance(value, dict):
            for key in value:
                if not isinstance(key, (str, int)):
                    found = f"the key {key!r}, not a str or int"
                    raise TypeError(f"save: {path or 'state'} has {found}")
            if all(isinstance(key, str) and not key.startswith("$") for key in value):
                value = dict(value)
                waiting.extend((value, key, _below(path, key)) for key in value)
            else:
                pairs = [[key, item] for key, item in value.items()]
                waiting.extend((pair, 1, _below(path, pair[0])) for pair in pairs)
                value = {"$dict": pairs}
        elif value is not None and not isinstance(value, (bool, int, float, str)):
            kind = type(value).__name__
            kind += ": save its state_dict()" if hasattr(value, "state_dict") else ""
            raise TypeError(f"save: {path or 'state'} is of a kind that cannot be saved: {kind}")
        place[at] = value
    return whole[0]


def _below(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _decoded(mapping: dict[str, Any]) -> Any:
    match mapping:
        case {"$tuple": items}:
            return tuple(items)
        case {"$dict": items}:
            return dict(items)
    return mapping


def _checksum(data: bytes, at: int) -> bytes:
    """The SHA-256 of data in hexadecimal, computed with zeros in its own place, from at on."""
    digest = hashlib.sha256(data[:at])
    digest.update(_BLANK.encode())
    digest.update(memoryview(data)[at + len(_BLANK) :])
    return digest.hexdigest().encode()
