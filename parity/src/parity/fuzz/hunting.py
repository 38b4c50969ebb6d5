"""Makes graphs until an engine is wrong on one, and then that one as small as it gets."""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, assume, given, seed, settings
from hypothesis import strategies as st

from ..engines import Adapter
from .arguments import arguments
from .drawing import GRIDS, Drawing, numbers
from .graph import Graph, Step, Value, cut, nodes_before, replaced
from .judging import Failure, judge

STEPS = 8
BATCH = 50  # graphs that are made from one seed


@dataclass
class Hunt:
    """How many graphs an engine was right on, how often they had each op, and what was wrong."""

    graphs: int = 0
    ops: Counter[str] = field(default_factory=Counter)
    failure: Failure | None = None


@st.composite
def graphs(draw: st.DrawFn, ops: Sequence[str]) -> Graph:
    """The largest graph that a few calls of the named ops make."""
    drawing = Drawing(draw)
    outputs: list[Value] = []
    for _ in range(STEPS - draw(st.integers(0, STEPS - 1))):
        op = drawing.choice(ops)
        outputs += drawing.step(op, arguments(op, drawing))
    assume(outputs)
    output = max(outputs, key=lambda value: (value.live, len(nodes_before(value))))
    return Graph(output, drawing.numbers(output.array.shape))


def hunt(engine: Adapter, ops: Sequence[str], seeds: Iterable[int]) -> Hunt:
    """Judge an engine on graphs of the named ops, BATCH of them for each seed."""
    found = Hunt()

    def holds(graph: Graph) -> None:
        for dtype in engine.dtypes:
            if failure := judge(graph, engine, dtype):
                found.failure = failure
                raise AssertionError(failure.complaint)
        if found.failure is None:  # not what hypothesis tries in search of a smaller failure
            found.graphs += 1
            found.ops.update(node.op for node in graph.nodes if isinstance(node, Step))

    for each in seeds:
        shuffled = random.Random(each).sample(ops, len(ops))  # hypothesis prefers the first
        with contextlib.suppress(AssertionError):
            seed(each)(_quietly(given(graphs(shuffled))(holds)))()
        if found.failure is not None:
            found.failure = smallest(found.failure)
            break
    return found


def seeds(start: int, seconds: float, each_second: Callable[[], object]) -> Iterator[int]:
    """Seeds for so many seconds, the same ones for the same start."""
    begun, told = time.monotonic(), 0
    for batch in itertools.count():
        spent = time.monotonic() - begun
        for _ in range(told, int(spent)):
            each_second()
        told = int(spent)
        if spent > seconds:
            return
        yield start * 10**6 + batch


_quietly = settings(
    max_examples=BATCH,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
    verbosity=Verbosity.quiet,
)


def smallest(failure: Failure) -> Failure:
    """The failure that is left when no step can be left out: hypothesis may have left a few."""
    for graph in _smaller(failure.graph):
        if found := judge(graph, failure.engine, failure.dtype):
            return smallest(found)
    return failure


def _smaller(graph: Graph) -> Iterator[Graph]:
    """The graph up to each value in it, then with a leaf in the place of each."""
    inner: list[Value] = []
    for node in graph.nodes:
        if isinstance(node, Step):
            replaced(inner.append, (node.args, node.kwargs))
    made = [value for value in inner if value.step is not None]
    for value in made:
        if value.live:
            yield Graph(value, numbers(np.random.default_rng(0), value.array.shape))
    for value in made:
        short = np.round(value.array * GRIDS[0]) / GRIDS[0] if value.floating else value.array
        for array in (short, value.array):
            yield cut(graph, value, Value(array, value.live))
