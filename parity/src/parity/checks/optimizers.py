"""Does an optimizer step as torch's, from the same gradients, and a scheduler pace it as torch's?

As in a training run, what rounding alone does is measured: torch in float32 beside torch in
float64, and the engine held to a multiple of it.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .. import engines
from ..engines import Adapter
from ..engines.torch import load_state
from ..spec.case import Array
from ..spec.part import Part, Rates, Steps
from . import building
from .envelope import Band
from .layers import Trace
from .measure import EPS, Measured, MismatchError, require_form

STEPS, MIDDLE = 20, 10
EPOCHS, BREAK = 30, 12
RATE = 1e-14  # of a rate: a few roundings of Python's floats


class Journey:
    """An optimizer under way on an engine; where: its parameters, if not those of the case."""

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
        """Give the parameters their gradients, as those of copies of them, and step."""
        self.optimizer.zero_grad()
        for parameter, gradient in zip(self.parameters, self.case.gradients(number), strict=True):
            if gradient is not None:
                copy = self.engine.call("clone", parameter)
                self.engine.backward(copy, gradient.astype(self.dtype))
        self.optimizer.step()

    def where(self) -> list[Array]:
        return [self.engine.numpy(parameter) for parameter in self.parameters]


def steps(engine: Adapter, part: Part, case: Steps, dtype: str) -> Measured:
    """Every parameter after every step, and what the optimizer keeps in its state."""
    return _judge(part, case, dtype, path(engine, part, case, dtype), engine)


def resumed(engine: Adapter, part: Part, case: Steps, dtype: str) -> Measured:
    """State and options go on from a state_dict: of the engine, and of torch, both ways."""
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
    """Where the parameters are after each step, and at the end the state.

    then: the engine whose optimizer, with other settings of its own, goes on from the middle.
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
    lost = Steps(case.second and {**case.second, "lr": 7.0}, **{**case.kwargs, "lr": 5.0})
    lost.id = case.id  # of the case, but for the rates, which the state puts right
    journey = Journey(engine, part, lost, dtype, where)
    load_state(journey.optimizer, state)
    return journey


@functools.cache
def known(part: Part, case: Steps) -> tuple[Trace, Trace]:
    """Torch's path in float64 and in float32."""
    torch = engines.load("torch")
    return path(torch, part, case, "float64"), path(torch, part, case, "float32")


def _judge(
    part: Part, case: Steps, dtype: str, got: Trace, engine: Adapter, how: str = ""
) -> Measured:
    want, rounded = known(part, case)
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
        if what.startswith("step of"):  # a count: torch keeps it in float32
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
    """The rate of every group after every step, also where a state_dict interrupts them."""
    want = paces(engines.load("torch"), part, case)
    for how, interrupted in (("", False), (" from a state_dict", True)):
        for epoch, (found, wanted) in enumerate(
            zip(paces(engine, part, case, interrupted), want, strict=True)
        ):
            if not np.allclose(found, wanted, rtol=RATE, atol=0.0):
                raise MismatchError(
                    f"the rates at epoch {epoch}{how} are {found}, should be {wanted}"
                )
    return Measured()


def paces(engine: Adapter, part: Part, case: Rates, interrupted: bool = False) -> list[list[float]]:
    """The rates of both groups, and those that the schedulers say they set, at every epoch."""
    optimizer, schedulers = building.schedulers(engine, part, case)
    found = []
    for epoch in range(EPOCHS + 1):
        if interrupted and epoch == BREAK:
            states = [each.state_dict() for each in (optimizer, *schedulers)]
            optimizer, schedulers = building.schedulers(engine, part, case)
            for each, state in zip((optimizer, *schedulers), states, strict=True):
                load_state(each, state)
        said = [rate for scheduler in schedulers for rate in scheduler.get_last_lr()]
        found.append([*(group["lr"] for group in optimizer.param_groups), *said])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return found


def portable(state: Any) -> Any:
    """The state_dict of an optimizer with arrays for tensors and for nested lists."""
    entries = {
        i: {name: _plain(value) for name, value in entry.items()}
        for i, entry in state["state"].items()
    }
    return {**state, "state": entries}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    return np.asarray(value.detach() if hasattr(value, "detach") else value).copy()
