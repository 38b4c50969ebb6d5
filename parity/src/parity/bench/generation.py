"""Time an engine and torch generating text with a GPT and its key-value cache."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import engines
from ..engines import Adapter
from ..threads import pinned
from .contestants import started
from .items import Array, Item
from .items import items as trained
from .rows import Row
from .timing import interleaved


def items(engine: Adapter) -> tuple[Item, ...]:
    """The models to time an engine on."""
    return tuple(item for item in trained(engine) if item.name in ("names", "cpu", "baby"))


def run(item: Item, engine: Adapter, pairs: int, threads: int = 1) -> list[Row]:
    """Time an engine: a prompt fills a quarter of the context, and two more quarters are generated.

    Raises ValueError if it does not generate the same tokens as torch.
    """
    assert item.sizes is not None
    quarter = item.sizes["block_size"] // 4
    prompt = np.random.default_rng(0).integers(item.sizes["vocab_size"], size=(1, quarter))
    rival = engines.load("torch")
    with pinned(threads):
        writers = {each.name: _writer(each, item, prompt) for each in (rival, engine)}
        texts = {name: write() for name, write in writers.items()}
        if not np.array_equal(texts[rival.name], texts[engine.name]):
            raise ValueError(f"{item.name}: {engine.name} and {rival.name} write other tokens")

        def call(write: Callable[[], Array]) -> Callable[[int], object]:
            return lambda number: write()

        calls = {name: call(write) for name, write in writers.items()}
        seconds = interleaved(calls, pairs, 1, collector=True)
    per_token = {name: [one / (2 * quarter) for one in taken] for name, taken in seconds.items()}
    return [
        Row.timed(
            per_token,
            engine.name,
            rival.name,
            kind="generation",
            item=item.name,
            op="",
            phase="token",
            size=item.name,
            dtype=item.dtype,
            collector=True,
            apart=0.0,
        )
    ]


def _writer(engine: Adapter, item: Item, prompt: Array) -> Callable[[], Array]:
    """A function that lets the engine's model continue the prompt."""
    model, ids = started(engine, item), engine.tensor(prompt)
    tokens = 2 * prompt.shape[1]
    return lambda: engine.numpy(model.generate(ids, tokens))
