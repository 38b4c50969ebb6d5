"""Does an engine agree with torch on a graph, as far as rounding allows one to tell?"""

from __future__ import annotations

import functools
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

NOISE = 64  # eps of noise added after every op, to see how the graph amplifies it
NEARBY = 1 / 64  # relative distance by which leaves are moved, to see float32 on other numbers
LUCK = 16  # factor for float32's error, as the worst of a few samples may be lucky
RUNS = 3


class Noisy(Torch):
    """torch with noise in every leaf and every op; sign inverts all of it."""

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
    """torch with all leaves moved a little towards 0."""

    def __init__(self, run: int) -> None:
        self.rng = np.random.default_rng(run)

    def tensor(self, array: Array, requires_grad: bool = False) -> Any:
        if array.dtype.kind == "f":
            moved = array * (1 - NEARBY * self.rng.random(array.shape))
            array = moved.astype(np.float32).astype(array.dtype)
        return super().tensor(array, requires_grad)


@dataclass(frozen=True)
class Wanted:
    """What a result of Graph.run should be."""

    array: Array  # torch's, in float64
    error: float  # the tolerance, in eps


@functools.lru_cache(maxsize=1)  # an engine is judged on a graph in each of its dtypes
def wanted(graph: Graph) -> list[Wanted | None]:
    """What every result should be; None if rounding decides it.

    The tolerance adds up the BUDGET of a check, torch's float32 errors on these and on nearby
    leaves, and the effect of noise. Noise of both signs is used: if rounding could push a value
    across a corner such as relu's, one of the two does.
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
    """A graph on which an engine is wrong."""

    graph: Graph
    engine: Adapter
    dtype: str
    complaint: str
    result: int  # index of the wrong result of Graph.run
    tolerance: float

    def program(self) -> str:
        """A Python program that fails as long as the engine is wrong."""
        code = self.graph.program(self.engine.name, self.dtype, self.result, self.tolerance)
        return f"# {self.engine.name} is not torch in {self.dtype}: {self.complaint}\n\n{code}"


def judge(graph: Graph, engine: Adapter, dtype: str) -> Failure | None:
    """The first wrong result of the engine, or None."""
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
    """The largest difference of two arrays; infinite if one has a number that is not finite."""
    with np.errstate(invalid="ignore"):  # inf - inf
        distance = float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max())
    return math.inf if math.isnan(distance) else distance
