"""The contestants of a benchmark: all train the same model, from the same weights and data.

A batch is (inputs, targets). A contestant keeps its last loss until it has the next one, like a
loop in a script: a graph that backward() does not free then stays alive, and Python's garbage
collector has to look at it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np

from .. import engines
from ..engines import Adapter
from ..engines.adapter import converted
from ..tasks.training import load_weights
from .items import SCALARS, Array, Batch, Item, Weights
from .rivals import recursion
from .rivals.floor import Floor
from .rivals.gpt import Arrays
from .rivals.text import Model


class Contestant(Protocol):
    """One who trains; name is for people."""

    name: str

    def step(self, batch: Batch) -> float:
        """Train on a batch, and return its loss before the step."""
        ...

    def probe(self, batch: Batch) -> tuple[float, dict[str, Array]]:
        """The loss of a batch and the gradients by parameter, without training."""
        ...


def started(engine: Adapter, item: Item) -> Any:
    """The item's model on an engine, in its dtype and with its initial weights."""
    model = item.model(engine.package)
    converted(engine, model, item.dtype)
    load_weights(engine, model, item.weights())
    return model


class Engine:
    """An engine's own model and optimizer.

    unlike: how many of its first steps do more than the later ones.
    """

    unlike = 1  # makes the optimizer's state

    def __init__(self, engine: Adapter, item: Item) -> None:
        self.name, self.engine, self.item = engine.name, engine, item
        self.clip_grad_norm = engine.package.nn.utils.clip_grad_norm_
        self.model = started(engine, item)
        optimizer = getattr(engine.package.optim, item.optimizer)
        self.optimizer = optimizer(self.model.parameters(), lr=item.lr)
        self.carry_back, self.train = self._carried_back, self._trained

    def graph(self, batch: Batch) -> Any:
        """The loss tensor of a batch, ready for backward()."""
        return self.item.loss(self.engine, self.model, *map(self.engine.tensor, batch))

    def _carried_back(self, *batch: Any) -> Any:
        """The loss of tensors, whose gradients the parameters have then."""
        self.optimizer.zero_grad()
        loss = self.item.loss(self.engine, self.model, *batch)
        loss.backward()
        return loss

    def _trained(self, *batch: Any) -> Any:
        """The loss of tensors before a step of the optimizer."""
        loss = self._carried_back(*batch)
        if self.item.clip:
            self.clip_grad_norm(list(self.model.parameters()), self.item.clip)
        self.optimizer.step()
        return loss

    def step(self, batch: Batch) -> float:
        self.loss = self.train(*map(self.engine.tensor, batch))
        return float(self.engine.numpy(self.loss))

    def probe(self, batch: Batch) -> tuple[float, dict[str, Array]]:
        loss = float(self.engine.numpy(self.carry_back(*map(self.engine.tensor, batch))))
        grads = ((name, self.engine.grad(p)) for name, p in self.model.named_parameters())
        return loss, {name: grad for name, grad in grads if grad is not None}


class Graphed(Engine):
    """An engine that captures its step as a graph, and replays it."""

    unlike = 3  # two more are captured

    def __init__(self, engine: Adapter, item: Item) -> None:
        super().__init__(engine, item)
        graphed = engine.package.graph.graphed
        self.name = f"{engine.name}, graph"
        self.carry_back, self.train = graphed(self._carried_back), graphed(self._trained)

    def probe(self, batch: Batch) -> tuple[float, dict[str, Array]]:
        for _ in range(self.unlike):
            super().probe(batch)
        return super().probe(batch)


