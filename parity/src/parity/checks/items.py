"""The list of checks of an engine, and how to run one."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from ..engines import Adapter
from ..spec import BUILT, OPS
from ..spec.case import Call, Case, Op, Reject
from ..spec.generation import Writing
from ..spec.part import Made, Part, Rates, Steps
from ..spec.skips import reason
from . import generation, layers, optimizers
from .backward import backward
from .differences import differences
from .forward import forward
from .measure import InvalidCaseError, Measured, MismatchError
from .reference import reference
from .rejects import rejects
from .stochastic import stochastic

CHECKS: dict[str, Callable[[Adapter, Any, Any, str], Measured]] = {
    "forward": forward,
    "backward": backward,
    "differences": differences,
    "stochastic": stochastic,
    "rejects": rejects,
    "form": layers.form,
    "training": layers.training,
    "evaluation": layers.evaluation,
    "initial": layers.initial,
    "steps": optimizers.steps,
    "resumed": optimizers.resumed,
    "rates": optimizers.rates,
    "trained": generation.trained,
    "cached": generation.cached,
    "written": generation.written,
}


@dataclass(frozen=True)
class Item:
    """One check to run, of an op or a part."""

    engine: str
    op: Op | Part
    case: Call
    check: str
    dtype: str
    skipped: str = ""  # the reason, if it is to be skipped

    @property
    def id(self) -> str:
        return f"{self.engine}::{self.case.id}::{self.check}::{self.dtype}"


@dataclass(frozen=True)
class Result:
    """How a check went. Errors are None if there is nothing to measure."""

    engine: str
    op: str  # or the part
    case: str
    check: str
    dtype: str
    status: str  # passed, failed or skipped
    error: float | None  # the worst, in eps of dtype
    torch_error: float | None  # torch float32's worst on the same case, in eps of float32
    used: float | None  # the largest share of its tolerance that an error used up
    message: str
    reproduce: str  # the command that runs this check alone
    seconds: float
    traceback: str = ""  # of an exception that the engine should not have raised

    @property
    def name(self) -> str:
        return f"{self.engine} {self.case} {self.check} {self.dtype}"

    @property
    def failure(self) -> str:
        """What failed, why, and the command that repeats it."""
        return f"{self.name}: {self.message}\n  {self.reproduce}"


def cases(engine: Adapter, names: Collection[str] | None = None) -> Iterator[Item]:
    """Every check of an engine, in the order of the spec; names: only these ops and parts."""
    every: tuple[Op | Part, ...] = (*OPS, *BUILT.values())
    for op in every:
        if names is None or op.name in names:
            yield from _items(engine, op)


def judge(engine: Adapter, op: Op | Part) -> list[Result]:
    """Run every check of an op or a part, which need not be in the spec."""
    return [run(engine, op, item.case, item.check, item.dtype) for item in _items(engine, op)]


def _items(engine: Adapter, op: Op | Part) -> Iterator[Item]:
    each: tuple[Call, ...] = op.cases
    if isinstance(op, Op):
        each += op.rejects
    for case in each:
        skipped = reason(engine.name, case.id)
        for check, dtypes in applicable(op, case).items():
            for dtype in engine.dtypes:
                if dtype in dtypes:
                    yield Item(engine.name, op, case, check, dtype, skipped)


def applicable(op: Op | Part, case: Call) -> dict[str, tuple[str, ...]]:
    """The checks that apply to a case, each with its dtypes.

    Finite differences need float64, and a case with a kink has none. Refusals, names, learning
    rates and initial values do not depend on the dtype, so float64 alone is enough. A case that
    torch refuses has one check, which says so.
    """
    both, precise = ("float64", "float32"), ("float64",)
    if isinstance(case, Reject):
        return {"rejects": precise}
    if isinstance(case, Steps):
        return {"steps": both, "resumed": both}
    if isinstance(case, Rates):
        return {"rates": precise}
    if isinstance(case, Writing):
        return {"trained": both, "cached": both, "written": both}
    if isinstance(case, Made):
        numbers = {"training": both, "evaluation": both} if case.on else {}
        return {"form": precise, **({"initial": precise} if case.initial else {}), **numbers}
    assert isinstance(op, Op)
    assert isinstance(case, Case)
    found: dict[str, tuple[str, ...]] = {"stochastic" if case.chance else "forward": both}
    try:
        differentiable = reference(op, case).gradients
    except InvalidCaseError:
        return found
    if differentiable:
        if not case.chance:
            found["backward"] = both
        if not case.kink:
            found["differences"] = precise
    return found


def run(engine: Adapter, op: Op | Part, case: Call, check: str, dtype: str) -> Result:
    """Run one check. Whatever the engine does wrong becomes a failed result, not an exception."""
    command = (
        f'parity check --engine {engine.name} --case "{case.id}" --check {check} --dtype {dtype}'
    )
    measured, message, trace = Measured(), "", ""
    start = time.perf_counter()
    if skipped := reason(engine.name, case.id):
        status, message = "skipped", skipped
    else:
        try:
            if isinstance(case, Case):
                reference(op, case)  # what is wrong with a case is not charged to the engine
            measured, status = CHECKS[check](engine, op, case, dtype), "passed"
        except MismatchError as mismatch:
            measured, status, message = mismatch.measured, "failed", str(mismatch)
        except Exception as error:
            status, message = "failed", f"raised {type(error).__name__}: {error}"
            trace = traceback.format_exc()
    if status == "failed":
        message = f"{message}\n  {case!r}"
    return Result(
        engine=engine.name,
        op=op.name,
        case=case.id,
        check=check,
        dtype=dtype,
        status=status,
        error=measured.error,
        torch_error=measured.torch_error,
        used=measured.used,
        message=message,
        reproduce=command,
        seconds=time.perf_counter() - start,
        traceback=trace,
    )
