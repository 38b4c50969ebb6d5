"""GPTs for the task text, from one for a scalar engine to one for a GPU."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .settings import Settings


@dataclass(frozen=True)
class Preset:
    """A model, and settings that train it well."""

    sizes: dict[str, Any]  # arguments of GPTConfig
    settings: Settings


SMALL = Settings(
    1000, 16, lr=3e-3, schedule="cosine", warmup=50, clip=1.0, eval_every=100, checkpoint_every=100
)
CPU = Settings(
    steps=2000,
    batch_size=12,
    lr=2e-3,
    weight_decay=0.1,
    schedule="cosine",
    warmup=100,
    clip=1.0,
    eval_every=250,
    checkpoint_every=250,
)
PRESETS = {
    "tiny": Preset(
        {"n_layer": 1, "n_head": 2, "n_embd": 16, "block_size": 8},
        # micrograd's dtype: in float32 the other engines' losses would drift away from its.
        replace(SMALL, steps=200, batch_size=4, lr=1e-2, warmup=20, dtype="float64"),
    ),
    "small": Preset({"n_layer": 2, "n_head": 4, "n_embd": 64, "block_size": 32}, SMALL),
    "cpu": Preset({"n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": 64}, CPU),
    "baby": Preset(
        {"n_layer": 6, "n_head": 6, "n_embd": 384, "block_size": 256, "dropout": 0.2},
        replace(CPU, steps=5000, batch_size=64, lr=1e-3),
    ),
}
