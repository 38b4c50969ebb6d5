"""Save and load for torch that, like the engines', write atomically and detect damage.

The file is torch.save's, a zip file, with its SHA-256 in the zip comment.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import files
from ..files import StrPath

SUFFIX = ".pt"
_LENGTH = (64).to_bytes(2, "little")  # of the comment; a zip file without one ends in two zeros


def save(state: Any, path: StrPath) -> None:
    """Write state to a file; if that fails, an existing file stays as it is.

    state: nested dicts with str or int keys, lists, tuples, str, numbers, bool, None, tensors and
    numeric arrays. Raises TypeError, with the path to it, for anything else; OSError if the file
    cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(_plain(state, ""), buffer)
    data = buffer.getvalue()[: -len(_LENGTH)] + _LENGTH
    files.replace(path, [data, _checksum(data)])


def load(path: StrPath) -> Any:
    """The saved state, with tensors for tensors and arrays.

    Raises FileNotFoundError if there is no file, ValueError if it is damaged.
    """
    data = Path(path).read_bytes()
    if _checksum(memoryview(data)[:-64]) != data[-64:]:
        raise ValueError(f"{path} is damaged, or is not a file that save wrote")
    return torch.load(io.BytesIO(data), weights_only=True)


def _plain(value: Any, path: str) -> Any:
    """Convert arrays to tensors, and refuse what load could not read."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()  # a view would be saved with all of its storage
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.itemsize <= 8:
        return torch.from_numpy(np.array(value, value.dtype.newbyteorder("=")))
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)  # a subclass such as an IntEnum could not be loaded
    if isinstance(value, (list, tuple)):
        items = [_plain(item, _below(path, i)) for i, item in enumerate(value)]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, (str, int)):
                raise TypeError(f"save: {path or 'state'} has the key {key!r}, not a str or int")
        return {key: _plain(item, _below(path, key)) for key, item in value.items()}
    found = f"array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
    raise TypeError(f"save: {path or 'state'} is of a kind that cannot be saved: {found}")


def _below(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _checksum(data: bytes | memoryview) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()
