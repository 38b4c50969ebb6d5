"""Every op of the spec, timed on engines beside others: forward, and forward with backward."""

from __future__ import annotations

import functools
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import engines as registry
from ..checks.measure import EPS
from ..checks.reference import cotangent, transform, variable
from ..engines import Adapter
from .ceilings import Ceilings
from .rows import BOTH, FORWARD, Row
from .threads import pinned
from .timing import Spread, interleaved, ratios
from .workloads import Workload, workloads

APART = 2.0**13  # in eps: how far equal results may be from each other, for they sum in any order
PAIRS = 9
TURN = 2e-3  # seconds of one contestant's turn, if that is more than a call

Array = np.ndarray[Any, Any]


class Subject:
    """An op of an engine on tensors that are there already, and the gradient that comes back.

    Of several floating outputs the sum is carried back.
    """

    def __init__(self, engine: Adapter, work: Workload, inputs: Any, dtype: str) -> None:
        self.engine, self.work, self.dtype = engine, work, dtype
        self.leaves: list[Any] = []

        def tensor(array: Array) -> Any:
            needed = work.differentiable and variable(array)
            held = array.astype(dtype) if array.dtype.kind == "f" else array
            made = engine.tensor(held, requires_grad=needed)
            if needed:
                self.leaves.append(made)
            return made

        self.args, self.kwargs = transform(tensor, inputs)
        self.function, self.add = self._function(work.op.name), self._function("add")
        outputs = self.forward()
        several = outputs if isinstance(outputs, tuple) else (outputs,)
        self.outputs = [engine.numpy(output) for output in several]
        self.floating = [i for i, array in enumerate(self.outputs) if array.dtype.kind == "f"]
        self.nodes = [node for leaf in self.leaves for node in numbers(leaf)]
        self.carry: Callable[[Any], object] = lambda output: None
        if self.leaves:
            output = self._joined(outputs)
            exact = cotangent(work.case, 0, engine.numpy(output).shape)
            self.carry = self._back(output, exact.astype(dtype))
            self.both()
        grads = [engine.grad(leaf) for leaf in self.leaves]
        self.grads = [np.zeros(0) if grad is None else grad for grad in grads]
        self.traceable = traceable(engine)

    def _function(self, name: str) -> Callable[..., Any]:
        """The engine's own, where it shows them: an adapter's call looks the name up every time."""
        ops = getattr(self.engine.package, "ops", None)
        return functools.partial(self.engine.call, name) if ops is None else getattr(ops, name)

    def _joined(self, value: Any) -> Any:
        if not isinstance(value, tuple):
            return value
        return functools.reduce(self.add, [value[i] for i in self.floating])

    def _back(self, output: Any, gradient: Array) -> Callable[[Any], object]:
        """What carries the gradient back from such an output, with no more to convert."""
        if hasattr(self.engine.package, "backward"):  # whose tensors are lists, with no methods
            lists = gradient.tolist()
            return lambda output: self.engine.package.backward(output, lists)
        if hasattr(output, "backward"):
            tensor = self.engine.tensor(gradient)
            return lambda output: output.backward(tensor)
        return lambda output: self.engine.backward(output, gradient)

    def forward(self) -> Any:
        return self.function(*self.args, **self.kwargs)

    def both(self) -> None:
        """Forward and backward, to leaves that have no gradient before."""
        for node in self.nodes:
            node.grad = None
        self.carry(self._joined(self.forward()))

    def peak(self, call: Callable[[], object]) -> int | None:
        """Bytes that a call takes at its peak, where Python's allocator knows of them."""
        return _traced(call) if self.traceable else None


def numbers(leaf: Any) -> Iterator[Any]:
    """What holds a gradient: a tensor, or each number of nested lists."""
    if isinstance(leaf, list):
        for item in leaf:
            yield from numbers(item)
    else:
        yield leaf


def traceable(engine: Adapter) -> bool:
    """Whether tracemalloc sees an engine's memory: not where its own code allocates it."""
    tensor = engine.tensor(np.zeros(1 << 12, engine.dtypes[-1]))
    return _traced(lambda: engine.call("neg", tensor)) >= 1 << 14


