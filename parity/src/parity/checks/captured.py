"""Does a graph, captured from an op, replay what the op computes?"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from ..engines import Adapter
from ..spec.case import Array, Case, Op, transform, variable
from .items import applicable
from .measure import MismatchError

SETS = (0, 1, 2, 1, 0, 2)  # of numbers, for a call as it is, those that are captured, and replays
RUNS = 3  # of the Python code, in these calls


def captured(engine: Adapter, op: Op, case: Case, dtype: str) -> str:
    """Require a graph of forward and backward to have the bits of the op, with other numbers too.

    For an engine with a module graph. The other numbers are those of the case in another order.
    Returns why not every call was replayed, and else an empty string.
    """
    package: Any = engine.package
    graph = importlib.import_module(f"{package.__name__}.graph")
    called = Called(engine, op, case, dtype)
    draws = np.random.default_rng(0)
    sets = [called.numbers, *(_shuffled(called.numbers, draws) for _ in range(2))]
    wanted = [called(called.step, numbers, seed) for seed, numbers in enumerate(sets)]
    step, called.runs = graph.graphed(called.step), 0
    for turn, chosen in enumerate(SETS):
        if isinstance(wanted[chosen], Exception):  # an index in another place may be out of range
            chosen = 0
        found = called(step, sets[chosen], chosen)
        if isinstance(found, graph.CaptureError):
            return str(found)
        if found != wanted[chosen]:
            raise MismatchError(f"call {turn} of a graph: {found!r}, without it {wanted[chosen]!r}")
    return "" if called.runs == RUNS else "with other numbers the step runs as it is"


class Called:
    """An op on tensors whose numbers can be exchanged."""

    def __init__(self, engine: Adapter, op: Op, case: Case, dtype: str) -> None:
        self.engine, self.op, self.dtype = engine, op, dtype
        self.runs = 0
        self.numbers: list[Array] = []
        self.tensors: list[Any] = []
        self.holder = engine.package.nn.Module()
        self.differentiable = "backward" in applicable(op, case)
        self.args, self.kwargs = transform(self._tensor, case.inputs())

    def step(self) -> tuple[Any, ...]:
        """Forward, and backward from every output."""
        self.runs += 1
        for x in self.tensors:
            x.grad = None
        outputs = self._outputs()
        for i, y in enumerate(outputs):
            if y.requires_grad:
                again = self._outputs()[i] if i else y
                again.backward(self.engine.package.ops.ones_like(y.detach()))
        return outputs

    def __call__(self, step: Any, numbers: list[Array], seed: int) -> Any:
        """The bits of outputs, gradients and inputs after a step; or what it raised."""
        engine = self.engine
        engine.package.manual_seed(seed)
        self.holder.load_state_dict({f"x{i}": array for i, array in enumerate(numbers)})
        try:
            outputs = step()
        except (ArithmeticError, IndexError, RuntimeError, ValueError) as error:
            return error
        gradients = [engine.grad(x) for x in self.tensors]
        arrays = [*map(engine.numpy, (*outputs, *self.tensors)), *gradients]
        return [None if x is None else (x.shape, x.dtype, x.tobytes()) for x in arrays]

    def _outputs(self) -> tuple[Any, ...]:
        value = self.engine.call(self.op.name, *self.args, **self.kwargs)
        return tuple(value) if isinstance(value, tuple | list) else (value,)

    def _tensor(self, array: Array) -> Any:
        floating = array.dtype.kind == "f"
        needed = variable(array) and floating and self.differentiable
        x = self.engine.tensor(np.asarray(array, self.dtype if floating else None), needed)
        self.holder.register_buffer(f"x{len(self.tensors)}", x)
        self.numbers.append(np.array(self.engine.numpy(x)))
        self.tensors.append(x)
        return x


def _shuffled(arrays: list[Array], draws: np.random.Generator) -> list[Array]:
    return [draws.permutation(array.reshape(-1)).reshape(array.shape) for array in arrays]
