"""Compare a training run with torch's: the losses, the first gradients, the weights, the text.

Both train in lock-step, so that a failure names the first step and parameter that is off.
"""

from __future__ import annotations

import gc
import itertools
import math
import statistics
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .. import engines
from ..engines import Adapter
from ..spec.case import Array
from ..spec.run import Run
from .envelope import Band
from .measure import EPS, MismatchError
from .training import Training, initial

LAST = 1e-9  # relative tolerance of the last loss in float64, however wide the envelope is by then


@dataclass
class RunResult:
    """How a run went on an engine; errors are in eps of dtype, torch_errors in eps of float32."""

    engine: str
    run: str
    dtype: str
    status: str = "passed"
    message: str = ""
    reproduce: str = ""
    losses: list[float] = field(default_factory=list)  # one per step, like the next two
    torch_losses: list[float] = field(default_factory=list)
    loss_bands: list[Band] = field(default_factory=list)
    gradients: dict[str, Band] = field(default_factory=dict)  # by parameter, of the first step
    weights: dict[str, Band] = field(default_factory=dict)  # by parameter, after the last step
    text: str = ""
    torch_text: str = ""
    seconds: float = 0.0  # the median step
    torch_seconds: float = 0.0  # torch's median step, in the same dtype and process
    ratio: float = 0.0  # the median of their ratios, step by step
    low: float = 0.0  # its quartiles
    high: float = 0.0
    elapsed: float = 0.0  # everything, including torch
    traceback: str = ""  # of an exception that the engine should not have raised

    @property
    def name(self) -> str:
        return f"{self.engine} {self.run} {self.dtype}"

    @property
    def failure(self) -> str:
        """What failed, why, and the command that repeats it."""
        return f"{self.name}: {self.message}\n  {self.reproduce}"


def check_run(
    engine: Adapter, run: Run, dtype: str, advance: Callable[[], object] = lambda: None
) -> RunResult:
    """Train on the engine and on torch, in turn; advance is called after every step."""
    command = f"parity check --engine {engine.name} --run {run.name} --dtype {dtype}"
    result = RunResult(engine.name, run.name, dtype, reproduce=command)
    comparison = Comparison(result)
    started = time.perf_counter()
    gc.freeze()  # or the collector would walk all of torch and numba during the steps
    try:
        comparison.follow(engine, run, advance)
    except Exception as error:
        comparison.fault(f"{type(error).__name__}: {error}", traceback.format_exc())
    finally:
        gc.unfreeze()
    result.elapsed = time.perf_counter() - started
    return result