class Paused:
    """An engine that trains inside its collector_paused(), without the cyclic collector."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.name = engine, f"{engine.name}, collector_paused()"
        self.probe = engine.probe

    def step(self, batch: Batch) -> float:
        with self.engine.engine.package.collector_paused():
            return self.engine.step(batch)


class Text:
    """A GPT written as sums of products of scalars, which are an engine's or the rival's."""

    def __init__(self, name: str, weights: Weights, heads: int, leaf: Any, optimizer: Any) -> None:
        self.name = name
        self.model = Model({key: array.tolist() for key, array in weights.items()}, heads, leaf)
        self.optimizer = optimizer(self.model)

    def step(self, batch: Batch) -> float:
        loss = self._loss(batch)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(loss.data)

    def probe(self, batch: Batch) -> tuple[float, dict[str, Array]]:
        loss = float(self._loss(batch).data)
        grads = {}
        for name, rows in self.model.weights.items():
            leaves = np.array(rows, dtype=object)
            flat = [leaf.grad or 0.0 for leaf in leaves.flat]
            grads[name] = np.array(flat).reshape(leaves.shape)
        self.optimizer.zero_grad()
        return loss, grads

    def _loss(self, batch: Batch) -> Any:
        (tokens,), (targets,) = (ids.tolist() for ids in batch)
        loss = self.model.loss(tokens, targets)
        loss.backward()
        self.loss = loss
        return loss


class Lists:
    """No graph: forward and backward written by hand on lists of floats."""

    name = "plain lists, no graph"

    def __init__(self, weights: Weights, heads: int, lr: float) -> None:
        self.floor = Floor({key: array.tolist() for key, array in weights.items()}, heads, lr)

    def step(self, batch: Batch) -> float:
        (tokens,), (targets,) = (ids.tolist() for ids in batch)
        return self.floor.step(tokens, targets)

    def probe(self, batch: Batch) -> tuple[float, dict[str, Array]]:
        (tokens,), (targets,) = (ids.tolist() for ids in batch)
        loss, grads = self.floor.gradients(tokens, targets)
        return loss, {f"transformer.{name}": np.array(grad) for name, grad in grads.items()}


class Plain:
    """No graph: forward and backward written by hand in NumPy."""

    name = "plain NumPy, no graph"

    def __init__(self, item: Item) -> None:
        assert item.sizes is not None
        layers, heads = item.sizes["n_layer"], item.sizes["n_head"]
        self.arrays = Arrays(item.weights(), layers, heads, item.lr, item.clip)

    def step(self, batch: Batch) -> float:
        return self.arrays.step(*batch)

    def probe(self, batch: Batch) -> tuple[float, dict[str, Array]]:
        loss = self.arrays.gradients(*batch)
        return loss, {f"transformer.{name}": grad.copy() for name, grad in self.arrays.g.items()}


def keeps_memory(engine: Adapter) -> bool:
    """Whether an engine can keep its arrays' memory between steps."""
    return hasattr(engine.package, "keep_memory")


def contestants(item: Item, engine: Adapter) -> dict[str, Callable[[], Contestant]]:
    """The contestants by name, as functions that make them; the rival comes first."""
    if item.name not in [each.name for each in SCALARS]:
        torch = engines.load("torch")
        others: dict[str, Callable[[], Contestant]]
        others = {each.name: partial(Engine, each, item) for each in (torch, engine)}
        if hasattr(engine.package, "graph"):
            others[f"{engine.name}, graph"] = partial(Graphed, engine, item)
        if item.sizes is not None and keeps_memory(engine):
            others[Plain.name] = partial(Plain, item)
        return others
    assert item.sizes is not None
    first, heads, package = item.weights(), item.sizes["n_head"], engine.package

    def leaf(number: float) -> Any:
        return package.Value(number, requires_grad=True)

    def adam(model: Any) -> Any:
        return package.optim.Adam(list(model.weights.values()), lr=item.lr)

    def recursive(model: Any) -> Any:
        return recursion.Adam(model.leaves(), item.lr)

    rival, sums = "microgpt's manner", f"{engine.name}, sums of products"
    return {
        rival: partial(Text, rival, first, heads, recursion.Value, recursive),
        engine.name: partial(Engine, engine, item),
        f"{engine.name}, collector_paused()": lambda: Paused(Engine(engine, item)),
        sums: partial(Text, sums, first, heads, leaf, adam),
        Lists.name: partial(Lists, first, heads, item.lr),
    }
