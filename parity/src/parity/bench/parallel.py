"""Weak scaling: how much slower is a step in several processes, each with the work of one?

Three cases take turns, step by step: one process alone, while the others sleep; all processes, each
training for itself, which shows what they cost each other; and all processes in one training.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from ..engines import Adapter
from ..tasks.parallel import World
from ..tasks.presets import PRESETS
from ..tasks.text import Text, text_of
from ..tasks.tokenizers import Characters
from ..tasks.training import Training
from .timing import Spread, frozen, ratios

ALONE, BESIDE, TOGETHER = "one process", "several, each for itself", "several, one training"
TURNS = (ALONE, BESIDE, TOGETHER)


def measured(engine: Adapter, preset: str, world: World, rounds: int) -> dict[str, list[float]]:
    """Seconds per step for each of TURNS, one per round; every process gets the same numbers.

    preset: of the task text; its batch is that of one process. The first round is not counted.
    """
    own = Training(engine, _task(preset, 1))
    common = Training(engine, _task(preset, world.size), world=world)
    package: Any = engine.package
    seconds: dict[str, list[float]] = {turn: [] for turn in TURNS}
    with getattr(package, "keep_memory", nullcontext)(), frozen():
        for number in range(rounds + 1):
            for turn in TURNS:
                training = common if turn == TOGETHER else own
                batch = training.task.batch(number)
                taken = 0.0
                world.meet()
                if turn != ALONE or world.rank == 0:
                    started = time.perf_counter()
                    training.advance([batch])
                    taken = time.perf_counter() - started
                world.meet()
                slowest = max(world.gather(taken))
                if number:
                    seconds[turn].append(slowest)
    return seconds


def _task(preset: str, processes: int) -> Text:
    """The task text, with a batch of the preset's for each process."""
    chosen, text = PRESETS[preset], text_of("python")
    rows = chosen.settings.batch_size * processes
    settings = replace(chosen.settings, batch_size=rows)
    return Text(settings, chosen.sizes, text, Characters.of(text))


def compared(seconds: dict[str, list[float]]) -> Sequence[tuple[str, Spread, Spread]]:
    """For each turn the seconds per step, and their ratio to one process alone."""
    shares = ratios(seconds, ALONE)
    return [(turn, Spread.of(seconds[turn]), shares[turn]) for turn in TURNS]
