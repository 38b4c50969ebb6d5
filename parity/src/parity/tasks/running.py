"""Several engines train side by side: the same weights to begin with, the same batches."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol

from ..threads import pinned
from .checkpoints import Checkpoints
from .training import Training


def compared(trainings: Sequence[Training]) -> bool:
    """Whether there are several engines, which then have one thread each."""
    return len({training.engine.name for training in trainings}) > 1


class Watcher(Protocol):
    """Who is told how it goes."""

    def stepped(self, step: int, trainings: Sequence[Training], units: int) -> None:
        """A step is done, after which all engines together have trained on so many units more."""
        ...

    def evaluated(self, step: int, trainings: Sequence[Training]) -> None: ...


def run(
    trainings: Sequence[Training], checkpoints: Mapping[str, Checkpoints], watcher: Watcher
) -> None:
    """Train to the last step; checkpoints: of each by its name, or none at all.

    The engines take turns step by step: whatever else the machine does then slows all of them
    alike, and what each took for a step can be compared. Each has one thread then: where there are
    more, those of one library look for work while it is another's turn. Those that were interrupted
    later than others wait for them. Raises DivergedError where numbers are none, OSError if a
    checkpoint cannot be written; the ones before are then still there.
    """
    task = trainings[0].task
    settings = task.settings
    gc.freeze()  # else the collector walks all that was imported again and again, within the steps
    kept = ExitStack()
    for each in trainings:
        if hasattr(each.engine.package, "keep_memory"):
            kept.enter_context(each.engine.package.keep_memory())
    if compared(trainings):
        kept.enter_context(pinned(1))
    try:
        for number in range(min(each.step for each in trainings), settings.steps):
            step, first = number + 1, number * settings.accumulate
            batches = [task.batch(first + i) for i in range(settings.accumulate)]
            turn = [training for training in trainings if training.step == number]
            for training in turn:
                training.advance(batches)
            if settings.due(step, settings.eval_every):
                for training in turn:
                    training.evaluate()
                watcher.evaluated(step, turn)
            if settings.due(step, settings.checkpoint_every):
                for training in turn:
                    if training.name in checkpoints:
                        state = training.state_dict()
                        if training.world.rank == 0:
                            checkpoints[training.name].save(state)
            watcher.stepped(step, turn, len(turn) * sum(map(task.units, batches)))
    finally:
        kept.close()
        gc.unfreeze()
