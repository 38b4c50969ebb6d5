"""Read IDX, MNIST's file format: a magic number, the length of each axis, then bytes."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Magic numbers: two zero bytes, 8 for unsigned bytes, the number of axes.
IMAGES = 0x00000803
LABELS = 0x00000801

TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def images(path: Path) -> Array:
    """The images in an IDX file, plain or gzipped. (N, height, width), bytes."""
    return _array(path, IMAGES, "images")


def labels(path: Path) -> Array:
    """The labels in an IDX file, plain or gzipped. (N,), bytes of 0 to 9."""
    found = _array(path, LABELS, "labels")
    if found.max() > 9:
        raise ValueError(f"{path} holds the label {found.max()}; digits are 0 to 9")
    return found


def mnist(folder: Path) -> tuple[Array, Array, Array, Array]:
    """Training images and labels, then test images and labels, from the four files in a folder.

    Files have MNIST's names, with or without .gz. Raises ValueError for a damaged file and for
    counts or sizes that do not match, OSError if a file cannot be read.
    """
    found = []
    for image_name, label_name in (TRAIN, TEST):
        image_path, label_path = _file(folder, image_name), _file(folder, label_name)
        pictures, classes = images(image_path), labels(label_path)
        if len(pictures) != len(classes):
            raise ValueError(
                f"{image_path} holds {len(pictures)} images, "
                f"but {label_path} holds {len(classes)} labels"
            )
        found += [pictures, classes]
    train, test = found[0], found[2]
    if train.shape[1:] != test.shape[1:]:
        raise ValueError(
            f"the images in {folder} are of two sizes: {_size(train)} for training, "
            f"{_size(test)} for testing"
        )
    return found[0], found[1], found[2], found[3]


def _file(folder: Path, name: str) -> Path:
    """The path of a file, with .gz if only that exists."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; MNIST's four files are expected there")
    raise FileNotFoundError(f"{folder} has neither {name} nor {name}.gz")


def _size(pictures: Array) -> str:
    return "×".join(map(str, pictures.shape[1:]))


def _array(path: Path, magic: int, what: str) -> Array:
    """The content of a file, which must be exactly as long as its header says."""
    axes = magic & 0xFF
    with open(path, "rb") as plain:
        packed = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        file = gzip.GzipFile(fileobj=plain) if packed else plain
        try:
            header = file.read(4 + 4 * axes)
            if header[:4] != struct.pack(">I", magic):
                raise ValueError(
                    f"{path} is no IDX file of {what}: "
                    f"it begins with 0x{header[:4].hex()}, not 0x{magic:08x}"
                )
            if len(header) < 4 + 4 * axes:
                raise EOFError
            shape = struct.unpack(f">{axes}I", header[4:])
            content = file.read()
        except EOFError:
            raise ValueError(f"{path} is truncated: it ends too early") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path} is damaged: {error}") from error
    size = math.prod(shape)
    if not size:
        raise ValueError(f"{path} holds no {what}: its axes are {shape} long")
    if len(content) != size:
        wrong = "truncated" if len(content) < size else "too long"
        raise ValueError(
            f"{path} is {wrong}: {len(content)} bytes of {what}, "
            f"where its header says {'×'.join(map(str, shape))} = {size}"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)
