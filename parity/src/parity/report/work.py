"""The work of a report as functions that another process can run.

An engine is passed by name if another process must load it, otherwise as an adapter.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from .. import checks, engines, fuzz
from ..checks.runs import RunResult, check_run
from ..checks.samples import Value, sample
from ..engines import Adapter
from ..environment import executor
from ..spec import BUILT, BY_NAME, Op, skips
from ..spec.run import Run
from ..spec.runs import RUNS
from . import data
from .code import Piece, formula, pieces

Engine = str | Adapter


@dataclass(frozen=True)
class Judged:
    """Everything that the report shows about an op or a part."""

    name: str
    results: list[checks.Result]  # of all engines
    samples: dict[str, list[Value]]  # by case
    code: dict[str, list[Piece]]  # by engine
    formula: str  # the docstring of the first engine that has one


def adapter(engine: Engine) -> Adapter:
    return engines.load(engine) if isinstance(engine, str) else engine


def judged(some: Sequence[Engine], name: str, quick: bool) -> Judged:
    """Check an op or a part on every engine, in one process to share torch's cached answers."""
    loaded = [adapter(engine) for engine in some]
    entry = BUILT[name] if name in BUILT else BY_NAME[name]
    results = [
        checks.run(engine, item.op, item.case, item.check, item.dtype)
        for engine in loaded
        for item in checks.cases(engine, [name])
        if not (quick and item.check == "differences")
    ]
    calls = (*entry.cases, *entry.rejects) if isinstance(entry, Op) else ()
    samples = {case.id: sample(loaded, entry, case) for case in calls if isinstance(entry, Op)}
    code = {engine.name: pieces(engine, name) for engine in loaded}
    words = next(filter(None, (formula(engine, name) for engine in loaded)), "")
    return Judged(name, results, samples, code, words)


def trained(engine: Engine, name: str, steps: int, dtype: str) -> RunResult:
    """Train a run on an engine in a dtype, or return the reason for skipping it."""
    loaded = adapter(engine)
    (run,) = (run for run in RUNS if run.name == name)
    return skipped(loaded, run, dtype) or check_run(loaded, replace(run, steps=steps), dtype)


def skipped(engine: Adapter, run: Run, dtype: str) -> RunResult | None:
    """The result of a run that is skipped on this engine; None if it is not."""
    reason = skips.reason(engine.name, run.name, executor(engine))
    if not reason:
        return None
    return RunResult(engine.name, run.name, dtype, status="skipped", message=reason)


def hunted(engine: Engine, ops: Sequence[str], seeds: int) -> data.Hunt:
    """Fuzz an engine with the first few seeds."""
    loaded = adapter(engine)
    able = [name for name in ops or BY_NAME if name in loaded.ops and name not in fuzz.UNDRAWN]
    drawn = [name for name in able if not fuzz.refused(name)]  # a check says what torch refuses
    found = fuzz.hunt(loaded, drawn, range(seeds)) if drawn else fuzz.Hunt()
    chosen = f" --op {','.join(drawn)}" if ops else ""
    return {
        "engine": loaded.name,
        "graphs": found.graphs,
        "ops": len(found.ops),
        "status": "failed" if found.failure else "passed",
        "message": found.failure.complaint if found.failure else "",
        "program": found.failure.program() if found.failure else "",
        "reproduce": f"parity fuzz --engine {loaded.name}{chosen}",
    }


def planted(first: int, every: int) -> list[data.Fault]:
    """Plant every every-th fault, starting at first."""
    from .. import faults

    some = [faults.caught(fault) for fault in faults.everything()[first::every]]
    found: Any = [asdict(each) | {"caught": each.caught} for each in some]
    return found


def plantable() -> bool:
    return importlib.util.find_spec("minigrad") is not None
