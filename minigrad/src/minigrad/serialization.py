"""Save and load training state in one file, written whole or not at all, and checked for damage.

The file is a safetensors file, https://huggingface.co/docs/safetensors. Arrays are its tensors,
under dotted names; everything around them is JSON in its metadata, next to the file's SHA-256.
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

import numpy as np

from .engine import Tensor

__all__ = ["SUFFIX", "load", "save"]

Array = np.ndarray[Any, Any]
StrPath = str | os.PathLike[str]

SUFFIX = ".safetensors"
_MARK = b'"sha256":"'  # precedes the checksum in the metadata; in a text or a name, " is escaped
_BLANK = "0" * 64  # in place of the checksum while it is computed


def save(state: Any, path: StrPath) -> None:
    """Write state to a file, replacing what was there; if that fails, the old one stays.

    state: dicts with str or int keys, lists, tuples, str, numbers, bool and None, nested, with
    tensors and arrays of numbers in them. Raises TypeError with the path to anything else,
    OSError if the file cannot be written, ModuleNotFoundError if safetensors is missing.
    """
    tensors: dict[str, Array] = {}
    text = json.dumps(_encoded(state, "", tensors))
    data = library("save").numpy.save(tensors, {"sha256": _BLANK, "state": text})
    at = data.index(_MARK) + len(_MARK)
    rest = memoryview(data)[at + len(_BLANK) :]
    replace_file(path, [data[:at], _checksum(data, at), rest])


def load(path: StrPath) -> Any:
    """What was saved to the file, with NumPy arrays for tensors and Python's numbers for NumPy's.

    Raises FileNotFoundError if there is no file, ValueError if it is damaged,
    ModuleNotFoundError if safetensors is missing.
    """
    safetensors = library("load")
    data = Path(path).read_bytes()
    at = data.find(_MARK) + len(_MARK)
    if _checksum(data, at) != data[at : at + len(_BLANK)]:
        raise ValueError(f"{path} is damaged, or is not a file that minigrad.save wrote")
    del data  # as large as the arrays, which are read now
    with safetensors.safe_open(path, "numpy") as file:
        tensors = file.get_tensors()
        text = file.metadata()["state"]

    def decoded(mapping: dict[str, Any]) -> Any:
        match mapping:
            case {"$tensor": name}:
                return tensors[name]
            case {"$tuple": items}:
                return tuple(items)
            case {"$dict": items}:
                return dict(items)
        return mapping

    return json.loads(text, object_hook=decoded)


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
            os.fsync(folder)  # so that the new name is on the disk
        finally:
            os.close(folder)


def library(name: str) -> Any:
    """The package safetensors, needed only to read or write files."""
    try:
        import safetensors.numpy
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"minigrad.{name} needs the package safetensors: pip install safetensors",
            name="safetensors",
        ) from error
    return safetensors


def _encoded(value: Any, path: str, tensors: dict[str, Array]) -> Any:
    """value as JSON; what JSON cannot express becomes a dict with a single key that has a $."""
    if isinstance(value, Tensor):
        value = value.data
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.itemsize <= 8:
        name = path
        while name in tensors or name == "__metadata__":  # a key "a.b", and b in a dict a
            name += "'"
        tensors[name] = np.asarray(value, order="C")
        return {"$tensor": name}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        items = [_encoded(item, _below(path, i), tensors) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"$tuple": items}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, (str, int)):
                raise TypeError(f"save: {path or 'state'} has the key {key!r}, not a str or int")
        items = [[key, _encoded(item, _below(path, key), tensors)] for key, item in value.items()]
        plain = all(isinstance(key, str) and not key.startswith("$") for key in value)
        return dict(items) if plain else {"$dict": items}
    kind = f"array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
    kind += ": save its state_dict()" if hasattr(value, "state_dict") else ""
    raise TypeError(f"save: {path or 'state'} is of a kind that cannot be saved: {kind}")


def _below(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _checksum(data: bytes, at: int) -> bytes:
    """The SHA-256 of data in hexadecimal, computed with zeros in its own place, from at on."""
    digest = hashlib.sha256(data[:at])
    digest.update(_BLANK.encode())
    digest.update(memoryview(data)[at + len(_BLANK) :])
    return digest.hexdigest().encode()
