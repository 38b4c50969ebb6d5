"""A graph of ops, which can run on any engine, and be printed as a program."""

from __future__ import annotations

import functools
import itertools
import string
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..engines import Adapter
from ..engines.adapter import Array
from ..spec.case import transform

PROGRAM = """from numpy import array
from numpy.testing import assert_allclose

from parity import engines
from parity.fuzz import ops_of


def graph(engine, dtype):
    ops = ops_of(engine)
    {body}


got = graph(engines.load("{engine}"), "{dtype}")
want = graph(engines.load("torch"), "float64")
assert (got.shape, got.dtype) == (want.shape, "{kind}"), (got.shape, got.dtype)
assert_allclose(got, want, rtol=0, atol={tolerance})
"""
_made = itertools.count()  # numbers values: parents have lower numbers than their children


@dataclass(eq=False)
class Step:
    """A call of an op; its arguments may hold Values, also inside lists and tuples."""

    op: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Value:
    """A leaf, or an output of a step.

    array: its numbers, by torch in float64. live: whether it requires a gradient. item: which of
    the step's outputs it is, if there are several.
    """

    def __init__(
        self, array: Array, live: bool, step: Step | None = None, item: int | None = None
    ) -> None:
        self.array, self.live, self.step, self.item = array, live, step, item
        self.number = next(_made)

    @property
    def floating(self) -> bool:
        return self.array.dtype.kind == "f"

    @property
    def node(self) -> Value | Step:
        """What is computed as a whole: the step, or the leaf itself."""
        return self.step or self


@dataclass(eq=False)
class Graph:
    """An output with everything that it depends on, and its cotangent."""

    output: Value
    cotangent: Array

    @functools.cached_property
    def nodes(self) -> list[Value | Step]:
        return nodes_before(self.output)

    @property
    def leaves(self) -> list[Value]:
        """The leaves that require a gradient."""
        return [node for node in self.nodes if isinstance(node, Value) and node.live]

    def run(self, engine: Adapter, dtype: str) -> list[Array]:
        """The output's numbers, then the gradient of each leaf, or zeros if it has none."""
        tensors: dict[Value | Step, Any] = {}

        def tensor(value: Value) -> Any:
            made = tensors[value.node]
            return made if value.item is None else made[value.item]

        for node in self.nodes:
            if isinstance(node, Step):
                args, kwargs = transform(tensor, (node.args, node.kwargs), Value)
                tensors[node] = engine.call(node.op, *args, **kwargs)
            else:
                array = node.array.astype(dtype) if node.floating else node.array
                tensors[node] = engine.tensor(array, requires_grad=node.live)
        results = [engine.numpy(tensor(self.output))]
        if self.output.live:
            engine.backward(tensor(self.output), self.cotangent.astype(dtype))
            for leaf in self.leaves:
                gradient = engine.grad(tensors[leaf])
                results.append(np.zeros(leaf.array.shape, dtype) if gradient is None else gradient)
        return results

    def program(self, engine: str, dtype: str, wrong: int, tolerance: float) -> str:
        """A Python program that fails as long as result number wrong of run() is wrong."""
        names = dict(zip(self.nodes, _names(), strict=False))

        def text(value: Value) -> Text:
            return Text(names[value.node] + ("" if value.item is None else f"[{value.item}]"))

        lines = []
        for node, name in names.items():
            if isinstance(node, Step):
                args, kwargs = transform(text, (node.args, node.kwargs), Value)
                listed = [*map(repr, args), *(f"{key}={arg!r}" for key, arg in kwargs.items())]
                lines.append(f"{name} = ops.{node.op}({', '.join(listed)})")
            else:
                array = f"array({node.array.tolist()}{', dtype' if node.floating else ''})"
                grad = ", requires_grad=True" if node.live else ""
                lines.append(f"{name} = engine.tensor({array}{grad})")
        output = text(self.output)
        if wrong:
            lines.append(f"engine.backward({output}, array({self.cotangent.tolist()}, dtype))")
            lines.append(f"return engine.grad({names[self.leaves[wrong - 1]]})")
        else:
            lines.append(f"return engine.numpy({output})")
        body = "\n    ".join(lines)
        kind = dtype if wrong or self.output.floating else str(self.output.array.dtype)
        return PROGRAM.format(engine=engine, dtype=dtype, kind=kind, tolerance=tolerance, body=body)


def cut(graph: Graph, at: Value, leaf: Value) -> Graph:
    """The graph with a leaf instead of the value at."""
    made: dict[Step, Step] = {}

    def copied(value: Value) -> Value:
        if value.node is at.node and value.item == at.item:
            return leaf
        if value.step is None:
            return value
        if value.step not in made:
            args, kwargs = transform(copied, (value.step.args, value.step.kwargs), Value)
            made[value.step] = Step(value.step.op, args, kwargs)
        return Value(value.array, value.live, made[value.step], value.item)

    return Graph(copied(graph.output), graph.cotangent)


class Text(str):
    """Code whose repr is itself, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def nodes_before(output: Value) -> list[Value | Step]:
    """The leaves and the steps that a value depends on, parents first."""
    found: dict[Value | Step, int] = {}
    waiting = [output]
    while waiting:
        value = waiting.pop()
        if value.node not in found and value.step is not None:
            transform(waiting.append, (value.step.args, value.step.kwargs), Value)
        found.setdefault(value.node, value.number)
    return sorted(found, key=found.__getitem__)


def ops_of(engine: Adapter) -> SimpleNamespace:
    """The ops of an engine as functions."""
    return SimpleNamespace(**{op: functools.partial(engine.call, op) for op in engine.ops})


def _names() -> Iterator[str]:
    yield from string.ascii_lowercase
    yield from (f"v{number}" for number in itertools.count())
