"""The work items: one training step of a GPT on an engine, and on its rivals.

names: a scalar engine against the manner of microgpt. tiny, cpu: an engine of arrays against torch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .. import engines
from ..engines import Adapter
from .contestants import Batch, Contestant, Engine, Lists, Paused, Text
from .rivals import recursion
from .rows import Row
from .threads import pinned
from .timing import Spread, interleaved, ratios

NAMES = (
    *("emma", "olivia", "ava", "isabella", "sophia", "charlotte", "mia", "amelia", "harper"),
    *("evelyn", "abigail", "emily", "ella", "elizabeth", "camila", "luna", "sofia", "avery"),
)
BETWEEN = 26  # the token before and after a name; 0 to 25 are the letters
EPS = {"float64": 2.0**-52, "float32": 2.0**-23}
PAIRS = 15
APART = 2.0**14  # in eps: how far equal gradients may be from each other, for they sum in any order


@dataclass(frozen=True)
class Item:
    """A GPT and how it is trained; batch_size 0: a name at a time. block: steps that are timed
    together."""

    name: str
    config: Mapping[str, Any]
    batch_size: int
    optimizer: str
    lr: float
    clip: float
    dtype: str
    block: int

    def batch(self, number: int) -> Batch:
        if not self.batch_size:
            letters = [ord(letter) - ord("a") for letter in NAMES[number % len(NAMES)]]
            ids = np.array([[BETWEEN, *letters, BETWEEN]])
            return ids[:, :-1], ids[:, 1:]
        shape = self.batch_size, self.config["block_size"] + 1
        ids = np.random.default_rng(number).integers(self.config["vocab_size"], size=shape)
        return ids[:, :-1], ids[:, 1:]

    def weights(self) -> dict[str, Any]:
        """First weights by the names of the engines' gpt."""
        rng = np.random.default_rng(0)
        n, bias = self.config["n_embd"], self.config.get("bias", True)
        shapes: dict[str, tuple[int, ...]] = {}
        shapes["wte"], shapes["wpe"] = (
            (self.config["vocab_size"], n),
            (self.config["block_size"], n),
        )
        for layer in range(self.config["n_layer"]):
            parts: dict[str, tuple[int, ...]] = {
                "ln_1": (n,),
                "attn.c_attn": (3 * n, n),
                "attn.c_proj": (n, n),
                "ln_2": (n,),
                "mlp.c_fc": (4 * n, n),
                "mlp.c_proj": (n, 4 * n),
            }
            shapes |= {f"h.{layer}.{name}": shape for name, shape in parts.items()}
        shapes["ln_f"] = (n,)
        weights: dict[str, Any] = {}
        for name, shape in shapes.items():
            drawn = rng.normal(0.0, 0.08, shape) + (len(shape) == 1)
            weights[f"transformer.{name}.weight"] = drawn.astype(self.dtype)
            if bias and name not in ("wte", "wpe"):
                weights[f"transformer.{name}.bias"] = np.zeros(shape[0], self.dtype)
        return weights


ONE_LAYER: dict[str, Any] = {
    "vocab_size": 27,
    "block_size": 16,
    "n_layer": 1,
    "n_head": 4,
    "n_embd": 16,
}
ONE_LAYER |= {"bias": False, "norm": "rms_norm", "activation": "relu"}
TINY = {"vocab_size": 65, "block_size": 8, "n_layer": 4, "n_head": 4, "n_embd": 16}
CPU = {"vocab_size": 65, "block_size": 64, "n_layer": 4, "n_head": 4, "n_embd": 128}
SCALARS = (Item("names", ONE_LAYER, 0, "Adam", 1e-2, 0.0, "float64", block=5),)
ARRAYS = (
    Item("tiny", TINY, 1, "AdamW", 1e-3, 1.0, "float32", block=10),
    Item("cpu", CPU, 12, "AdamW", 1e-3, 1.0, "float32", block=1),
)


def items(engine: Adapter) -> tuple[Item, ...]:
    """What an engine is timed at."""
    return SCALARS if len(engine.dtypes) == 1 else ARRAYS


def contestants(item: Item, engine: Adapter) -> list[Contestant]:
    """The rival, the engine, and whatever else is worth comparing."""
    weights = item.weights()
    trained = partial(
        Engine,
        config=item.config,
        weights=weights,
        dtype=item.dtype,
        optimizer=item.optimizer,
        lr=item.lr,
        clip=item.clip,
    )
    if item in ARRAYS:
        return [trained(engines.load("torch")), trained(engine)]
    heads, package = item.config["n_head"], engine.package

    def leaf(number: float) -> Any:
        return package.Value(number, requires_grad=True)

    def adam(model: Any) -> Any:
        return package.optim.Adam(list(model.weights.values()), lr=item.lr)

    def recursive(model: Any) -> Any:
        return recursion.Adam(model.leaves(), item.lr)

    return [
        Text("microgpt's manner", weights, heads, recursion.Value, recursive),
        trained(engine),
        Paused(trained(engine)),
        Text(f"{engine.name}, sums of products", weights, heads, leaf, adam),
        Lists(weights, heads, item.lr),
    ]


def run(
    item: Item,
    engine: Adapter,
    pairs: int,
    collector: bool,
    threads: int = 1,
) -> list[Row]:
    """Time an engine at an item; raises ValueError if not all compute the same gradients."""
    with _deep(), pinned(threads):
        others = contestants(item, engine)
        rival = others[0].name
        apart = {each.name: difference(item, others[0], each) for each in others}
        for name, eps in apart.items():
            if not eps <= APART:
                raise ValueError(
                    f"{item.name}: {name} and {rival} differ by {eps:.3g} eps: not one step of one"
                    " model"
                )
        steps = {each.name: _step(item, each) for each in others}
        seconds = interleaved(steps, pairs, item.block, collector)
    shares = ratios(seconds, rival)
    return [
        Row(
            kind="steps",
            item=item.name,
            op="",
            engine=name,
            against=rival,
            phase="step",
            size=item.name,
            dtype=item.dtype,
            ratio=shares[name].median,
            low=shares[name].low,
            high=shares[name].high,
            seconds=Spread.of(taken).median,
            against_seconds=Spread.of(seconds[rival]).median,
            collector=collector,
            apart=apart[name],
        )
        for name, taken in seconds.items()
        if name != rival
    ]


def difference(item: Item, rival: Contestant, other: Contestant) -> float:
    """How far a contestant's loss and gradients are from the rival's, in eps, at worst."""
    batch = item.batch(0)
    (loss, grads), (own_loss, own) = rival.probe(batch), other.probe(batch)
    pairs = [(np.array(loss), np.array(own_loss)), *((grads[name], own[name]) for name in grads)]
    if own.keys() != grads.keys():
        raise ValueError(f"{item.name}: {other.name} and {rival.name} train other parameters")
    worst = [float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs]
    return float(np.max(worst)) / EPS[item.dtype]  # np's max, for which nan is largest


def _step(item: Item, contestant: Contestant) -> Callable[[int], float]:
    return lambda number: contestant.step(item.batch(number))


@contextmanager
def _deep() -> Iterator[None]:
    """Python's limit of recursion raised for the rival."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(recursion.DEPTH)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
