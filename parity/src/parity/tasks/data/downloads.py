"""Download files into a cache, and check their checksums."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from ... import files

TIMEOUT = 30  # seconds without an answer


@dataclass(frozen=True)
class Source:
    """A file to download."""

    file: str  # its name in the cache
    urls: tuple[str, ...]  # tried in this order
    size: int
    sha256: str


def _mnist(name: str, size: int, sha256: str) -> Source:
    """One of MNIST's files: from PyTorch's mirror, or else from the CVDF's."""
    mirrors = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    return Source(name, tuple(mirror + name for mirror in mirrors), size, sha256)


SHAKESPEARE = Source(
    "tinyshakespeare.txt",
    ("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",),
    1_115_394,
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)
MNIST = (
    _mnist(
        "train-images-idx3-ubyte.gz",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    _mnist(
        "train-labels-idx1-ubyte.gz",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    _mnist(
        "t10k-images-idx3-ubyte.gz",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    _mnist(
        "t10k-labels-idx1-ubyte.gz",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)
SETS = {"shakespeare": (SHAKESPEARE,), "mnist": MNIST}


def fetch(name: str, folder: Path | None = None) -> tuple[Path, ...]:
    """The files of a set, "shakespeare" or "mnist"; those that are missing are downloaded.

    folder: by default the cache. Raises ValueError for an unknown name, OSError if a file cannot be
    written, ConnectionError if it cannot be downloaded intact; existing files stay as they are.
    """
    if name not in SETS:
        raise ValueError(f"no data {name!r}; there are {', '.join(SETS)}")
    folder = folder or cache()
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(_fetched(source, folder / source.file) for source in SETS[name])


def cache() -> Path:
    """The folder for downloads: PARITY_CACHE, or threegrad in the user's cache folder."""
    if chosen := os.environ.get("PARITY_CACHE"):
        return Path(chosen)
    # The XDG specification says to ignore a relative XDG_CACHE_HOME.
    users = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (users if users.is_absolute() else Path.home() / ".cache") / "threegrad"


def _fetched(source: Source, path: Path) -> Path:
    """Download the source to path, unless it is there already."""
    if path.exists() and not _wrong(source, path.read_bytes()):
        return path
    failures = []
    for url in source.urls:
        try:
            content = _downloaded(url, source.size)
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"{url} ({getattr(error, 'reason', None) or error})")
            continue
        if not (wrong := _wrong(source, content)):
            files.replace(path, [content])
            return path
        failures.append(f"{url} ({wrong})")
    raise ConnectionError(
        f"cannot download {source.file} from {' or '.join(failures)}: "
        "fetch it by other means, and say where it is with --data"
    )


def _downloaded(url: str, size: int) -> bytes:
    """The content at the URL, up to one byte more than expected."""
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        content: bytes = answer.read(size + 1)
        return content


def _wrong(source: Source, content: bytes) -> str:
    """What is wrong with the content; empty if nothing is."""
    if len(content) > source.size:
        return f"more than {source.size} bytes"
    if len(content) < source.size:
        return f"{len(content)} bytes instead of {source.size}"
    if hashlib.sha256(content).hexdigest() != source.sha256:
        return "its SHA-256 is wrong"
    return ""
