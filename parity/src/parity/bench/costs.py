"""What an op or a training step costs besides time: some costs are counted, some follow a formula.

A formula says what any engine must do at least. A share of the machine's speed is therefore a share
of the necessary work, not of the work that an engine happens to do.
"""

from __future__ import annotations

import functools
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..engines import Adapter
from ..environment import executor_kind
from .allocations import counting
from .ceilings import Ceilings


@dataclass(frozen=True)
class Cost:
    """The costs of a piece of work. None means unknown, or not well defined."""

    nodes: int | None = None  # of the graph that backward() goes through
    allocations: int | None = None  # of arrays
    launches: int | None = None  # of kernels
    given: int | None = None  # bytes of the arrays passed to kernels
    moved: int | None = None  # bytes of inputs, outputs and gradients, by formula
    flops: int | None = None  # multiplications and additions of matrix products, by formula
    memory: int | None = None  # peak bytes, in addition to what was in use before
    share: float | None = None  # of the roofline: the least time for moved and flops / time taken
    bound: str | None = None  # which of the two limits it: "moved" or "flops"


def counted(engine: Any, graph: Callable[[], Any], call: Callable[[], object]) -> Cost:
    """Count what call() allocates and launches, and the nodes of the graph that graph() records."""
    cost = Cost(nodes=nodes(graph()))
    memory: Any = getattr(engine.package, "memory", None)
    if hasattr(memory, "memory_stats"):  # cudagrad's allocator, whose API is torch.cuda's
        before = memory.memory_stats()
        memory.reset_peak_memory_stats()
        with engine.package.device.counting() as counts:
            call()
        after = memory.memory_stats()
        served = [stats["hits"] + stats["misses"] for stats in (before, after)]
        return replace(
            cost,
            allocations=served[1] - served[0],
            launches=counts.launches,
            given=counts.bytes,
            memory=after["peak_allocated"] - before["allocated"],
        )
    if not traceable(engine):
        return cost
    with counting() as counter:
        peak = _traced(call)
    return replace(cost, allocations=counter.count if _in_numpy(engine) else None, memory=peak)


def against_roofline(cost: Cost, engine: Adapter, dtype: str, seconds: float, c: Ceilings) -> Cost:
    """Add the share of the roofline, if the engine runs on the CPU, whose ceilings these are."""
    if executor_kind(engine) != "cpu" or not (cost.moved or cost.flops):
        return cost
    needed = {
        "moved": cost.moved / c.bandwidth(cost.moved) if cost.moved else 0.0,
        "flops": cost.flops / c.flops_a_second(dtype) if cost.flops else 0.0,
    }
    bound = max(needed, key=lambda name: needed[name])
    return replace(cost, share=needed[bound] / seconds, bound=bound)


def nodes(output: Any) -> int | None:
    """The number of nodes behind some tensors, without leaves; None if they do not show them."""
    found: dict[int, Any] = {}  # by id; holding the nodes keeps their ids from being reused
    waiting = []
    for tensor in _flat(output):
        if not hasattr(tensor, "grad_fn") and not hasattr(tensor, "parents"):
            return None
        waiting.append(getattr(tensor, "grad_fn", tensor))
    while waiting:
        node = waiting.pop()
        if id(node) not in found and (behind := list(_behind(node))):
            found[id(node)] = node
            waiting += behind
    return len(found)


def _behind(node: Any) -> Iterable[Any]:
    """The parents of a node, or of a torch function; none if it is a leaf."""
    functions = getattr(node, "next_functions", None)
    if functions is not None:
        return (function for function, _ in functions if function is not None)
    if hasattr(node, "edges"):  # micrograd's Values keep their parents in several forms
        return (parent for parent, _ in node.edges())
    return (parent for parent in getattr(node, "parents", ()) if parent is not None)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _flat(item)
    else:
        yield value


@functools.cache
def traceable(engine: Any) -> bool:
    """Whether tracemalloc sees an engine's memory: Python's and NumPy's, but not torch's."""
    return _traced(_negated(engine)) >= 1 << 14


@functools.cache
def _in_numpy(engine: Any) -> bool:
    """Whether an engine keeps its numbers in NumPy arrays."""
    call = _negated(engine)
    with counting() as counter:
        call()
    return counter.count > 0


def _negated(engine: Adapter) -> Callable[[], object]:
    tensor = engine.tensor(np.zeros(1 << 12, engine.dtypes[-1]))
    return lambda: engine.call("neg", tensor)


def _traced(call: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