def _traced(call: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def measure(
    engines: Sequence[Adapter],
    ops: Sequence[str] = (),
    size: str = "gpt",
    against: Sequence[str] = ("torch",),
    threads: int = 1,
    pairs: int = PAIRS,
    advance: Callable[[], object] = lambda: None,
) -> list[Row]:
    """Rows of every op that the engines have, in the order of the spec, each beside each other.

    ops: only these. size: small, gpt or large; an engine of scalars is always timed at small.
    against: engines by name. advance: called after each of the workloads, of which planned() knows
    the number. Raises ValueError if two results differ, ImpossibleError if a figure cannot be.
    """
    rivals = [registry.load(name) for name in against]
    rows = []
    for members, dtype, works in planned(engines, ops, size):
        everyone = tuple({each.name: each for each in (*rivals, *members)}.values())
        with pinned(threads, everyone):
            ceilings = Ceilings(everyone, threads)
            for work in works:
                have = [each for each in everyone if work.op.name in each.ops]
                rows += _compared(work, have, members, rivals, dtype, pairs, ceilings)
                advance()
    return rows


def planned(
    engines: Sequence[Adapter], ops: Sequence[str], size: str
) -> list[tuple[list[Adapter], str, list[Workload]]]:
    """Engines of arrays in float32, those of scalars in float64 and small; and their workloads."""
    scalars = [engine for engine in engines if len(engine.dtypes) == 1]
    arrays = [engine for engine in engines if engine not in scalars]
    groups = ((arrays, "float32", size), (scalars, "float64", "small"))
    return [(members, dtype, workloads(of, tuple(ops))) for members, dtype, of in groups if members]


def _compared(
    work: Workload,
    everyone: Sequence[Adapter],
    members: Sequence[Adapter],
    rivals: Sequence[Adapter],
    dtype: str,
    pairs: int,
    ceilings: Ceilings,
) -> list[Row]:
    """The rows of one workload."""
    subjects = {each.name: Subject(each, work, work.case.inputs(), dtype) for each in everyone}
    beside = [
        (subjects[member.name], subjects[rival.name])
        for rival in rivals
        for member in members
        if member is not rival and {member.name, rival.name} <= subjects.keys()
    ]
    apart = {(a.engine.name, b.engine.name): difference(a, b) for a, b in beside}
    calls = {FORWARD: {name: subject.forward for name, subject in subjects.items()}}
    if work.differentiable:
        calls[BOTH] = {name: subject.both for name, subject in subjects.items()}
    arrays: list[Array] = []
    transform(arrays.append, work.case.inputs())
    elements = sum(array.size for array in arrays)
    moved = sum(a.size * (4 if a.dtype.kind == "f" else a.itemsize) for a in arrays)
    rows = []
    for phase, functions in calls.items() if beside else ():
        seconds = timed(functions, pairs)
        for name, taken in seconds.items():
            what = f"{work.item}: {phase} of {name}"
            read = moved if work.reading else 0
            ceilings.judge(what, dtype, Spread.of(taken).median, read, work.flops)
        for own, rival in beside:
            name, other = own.engine.name, rival.engine.name
            share = ratios(seconds, other)[name]
            rows.append(
                Row(
                    kind="ops",
                    item=work.item,
                    op=work.op.name,
                    engine=name,
                    against=other,
                    phase=phase,
                    size=work.size,
                    dtype=dtype,
                    ratio=share.median,
                    low=share.low,
                    high=share.high,
                    seconds=Spread.of(seconds[name]).median,
                    against_seconds=Spread.of(seconds[other]).median,
                    collector=False,
                    apart=apart[name, other],
                    memory=own.peak(functions[name]),
                    against_memory=rival.peak(functions[other]),
                    elements=elements,
                )
            )
    return rows


def timed(functions: dict[str, Callable[[], object]], pairs: int) -> dict[str, list[float]]:
    """Seconds a call, by name, in rounds: everyone calls as often as fits into a turn."""
    times = {}
    for name, function in functions.items():
        started = time.perf_counter()
        function()
        times[name] = max(1, round(TURN / (time.perf_counter() - started)))

    def repeated(function: Callable[[], object], count: int) -> Callable[[int], None]:
        def turn(number: int) -> None:
            for _ in range(count):
                function()

        return turn

    turns = {name: repeated(functions[name], count) for name, count in times.items()}
    seconds = interleaved(turns, pairs, 1, collector=False)
    return {name: [turn / times[name] for turn in taken] for name, taken in seconds.items()}


def difference(own: Subject, rival: Subject) -> float | None:
    """How far outputs and gradients are apart, in eps; None where chance makes them.

    Raises ValueError if they are not the same but for rounding.
    """
    what = f"{own.work.item}: {own.engine.name} and {rival.engine.name}"
    ours, theirs = own.outputs + own.grads, rival.outputs + rival.grads
    if [array.shape for array in ours] != [array.shape for array in theirs]:
        raise ValueError(f"{what} differ in shape: not one op")
    if own.work.case.chance:
        return None
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        if not b.size:
            continue
        if b.dtype.kind != "f":
            gap, scale = float((a != b).any()), 0.0
        else:
            gap, scale = float(np.abs(a - b).max()), float(np.abs(b).max()) * EPS[own.dtype]
        apart = 0.0 if gap == 0 else gap / scale if scale else np.inf
        if not apart <= APART:
            raise ValueError(f"{what} differ by {apart:.3g} eps: not one op")
        worst = max(worst, apart)
    return worst