class Comparison:
    """Trains an engine beside torch, and fills in the result; only the first fault is reported."""

    def __init__(self, result: RunResult) -> None:
        self.result, self.stage = result, "building the model"  # a fault is reported by its stage
        self.loss, self.eps = Band(), EPS[result.dtype]
        self.trainings: tuple[Training, ...] = ()  # torch in float64, torch in float32, the engine
        self.sizes: dict[str, float] = {}  # the largest absolute value each parameter ever had

    def fault(self, what: str, trace: str = "") -> None:
        """Record a fault in this stage, unless there was one before."""
        if self.result.status != "failed":
            self.result.status, self.result.traceback = "failed", trace
            self.result.message = f"{self.stage}: {what}"

    def follow(self, engine: Adapter, run: Run, advance: Callable[[], object]) -> None:
        """Train step by step beside torch, then compare the results."""
        torch, state, dtype = engines.load("torch"), initial(run), self.result.dtype
        reference = Training(torch, run, "float64", state, at_once=True)
        rounding = Training(torch, run, "float32", state, at_once=True)
        judged = Training(engine, run, dtype, state)
        self.trainings = (reference, rounding, judged)
        known, found = list(reference.weights()), list(judged.weights())
        if known != found:
            missing = ", ".join(name for name in known if name not in found) or "none"
            extra = ", ".join(name for name in found if name not in known) or "none"
            self.fault(f"other parameters than torch's: missing {missing}, extra {extra}")
            return
        self.result.gradients, self.result.weights = (
            {name: Band() for name in known} for _ in range(2)
        )
        self.sizes = {name: _size(state[name]) for name in known}
        for step in range(1, run.steps + 1):
            self.stage = f"step {step}"
            self._step(first=step == 1)
            advance()
        self.result.seconds = statistics.median(judged.seconds)
        same_dtype = reference if dtype == "float64" else rounding
        self.result.torch_seconds = statistics.median(same_dtype.seconds)
        ratios = [a / b for a, b in zip(judged.seconds, same_dtype.seconds, strict=True)]
        quartiles = statistics.quantiles(ratios * 2, n=4, method="inclusive")
        self.result.low, self.result.ratio, self.result.high = quartiles
        self.stage = "after the last step"
        self._ending(_tied(state))
        if run.prompt:
            self._writing()

    def _step(self, first: bool) -> None:
        want, rounded, got = (training.step() for training in self.trainings)
        self.result.losses.append(got)
        self.result.torch_losses.append(want)
        self.loss.measure(want, rounded, got, self.eps)
        self.result.loss_bands.append(replace(self.loss))
        measured = {"the loss": {"": self.loss}}
        if first:
            gradients = [training.gradients() for training in self.trainings]
            _measure(self.result.gradients, gradients, self.eps)
            measured["the gradient of "] = self.result.gradients
        # A weight that passes near zero keeps the rounding error of its earlier, larger values.
        weights = [training.weights() for training in self.trainings]
        self.sizes = {n: max(self.sizes[n], _size(array)) for n, array in weights[0].items()}
        _measure(self.result.weights, weights, self.eps, self.sizes)
        measured["the weights "] = self.result.weights
        self._require_within(measured)

    def _ending(self, tied: list[tuple[str, str]]) -> None:
        """Compare the last loss, tied parameters, and the loss in evaluation mode."""
        got, want = self.result.losses[-1], self.result.torch_losses[-1]
        if self.result.dtype == "float64" and not math.isclose(got, want, rel_tol=LAST):
            self.fault(f"the last loss is {got!r}, torch's {want!r}")
        numbers = self.trainings[-1].model.state_dict()
        for name, other in tied:
            if not np.array_equal(np.asarray(numbers[name]), np.asarray(numbers[other])):
                self.fault(f"{name} and {other} are one parameter in torch, here two")
        want, rounded, got = (training.evaluate() for training in self.trainings)
        self.loss.measure(want, rounded, got, self.eps)
        self._require_within({"the loss in evaluation": {"": self.loss}})

    def _writing(self) -> None:
        """Compare a GPT's logits and text, with its cache and without."""
        reference, _, judged = self.trainings
        for quantity, cached in {"the logits": False, "the logits with a cache": True}.items():
            band = Band()
            want, rounded, got = (training.logits(cached) for training in self.trainings)
            band.measure(want, rounded, got, self.eps)
            self._require_within({quantity: {"": band}})
        self.result.text, self.result.torch_text = judged.text(), reference.text()
        uncached = judged.text(use_cache=False)
        for how, text in (("", uncached), (" with its cache", self.result.text)):
            if text != self.result.torch_text:
                self.fault(f"the model{how} writes {text!r}, torch's {self.result.torch_text!r}")

    def _require_within(self, measured: dict[str, dict[str, Band]]) -> None:
        if departures := _departures(measured):
            self.fault("; ".join(departures))


def _tied(state: Mapping[str, Array]) -> list[tuple[str, str]]:
    """Pairs of names that stand for the same parameter."""
    return [(a, b) for a, b in itertools.combinations(state, 2) if state[a] is state[b]]


def _size(array: Array) -> float:
    return float(np.abs(array).max())


def _measure(
    bands: dict[str, Band],
    arrays: Sequence[Mapping[str, Array | None]],
    eps: float,
    sizes: Mapping[str, float] = {},
) -> None:
    """Measure every parameter; arrays: of torch in float64, torch in float32, and the engine."""
    want, rounded, got = arrays
    for name, band in bands.items():
        band.measure(want[name], rounded[name], got[name], eps, sizes.get(name, 0.0))


def _departures(measured: dict[str, dict[str, Band]]) -> list[str]:
    """For each quantity, the first parameter that left its envelope, in the model's order."""
    found = []
    for quantity, bands in measured.items():
        try:
            for name, band in bands.items():
                band.require(f"{quantity}{name}")
        except MismatchError as error:
            found.append(str(error))
    return found
