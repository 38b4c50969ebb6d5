"""Is an engine torch on a graph, as far as rounding allows to tell?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import engines
from ..checks.measure import BUDGET, EPS, SIGNAL
from ..engines import Adapter
from ..engines.adapter import Array
from ..engines.torch import Torch
from .drawing import Shape
from .graph import Graph

NOISE = 64  # in eps: what every op is off, to see what becomes of it
NEARBY = 1 / 64  # how far leaves are moved, to see what float32 makes of other numbers
LUCK = 16  # of so few roundings even the worst may be a good one
RUNS = 3


class Noisy(Torch):
    """torch, where every leaf and every op is a little off, in one direction or the other."""

    def __init__(self, run: int, sign: int) -> None:
        self.rng, self.size = np.random.default_rng(run), sign * NOISE * EPS["float32"]

    def tensor(self, array: Array, requires_grad: bool = False) -> Any:
        if array.dtype.kind == "f":
            array = array * self.factors(array.shape)
        return super().tensor(array, requires_grad)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        result = super().call(name, *args, **kwargs)
        return tuple(map(self.off, result)) if isinstance(result, tuple) else self.off(result)

    def off(self, tensor: Any) -> Any:
        if not tensor.is_floating_point():
            return tensor
        return tensor * super().tensor(self.factors(tuple(tensor.shape)))

    def factors(self, shape: Shape) -> Array:
        noise = self.rng.uniform(0.5, 1, shape) * self.rng.choice((-1, 1), shape)
        return np.asarray(1 + self.size * noise)


class Moved(Torch):
    """torch, on leaves a little nearer to 0."""

    def __init__(self, run: int) -> None:
        self.rng = np.random.default_rng(run)

    def tensor(self, array: Array, requires_grad: bool = False) -> Any:
        if array.dtype.kind == "f":
            moved = array * (1 - NEARBY * self.rng.random(array.shape))
            array = moved.astype(np.float32).astype(array.dtype)
        return super().tensor(array, requires_grad)


@dataclass(frozen=True)
class Wanted:
    """A result of Graph.run, by torch in float64, and how far off it may be, in eps."""

    array: Array
    error: float


def wanted(graph: Graph) -> list[Wanted | None]:
    """What every result should be; None for one that rounding decides.

    The error is what a check of a case allows, and what torch's float32 shows, on these leaves and
    on leaves nearby, and how far the result moves with noise. Two opposite noises are sure to cross
    a corner that is near enough for rounding to cross it.
    """
    torch = engines.load("torch")
    exact = graph.run(torch, "float64")
    noisy = [graph.run(Noisy(run, sign), "float64") for run in range(RUNS) for sign in (1, -1)]
    rounded = [(graph.run(torch, "float32"), exact)]
    for run in range(RUNS):
        rounded.append((graph.run(Moved(run), "float32"), graph.run(Moved(run), "float64")))
    found: list[Wanted | None] = []
    for i, array in enumerate(exact):
        size = float(np.abs(array).max())
        error = max(_distance(results[i], array) for results in noisy)
        error += LUCK * max(_distance(single[i], double[i]) for single, double in rounded)
        floating = array.dtype.kind == "f"
        known = error <= SIGNAL * size < math.inf if floating else error == 0
        allowed = BUDGET * size + error / EPS["float32"] if floating else 0.0
        found.append(Wanted(array, allowed) if known else None)
    return found


@dataclass(frozen=True)
class Failure:
    """A graph on which an engine is wrong in a dtype, and how.

    result: which of the results of Graph.run is. tolerance: how far off it might be.
    """

    graph: Graph
    engine: Adapter
    dtype: str
    complaint: str
    result: int
    tolerance: float

    def program(self) -> str:
        """Python code that fails as long as the engine does."""
        code = self.graph.program(self.engine.name, self.dtype, self.result, self.tolerance)
        return f"# {self.engine.name} is not torch in {self.dtype}: {self.complaint}\n\n{code}"


def judge(graph: Graph, engine: Adapter, dtype: str) -> Failure | None:
    """The first of the engine's results that is wrong."""
    wants = wanted(graph)
    try:
        results = graph.run(engine, dtype)
    except Exception as error:
        first = str(error).partition("\n")[0]
        complaint = f"it raised {type(error).__name__}: {first}"
        return Failure(graph, engine, dtype, complaint, int(graph.output.live), 0.0)
    for i, (got, want) in enumerate(zip(results, wants, strict=True)):
        if want is not None and (complaint := _complaint(got, want, dtype)):
            what = f"the gradient of leaf {i}" if i else "the output"
            tolerance = want.error * EPS[dtype]
            return Failure(graph, engine, dtype, f"{what} {complaint}", i, tolerance)
    return None


def _complaint(got: Array, want: Wanted, dtype: str) -> str:
    kind = dtype if want.array.dtype.kind == "f" else str(want.array.dtype)
    if got.shape != want.array.shape or got.dtype != kind:
        return f"is {got.dtype} {got.shape}, should be {kind} {want.array.shape}"
    distance = _distance(got, want.array)
    return "" if distance <= want.error * EPS[dtype] else f"is off by {distance:.3g}"


def _distance(a: Array, b: Array) -> float:
    """How far apart two arrays are at most: infinitely where one is no finite number."""
    with np.errstate(invalid="ignore"):  # inf - inf
        distance = float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max())
    return math.inf if math.isnan(distance) else distance
