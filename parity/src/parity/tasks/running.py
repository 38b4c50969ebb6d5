"""Train several engines side by side, from the same weights and on the same batches."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from typing import Protocol

from ..threads import pinned
from .checkpoints import Checkpoints
from .training import Training


def compared(trainings: Sequence[Training]) -> bool:
    """Whether several engines are compared, in which case each has one thread."""
    return len({training.engine.name for training in trainings}) > 1


class Watcher(Protocol):
    """Is told about the progress."""

    def stepped(self, step: int, trainings: Sequence[Training], units: int) -> None:
        """After each step; units: tokens or samples that it took, over all engines."""
        ...

    def evaluated(self, step: int, trainings: Sequence[Training]) -> None: ...


def run(
    trainings: Sequence[Training], checkpoints: Mapping[str, Checkpoints], watcher: Watcher
) -> None:
    """Train to the last step; checkpoints: by the name of the training, or empty.

    Engines take turns step by step, so that whatever else the machine does slows all of them alike,
    and times per step can be compared. Each has one thread then, as idle threads of one library
    would keep the cores busy during another's turn. Trainings that resume at a later step wait for
    the others. Raises DivergedError if a loss, a metric or a weight is not finite, OSError if a
    checkpoint cannot be written; earlier checkpoints stay.
    """
    task = trainings[0].task
    settings = task.settings
    gc.freeze()  # or the collector would walk everything imported during the steps
    kept = ExitStack()
    for each in trainings:
        kept.enter_context(getattr(each.engine.package, "keep_memory", nullcontext)())
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
