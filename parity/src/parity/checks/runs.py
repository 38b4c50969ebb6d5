"""A training run beside torch's: every step's loss, the first gradients, the weights, the text.

What rounding alone does to the trajectory is measured: torch in float32 beside torch in float64.
Both deviations are in units of the eps they were computed with, so an engine in float64 is held to
the float64 round-off, not to the float32 one.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np

from .. import corpus, engines
from ..spec.runs import Run
from .measure import EPS, distance

Array = np.ndarray[Any, Any]
State = Mapping[str, Array | None]

# Two honest orders of the same sums differ, parameter by parameter, by several times what torch's
# float32 run shows; the report says how much of this envelope each engine used. A gradient off by
# one part in ten thousand, 800 eps of float32, leaves it in the first step.
MULTIPLE = 32.0
# float32 may by luck hit the float64 value nearly exactly, which says nothing of the next engine.
FLOOR = 2.0


@dataclass
class Band:
    """One quantity of a run, in eps: how far the engine, and torch's float32, came from torch."""

    error: float = 0.0
    torch_error: float = 0.0

    @property
    def limit(self) -> float:
        return MULTIPLE * max(FLOOR, self.torch_error)

    @property
    def within(self) -> bool:
        return self.error <= self.limit

    def measure(self, want: Any, rounded: Any, got: Any, eps: float) -> None:
        """Compare with want (torch, float64) both rounded (torch, float32) and got (in eps).

        The envelope is the widest so far: what rounding did comes and goes, step by step.
        """
        self.error = _error(got, want, eps)
        self.torch_error = max(self.torch_error, _error(rounded, want, EPS["float32"]))


@dataclass
class RunResult:
    """How a run went on an engine; errors are in eps of dtype, torch_errors in eps of float32.

    losses, torch_losses: one per step. loss_bands: step by step. gradients: of the first step, and
    weights: after the last, by parameter in the order of the model. seconds, torch_seconds: the
    median step, both in dtype and taken in turn in one process.
    """

    engine: str
    run: str
    dtype: str
    status: str = "passed"
    message: str = ""
    reproduce: str = ""
    losses: list[float] = field(default_factory=list)
    torch_losses: list[float] = field(default_factory=list)
    loss_bands: list[Band] = field(default_factory=list)
    gradients: dict[str, Band] = field(default_factory=dict)
    weights: dict[str, Band] = field(default_factory=dict)
    text: str = ""
    torch_text: str = ""
    seconds: float = 0.0
    torch_seconds: float = 0.0


class Training:
    """A run under way on one engine."""

    def __init__(self, engine: Any, run: Run, dtype: str) -> None:
        self.engine, self.run, self.eps = engine, run, EPS[dtype]
        self.seconds: list[float] = []
        package = engine.package
        self.model = package.gpt.GPT(package.gpt.GPTConfig(**run.config()))
        if len(engine.dtypes) > 1:  # an engine of one dtype has nothing to convert
            self.model.to(engine.tensor(np.zeros(1, dtype)).dtype)
        self.model.load_state_dict(run.weights())
        self.optimizer = package.optim.AdamW(self.model.parameters(), **run.optimizer())

    def step(self, inputs: Array, targets: Array) -> float:
        """Train on one batch of ids (B, T) and the ids that follow; the loss before the step."""
        started = time.perf_counter()
        self.optimizer.zero_grad()
        _, loss = self.model(self.engine.tensor(inputs), self.engine.tensor(targets))
        loss.backward()
        self.optimizer.step()
        value = float(self.engine.numpy(loss))
        self.seconds.append(time.perf_counter() - started)
        return value

    def gradients(self) -> dict[str, Array | None]:
        return {name: self.engine.grad(p) for name, p in self.model.named_parameters()}

    def weights(self) -> dict[str, Array | None]:
        return {name: self.engine.numpy(p) for name, p in self.model.named_parameters()}

    def text(self) -> str:
        """The prompt, and what the model takes for its likeliest continuation."""
        prompt = self.engine.tensor(corpus.encode(self.run.prompt)[None])
        return corpus.decode(self.engine.numpy(self.model.generate(prompt, self.run.new_tokens))[0])


