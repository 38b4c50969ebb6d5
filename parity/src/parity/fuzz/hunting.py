"""Draw graphs until an engine is wrong on one, then make that one as small as possible."""

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
from ..spec.case import transform
from .arguments import arguments
from .drawing import GRIDS, Drawing, numbers
from .graph import Graph, Step, Value, cut, nodes_before
from .judging import Failure, judge

STEPS = 8
BATCH = 50  # graphs drawn from one seed


@dataclass
class Hunt:
    """The result of fuzzing an engine."""

    graphs: int = 0  # on which the engine was right
    ops: Counter[str] = field(default_factory=Counter)  # how often each op was in them
    failure: Failure | None = None


@st.composite
def graphs(draw: st.DrawFn, ops: Sequence[str]) -> Graph:
    """The largest graph in a few random calls of these ops."""
    drawing = Drawing(draw)
    outputs: list[Value] = []
    for _ in range(STEPS - draw(st.integers(0, STEPS - 1))):
        op = drawing.choice(ops)
        outputs += drawing.step(op, arguments(op, drawing))
    assume(outputs)
    output = max(outputs, key=lambda value: (value.live, len(nodes_before(value))))
    return Graph(output, drawing.numbers(output.array.shape))


def hunt(engine: Adapter, ops: Sequence[str], seeds: Iterable[int]) -> Hunt:
    """Judge an engine on random graphs of these ops, BATCH for each seed."""
    found = Hunt()

    def holds(graph: Graph) -> None:
        for dtype in engine.dtypes:
            if failure := judge(graph, engine, dtype):
                found.failure = failure
                raise AssertionError(failure.complaint)
        if found.failure is None:  # after a failure, hypothesis only tries to shrink it
            found.graphs += 1
            found.ops.update(node.op for node in graph.nodes if isinstance(node, Step))

    for each in seeds:
        shuffled = random.Random(each).sample(ops, len(ops))  # as hypothesis prefers the first
        with contextlib.suppress(AssertionError):
            seed(each)(_quietly(given(graphs(shuffled))(holds)))()
        if found.failure is not None:
            found.failure = smallest(found.failure)
            break
    return found


def seeds(start: int, seconds: float, each_second: Callable[[], object]) -> Iterator[int]:
    """Yield seeds for this many seconds; the same start gives the same seeds."""
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
    """Drop steps until every one is needed, as hypothesis does not drop all it could."""
    for graph in _smaller(failure.graph):
        if found := judge(graph, failure.engine, failure.dtype):
            return smallest(found)
    return failure


def _smaller(graph: Graph) -> Iterator[Graph]:
    """Smaller graphs: up to each value, then with each value replaced by a leaf."""
    inner: list[Value] = []
    for node in graph.nodes:
        if isinstance(node, Step):
            transform(inner.append, (node.args, node.kwargs), Value)
    made = [value for value in inner if value.step is not None]
    for value in made:
        if value.live:
            yield Graph(value, numbers(np.random.default_rng(0), value.array.shape))
    for value in made:
        short = np.round(value.array * GRIDS[0]) / GRIDS[0] if value.floating else value.array
        for array in (short, value.array):
            yield cut(graph, value, Value(array, value.live))
