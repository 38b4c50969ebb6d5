"""Continue a prompt with a trained GPT, given only a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import engines, models
from ..engines import Adapter
from ..engines.adapter import converted
from . import tokenizers
from .checkpoints import read, written
from .training import load_weights


def generate(
    path: Path, engine_name: str | None, prompt: str, tokens: int, sampling: Mapping[str, Any]
) -> str:
    """The prompt with up to tokens more tokens; the model may end the text earlier.

    path: a checkpoint, or a folder whose newest one is used. engine_name: by default, the engine
    that trained it. sampling: arguments of GPT.generate. Raises ValueError or OSError if there is
    no GPT at path, or if the prompt has no tokens or has characters that the model does not know.
    """
    path = newest(path, engine_name)
    state = read(reader(path).package, path)
    task = state["task"]
    if "tokenizer" not in task:
        raise ValueError(f"{path} is of the task {task['task']}, which writes no text")
    tokenizer = tokenizers.again(task["tokenizer"])
    end = task["end"]
    ids = list(tokenizer.encode(end + prompt))
    if not ids:
        raise ValueError("the model needs a text to continue: give one with --prompt")

    engine = engines.load(engine_name or state["engine"])
    model = models.gpt(engine.package, **task["model"])
    converted(engine, model, state["settings"]["dtype"])
    load_weights(engine, model, {k: np.asarray(v) for k, v in state["model"].items()})
    found = engine.numpy(model.generate(engine.tensor(np.array([ids])), tokens, **sampling))
    new = tokenizer.decode(found[0, len(ids) :].tolist())
    return prompt + (new.partition(end)[0] if end else new)


def newest(path: Path, engine_name: str | None) -> Path:
    """The checkpoint at a path: a file, or the newest in a folder or its engine's subfolder."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise FileNotFoundError(f"{path} does not exist")
    folders = [path, *(each for each in sorted(path.iterdir()) if each.is_dir())]
    found = {folder: paths[-1] for folder in folders if (paths := written(folder))}
    if not found:
        raise FileNotFoundError(f"there is no checkpoint in {path}")
    if engine_name and path / engine_name in found:
        return found[path / engine_name]
    if len(found) > 1:
        which = " or ".join(map(str, found))
        raise ValueError(f"several engines trained in {path}: say which, {which}")
    return next(iter(found.values()))


def reader(path: Path) -> Adapter:
    """The first engine that reads files with this suffix."""
    for name in engines.names():
        try:
            engine = engines.load(name)
        except ImportError:
            continue
        serialization = getattr(engine.package, "serialization", None)  # a rival may have none
        if serialization and serialization.SUFFIX == path.suffix:
            return engine
    raise ValueError(f"{path} is not a checkpoint that an engine here can read")
