"""Train one engine on a run of the spec, step by step."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np

from .. import corpus, engines
from ..engines import Adapter
from ..engines.adapter import converted
from ..engines.torch import load_state
from ..spec.case import Array
from ..spec.part import New
from ..spec.run import Run
from . import building, generation

PIECES = (3, 1, 2)  # lengths in which a text is read through a cache, before the rest


def initial(run: Run) -> dict[str, Array]:
    """The initial weights of a run by torch's names; tied weights are one array."""
    model = run.model(engines.load("torch").package)
    own = dict(model.named_parameters())
    drawn = run.weights({name: tuple(parameter.shape) for name, parameter in own.items()})
    arrays = {id(parameter): drawn[name] for name, parameter in own.items()}
    every = model.named_parameters(remove_duplicate=False)
    return {name: arrays[id(parameter)] for name, parameter in every}


class Training:
    """A run on an engine, starting from the weights in state.

    at_once: join the batches of a step into one, instead of accumulating their gradients.
    """

    def __init__(
        self, engine: Adapter, run: Run, dtype: str, state: dict[str, Array], at_once: bool = False
    ) -> None:
        self.engine, self.run, self.dtype, self.at_once = engine, run, dtype, at_once
        self.number, self.seconds = 0, list[float]()
        package = engine.package
        self.model = run.model(package)
        converted(engine, self.model, dtype)
        load_state(self.model, state)
        self.parameters = list(self.model.parameters())
        self.loss_of = self._made(run.loss, package.nn)
        self.optimizer = self._made(run.optimizer, package.optim, self.parameters)
        self.scheduler = self._made(run.scheduler, package.optim.lr_scheduler, self.optimizer)
        for module in self.model.modules():
            if isinstance(module, package.nn.Dropout):
                module.forward = partial(self._dropped, module)

    def step(self) -> float:
        """Take one step, and return the mean loss of its batches before it."""
        self.number += 1
        self.masks = 0
        batches = self._batches(self.number)
        started = time.perf_counter()
        self.optimizer.zero_grad()
        losses = []
        for batch in batches:
            loss = self._loss(*batch)
            share = self.engine.call("div", loss, len(batches)) if len(batches) > 1 else loss
            share.backward()
            losses.append(float(self.engine.numpy(loss)))
        self._made(self.run.clip, self.engine.package.nn.utils, self.parameters)
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()
        self.seconds.append(time.perf_counter() - started)
        return sum(losses) / len(losses)

    def evaluate(self) -> float:
        """The loss of the next batches in evaluation mode, without dropout."""
        self.model.eval()
        with self.engine.package.no_grad():
            losses = [self._loss(*batch) for batch in self._batches(self.number + 1)]
        return sum(float(self.engine.numpy(loss)) for loss in losses) / len(losses)

    def logits(self, cached: bool) -> Array:
        """A GPT's logits for the next inputs, read at once or, with a cache, in parts."""
        self.model.eval()
        ((inputs, _),) = self._batches(self.number + 1)
        rest = inputs.shape[1] - sum(PIECES)
        parts = (*PIECES, rest) if cached else (inputs.shape[1],)
        return generation.logits(self.engine, self.model, inputs, parts, use_cache=cached)

    def text(self, use_cache: bool = True) -> str:
        """The prompt and its likeliest continuation."""
        self.model.eval()
        prompt = self.engine.tensor(corpus.encode(self.run.prompt)[None])
        ids = self.model.generate(prompt, self.run.new_tokens, use_cache=use_cache)
        return corpus.decode(self.engine.numpy(ids)[0])

    def gradients(self) -> dict[str, Array | None]:
        return {name: self.engine.grad(p) for name, p in self.model.named_parameters()}

    def weights(self) -> dict[str, Array]:
        return {name: self.engine.numpy(p) for name, p in self.model.named_parameters()}

    def _made(self, new: New | None, space: Any, *first: Any) -> Any:
        """The engine's object for a New, from a module such as its nn; None for None."""
        return building.arguments(self.engine, new, self.dtype, space, *first)

    def _batches(self, step: int) -> list[tuple[Array, ...]]:
        batches: list[tuple[Array, ...]] = list(self.run.batches(step))
        if self.at_once:
            batches = [tuple(np.concatenate(parts) for parts in zip(*batches, strict=True))]
        return batches

    def _loss(self, *batch: Array) -> Any:
        inputs, targets = (building.tensor(self.engine, array, self.dtype) for array in batch)
        if self.loss_of is None:
            return self.model(inputs, targets)[1]
        return self.loss_of(self.model(inputs), targets)

    def _dropped(self, module: Any, x: Any) -> Any:
        """Replace Dropout.forward: in training, multiply by the spec's mask."""
        if not module.training:
            return type(module).forward(module, x)
        self.masks += 1
        shape = self.engine.numpy(x).shape
        mask = self.run.mask(self.number, self.masks, shape, module.p)
        return self.engine.call("mul", x, building.tensor(self.engine, mask, self.dtype))
