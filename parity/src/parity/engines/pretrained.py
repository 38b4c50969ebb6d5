"""Exchange GPT-2 with transformers, in safetensors files, for engines that cannot read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from .. import files
from ..files import StrPath
from .adapter import Adapter, Array

MODEL = "model.safetensors"


def from_pretrained(engine: Adapter, folder: StrPath) -> Any:
    """The engine's GPT with the weights from a folder that transformers wrote."""
    return engine.package.gpt.GPT.from_pretrained(folder, state=arrays(folder))


def arrays(folder: StrPath) -> dict[str, Array]:
    """The arrays in a folder's model.safetensors; raises ValueError if NumPy cannot hold them."""
    path = Path(folder) / MODEL
    try:
        found = dict(safetensors.numpy.load_file(path))
    except (safetensors.SafetensorError, TypeError) as error:  # TypeError: NumPy has no bfloat16
        raise ValueError(f"{path} cannot be read: {error}") from error
    for array in found.values():
        if array.dtype.kind not in "biuf":  # of ml_dtypes, which JAX imports
            raise ValueError(f"{path} cannot be read: NumPy has no {array.dtype}")
    return found


def save_pretrained(engine: Adapter, model: Any, folder: StrPath) -> None:
    """Write the engine's GPT to a folder that transformers can read."""
    model.save_pretrained(folder)
    written = Path(folder) / f"model{engine.package.serialization.SUFFIX}"
    if written.name != MODEL:
        state = engine.package.load(written)
        data = safetensors.numpy.save(
            {name: np.array(numbers) for name, numbers in state.items()}, {"format": "pt"}
        )
        files.replace(Path(folder) / MODEL, [data])
        written.unlink()
