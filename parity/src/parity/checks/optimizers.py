"""Does an optimizer take torch's steps from the same gradients, and a scheduler set torch's rates?

As in a training run, an engine may deviate by a multiple of torch's own float32 error.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from .. import engines
from ..engines import Adapter
from ..engines.torch import load_state
from ..spec.case import Array
from ..spec.optimizers import Fall, Rise
from ..spec.part import New, Part, Rates, Steps
from . import building
from .envelope import Band
from .layers import Trace
from .measure import EPS, Measured, MismatchError, require_form
from .reference import same

STEPS, MIDDLE = 20, 10  # an interrupted optimizer is saved and loaded after step MIDDLE
EPOCHS, BREAK = 30, 12  # the same for schedulers
RATE = 1e-14  # relative tolerance of learning rates: a few roundings of Python floats


class Journey:
    """An engine's optimizer and its parameters; where: their values, if not those of the case."""

    def __init__(
        self, engine: Adapter, part: Part, case: Steps, dtype: str, where: list[Array] | None = None
    ) -> None:
        self.engine, self.case, self.dtype = engine, case, dtype
        self.parameters = [
            engine.package.nn.Parameter(building.tensor(engine, array, dtype))
            for array in where or case.parameters()
        ]
        self.optimizer = building.of_steps(engine, part, case, self.parameters)

    def step(self, number: int) -> None:
        """Give the parameters their gradients, by backward through a clone of each, and step."""
        gradients = [
            gradient if gradient is None else gradient.astype(self.dtype)
            for gradient in self.case.gradients(number)
        ]
        self.optimizer.zero_grad()
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            if gradient is not None:
                copy = self.engine.call("clone", parameter)
                self.engine.backward(copy, gradient)
        self.optimizer.step()
        for i, (parameter, gradient) in enumerate(zip(self.parameters, gradients, strict=True)):
            left = self.engine.grad(parameter)
            if gradient is not None and (left is None or not same(left, gradient)):
                raise MismatchError(f"step {number} changes the gradient of parameter {i}")

    def where(self) -> list[Array]:
        return [self.engine.numpy(parameter) for parameter in self.parameters]


def steps(engine: Adapter, part: Part, case: Steps, dtype: str) -> Measured:
    """Check every parameter after every step, and the final state of the optimizer."""
    return _judge(part, case, dtype, path(engine, part, case, dtype), engine)


def resumed(engine: Adapter, part: Part, case: Steps, dtype: str) -> Measured:
    """Check that a state_dict resumes an optimizer: the engine's own, from torch, and in torch."""
    torch = engines.load("torch")
    worst = Measured()
    for source, target in ((engine, engine), (torch, engine), (engine, torch)):
        how = f", from the state of {source.name} in {target.name},"
        trace = path(source, part, case, dtype, target)
        worst = worst.worst(_judge(part, case, dtype, trace, target, how))
    return worst


def path(
    engine: Adapter, part: Part, case: Steps, dtype: str, then: Adapter | None = None
) -> Trace:
    """The parameters after every step, and the final state.

    then: the engine that takes over in the middle, with a new optimizer that loads the state.
    """
    journey = Journey(engine, part, case, dtype)
    trace: Trace = {}
    for number in range(1, STEPS + 1):
        if then is not None and number == MIDDLE + 1:
            state = journey.optimizer.state_dict()
            state = state if then is engine else portable(state)
            journey = _continued(then, part, case, dtype, journey.where(), state)
        journey.step(number)
        for i, array in enumerate(journey.where()):
            trace[f"step {number}: parameter {i}"] = array
    for i, entry in sorted(journey.optimizer.state_dict()["state"].items()):
        for name, value in sorted(entry.items()):
            if value is not None:
                trace[f"{name} of parameter {i}"] = np.asarray(_plain(value))
    return trace


def _continued(
    engine: Adapter, part: Part, case: Steps, dtype: str, where: list[Array], state: Any
) -> Journey:
    lost = Steps(case.second and {})
    lost.id = case.id  # the same case without its options, which loading the state must bring back
    journey = Journey(engine, part, lost, dtype, where)
    load_state(journey.optimizer, state)
    return journey


