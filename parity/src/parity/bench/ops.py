"""Time every op of the spec on engines and rivals: forward, and forward with backward."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .. import engines as registry
from ..checks.measure import EPS
from ..checks.reference import cotangent
from ..engines import Adapter
from ..environment import executor_kind
from ..spec.case import transform, variable
from ..threads import pinned
from . import PAIRS
from .ceilings import Ceilings
from .costs import Cost, against_roofline, counted
from .rivals import arrays
from .rows import BOTH, FORWARD, Row
from .timing import Spread, frozen, interleaved
from .workloads import READING, Workload, workloads

APART = 2.0**13  # in eps: results may differ by this much, as engines sum in different orders
TURN = 2e-3  # a turn repeats the call for about this many seconds

# Families whose ops read all of their inputs, or none of them, and write all of their outputs.
MOVING = (*READING, "convolution", "regularization", "creation")

Array = np.ndarray[Any, Any]


class Subject:
    """An op of an engine, with its inputs and cotangent converted in advance.

    If there are several floating outputs, backward starts from their sum.
    """

    def __init__(self, engine: Adapter, work: Workload, inputs: Any, dtype: str) -> None:
        self.engine, self.work, self.dtype, self.name = engine, work, dtype, engine.name
        self.leaves: list[Any] = []

        def tensor(array: Array) -> Any:
            needed = work.differentiable and variable(array)
            held = array.astype(dtype) if array.dtype.kind == "f" else array
            made = engine.tensor(held, requires_grad=needed)
            if needed:
                self.leaves.append(made)
            return made

        self.inputs: list[Array] = []
        transform(self.inputs.append, inputs)
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

    def _function(self, name: str) -> Callable[..., Any]:
        """The engine's own function, if it can be had: Adapter.call would add a look-up."""
        ops = getattr(self.engine.package, "ops", None)
        return functools.partial(self.engine.call, name) if ops is None else getattr(ops, name)

    def _joined(self, value: Any) -> Any:
        if not isinstance(value, tuple):
            return value
        return functools.reduce(self.add, [value[i] for i in self.floating])

    def _back(self, output: Any, gradient: Array) -> Callable[[Any], object]:
        """A function that runs backward from an output, with the gradient already converted."""
        if hasattr(self.engine.package, "backward"):  # micrograd: nested lists have no methods
            lists = gradient.tolist()
            return lambda output: self.engine.package.backward(output, lists)
        if hasattr(output, "backward"):
            tensor = self.engine.tensor(gradient)
            return lambda output: output.backward(tensor)
        return lambda output: self.engine.backward(output, gradient)

    def forward(self) -> Any:
        return self.function(*self.args, **self.kwargs)

    def both(self) -> None:
        """Forward and backward, to leaves without a gradient."""
        for node in self.nodes:
            node.grad = None
        self.carry(self._joined(self.forward()))

    def cost(self, phase: str) -> Cost:
        """The cost of a phase, except the share of the roofline, which depends on its time."""
        own = counted(self.engine, self.forward, self.both if phase == BOTH else self.forward)
        return replace(own, moved=self._moved(phase), flops=self.work.operations(phase == BOTH))

    def _moved(self, phase: str) -> int | None:
        """Bytes of the inputs and outputs, and for both phases those of all gradients."""
        if self.work.family not in MOVING:
            return None
        read = [] if self.work.family == "creation" else self.inputs
        size = _bytes(read, self.dtype) + _bytes(self.outputs, self.dtype)
        if phase == BOTH:
            coming = [self.outputs[i] for i in self.floating]
            size += _bytes(coming, self.dtype) + _bytes(self.grads, self.dtype)
        return size


class ByHand:
    """An op written by hand in NumPy, to compare engines with."""

    name = "NumPy by hand"

    def __init__(self, work: Workload, inputs: Any, dtype: str) -> None:
        self.work, self.dtype = work, dtype

        def held(array: Array) -> Array:
            return array.astype(dtype) if array.dtype.kind == "f" else array

        self.args, self.kwargs = transform(held, inputs)
        self.function = arrays.FUNCTIONS[work.op.name]
        output, backward = self.function(*self.args, **self.kwargs)
        self.dout = cotangent(work.case, 0, output.shape).astype(dtype)
        self.outputs, self.grads = [output], list(backward(self.dout))

    def forward(self) -> Array:
        return self.function(*self.args, **self.kwargs)[0]

    def both(self) -> None:
        self.function(*self.args, **self.kwargs)[1](self.dout)

    def cost(self, phase: str) -> Cost:
        return Cost()


def _bytes(some: Sequence[Array], dtype: str) -> int:
    """The size of some arrays in bytes, with floats counted as dtype."""
    return sum(
        a.size * (np.dtype(dtype).itemsize if a.dtype.kind == "f" else a.itemsize) for a in some
    )


def numbers(leaf: Any) -> Iterator[Any]:
    """The objects that hold a gradient: a tensor itself, or each number in nested lists."""
    if isinstance(leaf, list):
        for item in leaf:
            yield from numbers(item)
    else:
        yield leaf


