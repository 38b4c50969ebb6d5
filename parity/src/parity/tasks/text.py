"""Text: a GPT learns to continue text, by characters or with another tokenizer."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import corpus, files
from ..engines import Adapter
from .data import downloads
from .language import Language, mean_loss
from .settings import Settings
from .task import Array
from .tokenizers import Tokenizer

WINDOWS = 256  # evaluated at most
SAMPLE = 200  # tokens to generate at the end


class Text(Language):
    """A batch has random windows of the text, except its last tenth, which is for validation.

    Raises ValueError if the text is too short for a window in both parts.
    """

    name = "text"

    def __init__(
        self, settings: Settings, sizes: dict[str, Any], text: str, tokenizer: Tokenizer
    ) -> None:
        super().__init__(settings, sizes, tokenizer, text)
        ids = np.array(tokenizer.encode(text), np.int64)
        self.training, self.validation = np.split(ids, [len(ids) * 9 // 10])
        self.context: int = sizes["block_size"]
        if len(self.validation) <= self.context:
            raise ValueError(
                f"the text is too short: its last tenth, for validation, has "
                f"{len(self.validation)} tokens, and a context is {self.context} and one more"
            )

    def batch(self, number: int) -> Sequence[Array]:
        rng = np.random.default_rng((self.settings.seed, number))
        starts = rng.integers(0, len(self.training) - self.context, self.settings.batch_size)
        return corpus.followed(self.training, starts, self.context)

    def evaluate(self, engine: Adapter, model: Any) -> dict[str, float]:
        """The loss on evenly spaced windows of the validation part, the same every time."""
        places = len(self.validation) - self.context
        count = min(WINDOWS, -(-places // self.context))
        starts = np.linspace(0, places - 1, count).astype(int)
        size = self.settings.batch_size
        parts = [starts[i : i + size] for i in range(0, count, size)]
        batches = [corpus.followed(self.validation, part, self.context) for part in parts]
        return {"validation loss": mean_loss(engine, model, batches)}

    def closing(self, engine: Adapter, model: Any) -> str:
        """What the model generates after the first token of the validation part."""
        prompt = engine.tensor(self.validation[None, :1])
        written = model.generate(prompt, SAMPLE, do_sample=True, seed=self.settings.seed)
        return self.tokenizer.decode(engine.numpy(written)[0, 1:].tolist())


def text_of(name: str) -> str:
    """A text by name: "python" comes with Python itself, "shakespeare" is downloaded once."""
    if name == "python":
        return corpus.text()
    (path,) = downloads.fetch(name)
    return read(path)


def read(path: Path) -> str:
    """The text of a file; raises OSError or ValueError if it has none."""
    try:
        text = files.utf8(path.read_bytes().removeprefix(codecs.BOM_UTF8))
    except ValueError as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    if not text:
        raise ValueError(f"{path} is empty")
    return text