@functools.cache
def torch_paths(part: Part, case: Steps) -> tuple[Trace, Trace]:
    """Torch's path in float64 and in float32."""
    torch = engines.load("torch")
    return path(torch, part, case, "float64"), path(torch, part, case, "float32")


def _judge(
    part: Part, case: Steps, dtype: str, got: Trace, engine: Adapter, how: str = ""
) -> Measured:
    want, rounded = torch_paths(part, case)
    if list(got) != list(want):
        extra, missing = (
            ", ".join(what for what in some if what not in others) or "nothing"
            for some, others in ((got, want), (want, got))
        )
        raise MismatchError(f"the state{how} lacks {missing} and has beside torch's {extra}")
    bands: dict[str, Band] = {}
    worst = Measured()
    for what, array in want.items():
        found, near = got[what], rounded[what]
        assert array is not None
        assert found is not None
        if what.startswith("step of"):  # the step count, which torch keeps in float32
            if float(found) != float(array):
                raise MismatchError(f"{what}{how} is {found}, should be {array}")
            continue
        require_form(f"{what}{how}", found, array.shape, dtype)
        band = bands.setdefault(what.rpartition(": ")[2], Band())
        band.measure(array, near, found, EPS[dtype])
        band.require(f"{what}{how}")
        worst = worst.worst(band.measured())
    return worst


def rates(engine: Adapter, part: Part, case: Rates, dtype: str) -> Measured:
    """Check the rate of every group at every epoch, with and without saving and loading."""
    want = paces(engines.load("torch"), part, case)
    for how, interrupted in (("", False), (" from a state_dict", True)):
        for epoch, (found, wanted) in enumerate(
            zip(paces(engine, part, case, interrupted), want, strict=True)
        ):
            pairs = zip(found, wanted, strict=True)
            if not all(math.isclose(rate, torchs, rel_tol=RATE) for rate, torchs in pairs):
                raise MismatchError(
                    f"the rates at epoch {epoch}{how} are {found}, should be {wanted}"
                )
    return Measured()


def paces(engine: Adapter, part: Part, case: Rates, interrupted: bool = False) -> list[list[float]]:
    """At every epoch, the rates of both groups, and what get_last_lr() of each scheduler says."""
    optimizer, schedulers = building.schedulers(engine, part, case)
    found = []
    for epoch in range(EPOCHS + 1):
        if interrupted and epoch == BREAK:
            states = [each.state_dict() for each in (optimizer, *schedulers)]
            wrong = _other((case, building.RATES))
            optimizer, schedulers = building.schedulers(engine, part, *wrong)
            for each, state in zip((optimizer, *schedulers), states, strict=True):
                load_state(each, state)
        said = [rate for scheduler in schedulers for rate in scheduler.get_last_lr()]
        found.append([*(group["lr"] for group in optimizer.param_groups), *said])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return found


def _other(value: Any) -> Any:
    """The same arguments with other numbers, which loading a state must correct."""
    if isinstance(value, Rates):
        return Rates(*_other(value.args), beside=_other(value.beside), **_other(value.kwargs))
    if isinstance(value, New):
        return New(value.what, *_other(value.args), **_other(value.kwargs))
    if isinstance(value, list | tuple):
        return type(value)(map(_other, value))
    if isinstance(value, dict):
        return {name: _other(each) for name, each in value.items()}
    if isinstance(value, Rise | Fall):
        return type(value)(**_other(vars(value)))
    if isinstance(value, int):
        return value + 1
    return value / 2 if isinstance(value, float) else value


def portable(state: Any) -> Any:
    """An optimizer's state_dict with arrays in place of tensors and nested lists."""
    entries = {
        i: {name: _plain(value) for name, value in entry.items()}
        for i, entry in state["state"].items()
    }
    return {**state, "state": entries}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    return np.asarray(value.detach() if hasattr(value, "detach") else value).copy()