def measure(
    engines: Sequence[Adapter],
    ops: Sequence[str] = (),
    size: str = "gpt",
    against: Sequence[str] = ("torch",),
    threads: int = 1,
    pairs: int = PAIRS,
    advance: Callable[[], object] = lambda: None,
    ceilings: Ceilings | None = None,
) -> list[Row]:
    """Time every op that the engines have against every rival, in the order of the spec.

    ops: only these. size: a key of SIZES; an engine of scalars is always timed at small. against:
    rivals by name; engines of arrays are also compared with NumPy by hand where that exists.
    advance: called after each workload. ceilings: reused, if they were measured before. Raises
    ValueError if two results differ, ImpossibleError if a result is faster than the machine allows.
    """
    rivals = [registry.load(name) for name in against]
    ceilings = ceilings or Ceilings((*rivals, *engines), threads)
    rows = []
    for members, dtype, works in planned(engines, ops, size):
        everyone = tuple({each.name: each for each in (*rivals, *members)}.values())
        with pinned(threads, everyone), frozen():
            for work in works:
                rows += compared(work, members, rivals, dtype, ceilings, pairs)
                advance()
    return rows


def planned(
    engines: Sequence[Adapter], ops: Sequence[str], size: str
) -> list[tuple[list[Adapter], str, list[Workload]]]:
    """Engines with the dtype and workloads to time them on; for scalars float64 and small."""
    return [
        (members, dtype, workloads(size if dtype == "float32" else "small", tuple(ops)))
        for members, dtype in groups(engines)
    ]


def groups(engines: Sequence[Adapter]) -> list[tuple[list[Adapter], str]]:
    """Engines of arrays and engines of scalars, each with the dtype that they are timed in."""
    scalars = [engine for engine in engines if len(engine.dtypes) == 1]
    arrays = [engine for engine in engines if engine not in scalars]
    return [(each, dtype) for each, dtype in ((arrays, "float32"), (scalars, "float64")) if each]


def compared(
    work: Workload,
    members: Sequence[Adapter],
    rivals: Sequence[Adapter],
    dtype: str,
    ceilings: Ceilings,
    pairs: int = PAIRS,
    turn: float = TURN,
    last: bool = False,
) -> list[Row]:
    """Time one workload: each of members against each of rivals, if both have the op.

    turn: about how many seconds a turn takes. last: skip forward alone if there is a backward.
    """
    inputs = work.case.inputs()
    everyone = {each.name: each for each in (*rivals, *members) if work.op.name in each.ops}
    subjects: dict[str, Subject | ByHand] = {
        name: Subject(each, work, inputs, dtype) for name, each in everyone.items()
    }
    others = [rival.name for rival in rivals]
    if dtype == "float32" and arrays.written(work.op.name, inputs[1]):
        subjects[ByHand.name] = ByHand(work, inputs, dtype)
        others.append(ByHand.name)
    beside = [
        (member.name, other)
        for other in others
        for member in members
        if member.name != other and {member.name, other} <= subjects.keys()
    ]
    apart = {pair: difference(*(subjects[name] for name in pair)) for pair in beside}
    calls = {FORWARD: {name: subject.forward for name, subject in subjects.items()}}
    if work.differentiable:
        calls = {} if last else calls
        calls[BOTH] = {name: subject.both for name, subject in subjects.items()}
    given: list[Array] = []
    transform(given.append, inputs)
    rows = []
    for phase, functions in calls.items() if beside else ():
        seconds = timed(functions, pairs, turn)
        costs = {name: subject.cost(phase) for name, subject in subjects.items()}
        for name, engine in everyone.items():
            if executor_kind(engine) == "gpu":
                continue  # the ceilings are the CPU's
            median = Spread.of(seconds[name]).median
            read = _bytes(given, dtype) if work.reading else 0
            ceilings.judge(f"{work.item}: {phase} of {name}", dtype, median, read, work.least)
            costs[name] = against_roofline(costs[name], engine, dtype, median, ceilings)
        rows += [
            Row.timed(
                seconds,
                name,
                other,
                kind="ops",
                item=work.item,
                op=work.op.name,
                phase=phase,
                size=work.size,
                dtype=dtype,
                collector=False,
                apart=apart[name, other],
                elements=sum(array.size for array in given),
                cost=costs[name],
                against_cost=costs[other],
            )
            for name, other in beside
        ]
    return rows


def timed(
    functions: Mapping[str, Callable[[], object]], pairs: int, turn: float = TURN
) -> dict[str, list[float]]:
    """Seconds per call by name, one for each round; a turn repeats the call to fill its time."""
    times = {}
    for name, function in functions.items():
        started = time.perf_counter()
        function()
        times[name] = max(1, round(turn / (time.perf_counter() - started)))

    def repeated(function: Callable[[], object], count: int) -> Callable[[int], None]:
        def taken(number: int) -> None:
            for _ in range(count):
                function()

        return taken

    turns = {name: repeated(functions[name], count) for name, count in times.items()}
    seconds = interleaved(turns, pairs, 1, collector=False)
    return {name: [turn / times[name] for turn in taken] for name, taken in seconds.items()}


def difference(own: Subject | ByHand, rival: Subject | ByHand) -> float | None:
    """How far two contestants' outputs and gradients differ, in eps; None if they are random.

    Raises ValueError if they differ by more than rounding.
    """
    what = f"{own.work.item}: {own.name} and {rival.name}"
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
