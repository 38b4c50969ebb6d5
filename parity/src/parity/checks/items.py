"""Which checks there are for an engine, and how each one went."""

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
from .measure import Measured, MismatchError
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
    """One check to be run, of an op or a part; skipped is the reason why it is not, or empty."""

    engine: str
    op: Op | Part
    case: Call
    check: str
    dtype: str
    skipped: str = ""

    @property
    def id(self) -> str:
        return f"{self.engine}::{self.case.id}::{self.check}::{self.dtype}"


@dataclass(frozen=True)
class Result:
    """How a check went; op: the name of the op or the part.

    status: passed, failed or skipped. error: the worst, in eps of dtype; torch_error: torch
    float32's own on the same case, in its eps; used: the largest share of what it was allowed that
    an error took; None where there is nothing to measure, or nothing that can be compared.
    reproduce: the command that runs this check alone. traceback: of an exception that the engine
    should not have raised.
    """

    engine: str
    op: str
    case: str
    check: str
    dtype: str
    status: str
    error: float | None
    torch_error: float | None
    used: float | None
    message: str
    reproduce: str
    seconds: float
    traceback: str = ""


def cases(engine: Adapter, names: Collection[str] | None = None) -> Iterator[Item]:
    """Every check of an engine, in the order of the spec; names: of the ops and parts to keep."""
    every: tuple[Op | Part, ...] = (*OPS, *BUILT.values())
    for op in every:
        if names is not None and op.name not in names:
            continue
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
    """The checks that mean something for a case, and in which dtypes.

    Differences of float32 values show nothing; where a kink says so those of float64 do neither,
    which the report tells by reason. An error does not depend on the dtype, nor do names, rates,
    and the numbers that a layer starts with.
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
    if reference(op, case).gradients:
        if not case.chance:
            found["backward"] = both
        if not case.kink:
            found["differences"] = precise
    return found


def run(engine: Adapter, op: Op | Part, case: Call, check: str, dtype: str) -> Result:
    """Run one check; a wrong engine is a failed result, never an exception."""
    command = (
        f'parity check --engine {engine.name} --case "{case.id}" --check {check} --dtype {dtype}'
    )
    measured, message, trace = Measured(), "", ""
    start = time.perf_counter()
    if skipped := reason(engine.name, case.id):
        status, message = "skipped", skipped
    else:
        try:
            measured, status = CHECKS[check](engine, op, case, dtype), "passed"
        except MismatchError as mismatch:
            measured, status, message = Measured(mismatch.error), "failed", str(mismatch)
        except Exception as error:
            status, message = "failed", f"raised {type(error).__name__}: {error}"
            trace = traceback.format_exc()
    if status == "failed":
        message = f"{engine.name} {case.id} {check} {dtype}: {message}\n  {case!r}\n  {command}"
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
