"""Real text that needs no download: the help topics that come with CPython, as characters.

The topics differ a little between Python versions, so losses are only comparable within one
version. describe() identifies the text.
"""

from __future__ import annotations

import functools
import hashlib
import platform
import re
from pydoc_data.topics import topics
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

ALPHABET = " abcdefghijklmnopqrstuvwxyz.,()-"  # fixed, so a model has the same size in every Python
SIZE = 65536


@functools.cache
def text() -> str:
    """SIZE characters of lower-case prose, all in ALPHABET, with single spaces."""
    prose = " ".join(topics[name] for name in sorted(topics)).lower()
    kept = re.sub(f"[^{re.escape(ALPHABET)}]+", " ", prose)
    return re.sub(" +", " ", re.sub("-{2,}|[.]{2,}", " ", kept))[:SIZE]


def encode(characters: str) -> Array:
    """The ids (int64) of characters of ALPHABET; raises ValueError for any other."""
    strange = sorted(set(characters) - set(ALPHABET))
    if strange:
        raise ValueError(f"not in the alphabet: {', '.join(map(repr, strange))}")
    return np.array([ALPHABET.index(character) for character in characters], np.int64)


def decode(ids: Array) -> str:
    return "".join(ALPHABET[i] for i in ids)


def windows(
    rng: np.random.Generator, characters: int, count: int, length: int
) -> tuple[Array, Array]:
    """Ids (count, length) from random places in the first characters, and the ids after each."""
    ids = encode(text()[:characters])
    return followed(ids, rng.integers(0, len(ids) - length, count), length)


def followed(ids: Array, starts: Array, length: int) -> tuple[Array, Array]:
    """The windows of ids at starts, and the ids that follow each id, both (starts, length)."""
    found = ids[starts[:, None] + np.arange(length + 1)]
    return found[:, :-1], found[:, 1:]


def describe() -> dict[str, Any]:
    """The source of the text, the Python version, its size and checksum."""
    return {
        "source": "pydoc_data.topics",
        "python": platform.python_version(),
        "characters": len(text()),
        "alphabet": ALPHABET,
        "sha256": hashlib.sha256(text().encode()).hexdigest(),
    }
