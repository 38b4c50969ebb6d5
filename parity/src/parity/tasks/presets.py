"""GPTs for the task text, from what a scalar engine can do to what wants a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .settings import Settings


@dataclass(frozen=True)
class Preset:
    """sizes: arguments of GPTConfig; settings: how such a model is best trained."""

    sizes: dict[str, Any]
    settings: Settings


def sizes(
    n_layer: int, n_head: int, n_embd: int, block_size: int, dropout: float = 0.0
) -> dict[str, Any]:
    return locals()


PRESETS = {
    "tiny": Preset(
        sizes(1, 2, 16, block_size=8),
        Settings(
            300,
            4,
            lr=1e-2,
            schedule="cosine",
            warmup=20,
            clip=1.0,
            eval_every=100,
            dtype="float64",  # micrograd's: in float32 others' losses drift from it
        ),
    ),
    "small": Preset(
        sizes(2, 4, 64, block_size=32),
        Settings(1000, 16, lr=3e-3, schedule="cosine", warmup=50, clip=1.0, eval_every=100),
    ),
    "cpu": Preset(
        sizes(4, 4, 128, block_size=64),
        Settings(
            2000,
            12,
            lr=2e-3,
            schedule="cosine",
            warmup=100,
            weight_decay=0.1,
            clip=1.0,
            eval_every=250,
            checkpoint_every=250,
        ),
    ),
    "baby": Preset(
        sizes(6, 6, 384, block_size=256, dropout=0.2),
        Settings(
            5000,
            64,
            lr=1e-3,
            schedule="cosine",
            warmup=100,
            weight_decay=0.1,
            clip=1.0,
            eval_every=250,
            checkpoint_every=250,
        ),
    ),
}
