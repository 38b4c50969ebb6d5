"""Who takes part in a benchmark: each trains the same GPT, from the same weights, on the same data.

A batch is (inputs, targets), ids of shape (B, T). Gradients are compared before anything is timed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ..engines import Adapter
from .rivals.floor import Floor
from .rivals.text import Model

Array = np.ndarray[Any, Any]
Batch = tuple[Array, Array]
Weights = Mapping[str, Array]

TIED = "transformer.wte.weight"  # the table that also reads the logits off


class Contestant(Protocol):
    """name: for people. step: trains on a batch; the loss before it. probe: that loss and the
    gradients by the names of the weights, with nothing trained."""

    name: str

    def step(self, batch: Batch) -> float: ...

    def probe(self, batch: Batch) -> tuple[float, dict[str, Array]]: ...


class Engine:
    """An engine's own GPT and optimizer; clip: the largest norm of all gradients, 0 leaves them."""

    def __init__(
        self,
        engine: Adapter,
        config: Mapping[str, Any],
        weights: Weights,
        dtype: str,
        optimizer: str,
        lr: float,
        clip: float = 0.0,
    ) -> None:
        self.name, self.engine, self.clip = engine.name, engine, clip
        package = engine.package
        self.clip_grad_norm = package.nn.utils.clip_grad_norm_
        self.model = package.gpt.GPT(package.gpt.GPTConfig(**config))
        if len(engine.dtypes) > 1:  # an engine of one dtype has nothing to convert
            self.model.to(engine.tensor(np.zeros(1, dtype)).dtype)
        self.model.load_state_dict({**weights, "lm_head.weight": weights[TIED]})
        self.optimizer = getattr(package.optim, optimizer)(self.model.parameters(), lr=lr)

    def _loss(self, batch: Batch) -> Any:
        self.optimizer.zero_grad()
        _, loss = self.model(*map(self.engine.tensor, batch))
        loss.backward()
        return loss

    def step(self, batch: Batch) -> float:
        loss = self._loss(batch)
        if self.clip:
            self.clip_grad_norm(list(self.model.parameters()), self.clip)
        self.optimizer.step()
        return float(self.engine.numpy(loss))

    def probe(self, batch: Batch) -> tuple[float, dict[str, Array]]:
        loss = float(self.engine.numpy(self._loss(batch)))
        grads = ((name, self.engine.grad(p)) for name, p in self.model.named_parameters())
        return loss, {name: grad for name, grad in grads if grad is not None}


class Paused:
    """An engine that trains with Python's cyclic collector paused, as it offers to."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.name = engine, f"{engine.name}, collector_paused()"
        self.probe = engine.probe

    def step(self, batch: Batch) -> float:
        with self.engine.engine.package.collector_paused():
            return self.engine.step(batch)


class Text:
    """The GPT that is written as sums of products, on the scalars of an engine or of the rival."""

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
