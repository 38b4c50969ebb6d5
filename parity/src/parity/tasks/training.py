"""The training of a task on one engine: a model, an optimizer, and the history."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..engines import Adapter
from ..engines.adapter import converted
from .gradients import door, sum_gradients
from .parallel import ALONE, World, share
from .settings import Settings
from .task import Array, Task


class DivergedError(ArithmeticError):
    """A loss, a metric or a weight is not finite, so there is no point in continuing."""


@dataclass
class History:
    """What a training has measured so far."""

    losses: list[float] = field(default_factory=list)  # one per step
    seconds: list[float] = field(default_factory=list)  # one per step
    metrics: dict[int, dict[str, float]] = field(default_factory=dict)  # by step, if evaluated

    def state_dict(self) -> dict[str, Any]:
        numbers = {"losses": np.array(self.losses), "seconds": np.array(self.seconds)}
        return {**numbers, "metrics": self.metrics}

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> History:
        losses, seconds = (np.asarray(state[name]).tolist() for name in ("losses", "seconds"))
        return cls(losses, seconds, state["metrics"])


class Training:
    """A task being trained on one engine, from weights that are the same for every engine.

    settings: by default the task's. name: by default the engine's, or what tells it from another
    training on the same. world: the processes that share every batch. step: the number done so far.
    """

    def __init__(
        self,
        engine: Adapter,
        task: Task,
        settings: Settings | None = None,
        name: str | None = None,
        world: World = ALONE,
    ) -> None:
        self.world, self.door = world, door(engine, world)
        self.engine, self.task, self.step, self.history = engine, task, 0, History()
        self.settings, self.name = settings or task.settings, name or engine.name
        package, settings = engine.package, self.settings
        self.model = task.model(package)
        self.dtype = converted(engine, self.model, settings.dtype)
        parameters = dict(self.model.named_parameters())
        shapes = {name: engine.numpy(each).shape for name, each in parameters.items()}
        load_weights(engine, self.model, task.initial(shapes))
        optimizer = getattr(package.optim, settings.optimizer)
        decay = settings.weight_decay
        self.optimizer = optimizer(self.model.parameters(), lr=settings.lr, weight_decay=decay)
        self.scheduler = package.optim.lr_scheduler.LambdaLR(self.optimizer, settings.factor)
        package.manual_seed(settings.seed + world.rank)  # for dropout

    @property
    def metrics(self) -> dict[str, float]:
        """The latest metrics."""
        return self.history.metrics[max(self.history.metrics)]

    def advance(self, batches: Sequence[Sequence[Array]]) -> float:
        """Take one step with the gradients of all batches, and return their mean loss before it.

        Raises DivergedError if that is not finite, before any weight changes.
        """
        started = time.perf_counter()
        engine, clip = self.engine, self.settings.clip
        self.model.train()
        self.optimizer.zero_grad()
        losses = []
        for number, batch in enumerate(batches):
            rows, part = share(batch, number, self.world)
            if not part:
                continue
            loss = self.task.loss(engine, self.model, [engine.tensor(array) for array in rows])
            value = engine.numpy(loss)
            engine.backward(loss, np.full_like(value, part / len(batches)))
            losses.append(value.item() * part)
        found = np.array([sum(losses)], float)  # 0 in a process that has no rows
        self.world.sum(found)
        mean = found.item() / len(batches)
        if not math.isfinite(mean):
            raise DivergedError(f"{self.name}: the loss of step {self.step + 1} is not finite")
        if self.world.size > 1:
            sum_gradients(engine, self.model, self.door)
        if clip:
            engine.package.nn.utils.clip_grad_norm_(self.model.parameters(), clip)
        self.optimizer.step()
        self.scheduler.step()
        self.step += 1
        self.history.losses.append(mean)
        self.history.seconds.append(time.perf_counter() - started)
        return mean

    def evaluate(self) -> dict[str, float]:
        """Compute the task's metrics, and add them to the history.

        Raises DivergedError if one is not finite.
        """
        self.model.eval()
        with self.engine.package.no_grad():
            found = self.task.evaluate(self.engine, self.model)
        for name, value in found.items():
            if not math.isfinite(value):
                raise DivergedError(f"{self.name}: the {name} after step {self.step} is not finite")
        self.history.metrics[self.step] = found
        return found

    def closing(self) -> str:
        self.model.eval()
        with self.engine.package.no_grad():
            return self.task.closing(self.engine, self.model)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next steps depend on, and the history; all processes must call it.

        Raises DivergedError if a weight is not finite, as it is no use continuing from there.
        """
        for name, parameter in self.model.named_parameters():
            if not np.isfinite(self.engine.numpy(parameter)).all():
                raise DivergedError(f"{self.name}: {name} is not all finite after step {self.step}")
        return {
            "task": self.task.fingerprint(),
            "settings": self.settings.decisive(),
            "engine": self.engine.name,
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "random": self.world.gather(self.engine.package.get_rng_state()),
            "history": self.history.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same task, settings and engine.

        Raises ValueError if another number of processes wrote it.
        """
        if (processes := len(state["random"])) != self.world.size:
            raise ValueError(
                f"a training by {processes} processes does not go on with {self.world.size}"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.engine.package.set_rng_state(state["random"][self.world.rank])
        self.step, self.history = state["step"], History.of(state["history"])


def load_weights(engine: Adapter, model: Any, weights: Mapping[str, Array]) -> None:
    """Load weights into a model; a tied weight needs only one of its names."""
    # torch's load_state_dict takes tensors, not arrays.
    ours = all(isinstance(value, np.ndarray | list) for value in model.state_dict().values())
    state = {name: value if ours else engine.tensor(value) for name, value in weights.items()}
    model.load_state_dict(state, strict=False)
