"""GPT-2 of transformers in any engine, and back: safetensors files for who cannot read them."""

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
    """The engine's GPT with the weights of a folder that transformers wrote."""
    return engine.package.gpt.GPT.from_pretrained(folder, state=arrays(folder))


def arrays(folder: StrPath) -> dict[str, Array]:
    """What model.safetensors of a folder holds, by name; raises ValueError if NumPy cannot."""
    path = Path(folder) / MODEL
    try:
        return dict(safetensors.numpy.load_file(path))
    except (safetensors.SafetensorError, TypeError) as error:  # NumPy's, for bfloat16
        raise ValueError(f"{path} cannot be read: {error}") from error


def save_pretrained(engine: Adapter, model: Any, folder: StrPath) -> None:
    """Write the engine's GPT to a folder that transformers reads, from model.json if need be."""
    model.save_pretrained(folder)
    written = Path(folder) / f"model{engine.package.serialization.SUFFIX}"
    if written.name != MODEL:
        state = engine.package.load(written)
        data = safetensors.numpy.save(
            {name: np.array(numbers) for name, numbers in state.items()}, {"format": "pt"}
        )
        files.replace(Path(folder) / MODEL, [data])
        written.unlink()
