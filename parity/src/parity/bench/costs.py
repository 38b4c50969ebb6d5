"""What an op or a training step costs besides its time: counted, or by a formula where it says so.

A formula gives what must be done at least, by whatever engine: so a share of the machine's speed
is one of what is needed, not of what an engine happens to do.
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
    """nodes: recorded, that backward() goes through. allocations: of arrays. launches: of kernels.
    given: bytes of the arrays that kernels were given. moved: bytes read and written at least, by
    formula: inputs, outputs, gradients. flops: multiplications and additions of products, by
    formula. memory: bytes at the peak, on top of what there was before. share: of the roofline, the
    time in which this processor copies moved, or does flops, whichever is longer. bound: which of
    the two that is, moved or flops. None is what nobody can tell, or that is not well defined.
    """

    nodes: int | None = None
    allocations: int | None = None
    launches: int | None = None
    given: int | None = None
    moved: int | None = None
    flops: int | None = None
    memory: int | None = None
    share: float | None = None
    bound: str | None = None


def counted(engine: Any, graph: Callable[[], Any], call: Callable[[], object]) -> Cost:
    """What a call allocates and launches, and the nodes of the graph that another one records."""
    cost = Cost(nodes=nodes(graph()))
    memory: Any = getattr(engine.package, "memory", None)
    if hasattr(memory, "memory_stats"):  # an allocator of its own, in torch.cuda's words
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
    """The cost with its share of the roofline, if the processor that was measured ran it."""
    if executor_kind(engine) != "cpu" or not (cost.moved or cost.flops):
        return cost
    needed = {
        "moved": cost.moved / c.bandwidth(cost.moved) if cost.moved else 0.0,
        "flops": cost.flops / c.flops_a_second(dtype) if cost.flops else 0.0,
    }
    bound = max(needed, key=lambda name: needed[name])
    return replace(cost, share=needed[bound] / seconds, bound=bound)


def nodes(output: Any) -> int | None:
    """Of the graph behind some tensors, without leaves; None of tensors that do not show it."""
    found: dict[int, Any] = {}  # kept, lest another takes the place of one that is gone
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
    """What a node of ours, or a function of torch's, was made of; nothing if it is a leaf."""
    functions = getattr(node, "next_functions", None)
    if functions is not None:
        return (function for function, _ in functions if function is not None)
    if hasattr(node, "edges"):  # of micrograd, whose Values keep their parents in several forms
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
    """Whether tracemalloc sees an engine's memory: not where its own code allocates it."""
    return _traced(_negated(engine)) >= 1 << 14


@functools.cache
def _in_numpy(engine: Any) -> bool:
    """Whether it is NumPy that an engine's numbers lie in."""
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