def check_run(
    engine: Any, run: Run, dtype: str, advance: Callable[[], object] = lambda: None
) -> RunResult:
    """Train on the engine and on torch, in turn; advance is called after every step."""
    command = f"parity check --engine {engine.name} --run {run.name} --dtype {dtype}"
    result = RunResult(engine.name, run.name, dtype, reproduce=command)
    stage = "building the model"

    def enter(name: str) -> None:
        nonlocal stage
        stage = name

    gc.freeze()  # else the collector walks all of torch and numba again and again, within the steps
    try:
        result.message = _compare(engine, run, dtype, result, advance, enter)
    except Exception as error:
        result.message = f"{stage}: {type(error).__name__}: {error}"
    finally:
        gc.unfreeze()
    if result.message:
        result.status = "failed"
    return result


def _compare(
    engine: Any,
    run: Run,
    dtype: str,
    result: RunResult,
    advance: Callable[[], object],
    enter: Callable[[str], None],
) -> str:
    """Fill in result, and say where the engine first left the envelope, if it did.

    enter is called with the name of what is done next, from the first step on.
    """
    torch = engines.load("torch")
    reference, rounding = Training(torch, run, "float64"), Training(torch, run, "float32")
    judged = Training(engine, run, dtype)
    known, found = list(reference.weights()), list(judged.weights())
    if known != found:
        missing = ", ".join(name for name in known if name not in found) or "none"
        extra = ", ".join(name for name in found if name not in known) or "none"
        return f"the model's parameters differ from torch's: missing {missing}, extra {extra}"

    message, loss = "", Band()
    result.weights = {name: Band() for name in known}
    for step, batch in enumerate(islice(run.batches(), run.steps), start=1):
        enter(f"step {step}")
        want, rounded, got = (training.step(*batch) for training in (reference, rounding, judged))
        result.losses.append(got)
        result.torch_losses.append(want)
        loss.measure(want, rounded, got, judged.eps)
        result.loss_bands.append(replace(loss))
        measured = {"the loss": {"": loss}}
        if step == 1:
            result.gradients = {name: Band() for name in known}
            gradients = [training.gradients() for training in (reference, rounding, judged)]
            _measure(result.gradients, gradients, judged.eps)
            measured["the gradient of "] = result.gradients
        weights = [training.weights() for training in (reference, rounding, judged)]
        _measure(result.weights, weights, judged.eps)
        measured["the weights "] = result.weights
        message = message or _departure(step, measured)
        advance()

    result.seconds = statistics.median(judged.seconds)
    same_dtype = reference if dtype == "float64" else rounding
    result.torch_seconds = statistics.median(same_dtype.seconds)
    enter("writing text after the last step")
    result.text, result.torch_text = judged.text(), reference.text()
    if not message and result.text != result.torch_text:
        message = f"the trained model writes {result.text!r}, torch's {result.torch_text!r}"
    return message


def _error(got: Any, want: Any, eps: float) -> float:
    """The distance in eps, infinite where there is nothing of want's shape."""
    if got is None or np.shape(got) != np.shape(want):
        return math.inf
    return distance(np.asarray(got, np.float64), np.asarray(want, np.float64), eps)[0]


def _measure(bands: dict[str, Band], states: Sequence[State], eps: float) -> None:
    """Measure every parameter; states: of torch in float64, of torch in float32, of the engine."""
    want, rounded, got = states
    for name, band in bands.items():
        band.measure(want[name], rounded[name], got[name], eps)


def _departure(step: int, measured: dict[str, dict[str, Band]]) -> str:
    """Of each quantity, the first parameter in the order of the model that left its envelope."""
    found = []
    for quantity, bands in measured.items():
        name = next((name for name, band in bands.items() if not band.within), None)
        if name is not None:
            error, limit = bands[name].error, bands[name].limit
            found.append(f"{quantity}{name} is {error:.3g} eps from torch's, at most {limit:.3g}")
    return f"step {step}: {'; '.join(found)}" if found else ""
