"""Check, train and repeat with a progress bar, for the commands that write no report."""

from __future__ import annotations

from collections.abc import Sequence

from .. import checks
from ..checks.determinism import Determinism, determinism
from ..checks.runs import RunResult, check_run
from ..engines import Adapter
from ..pool import Stage
from ..spec import skips
from ..spec.run import Run
from .words import plural
from .work import skipped


def judge(engine: Adapter, items: Sequence[checks.Item], stage: Stage) -> list[checks.Result]:
    """Run checks, and return their results."""
    results = []
    with stage(f"{engine.name}: {plural(len(items), 'check')}", len(items)) as advance:
        for item in items:
            results.append(checks.run(engine, item.op, item.case, item.check, item.dtype))
            advance()
    return results


def train(engine: Adapter, run: Run, dtypes: Sequence[str], stage: Stage) -> list[RunResult]:
    """Train a run on an engine, once in each dtype."""
    results = []
    for dtype in dtypes:
        if reason := skipped(engine, run, dtype):
            results.append(reason)
            continue
        title = f"{engine.name}: {run.name} in {dtype}, {plural(run.steps, 'step')}"
        with stage(title, run.steps) as advance:
            results.append(check_run(engine, run, dtype, advance))
    return results


def repeat(engine: Adapter, ops: Sequence[str], processes: int, stage: Stage) -> Determinism:
    """Compare the bits of an engine between processes."""
    if reason := skips.reason(engine.name, "determinism"):
        return Determinism(engine.name, processes, status="skipped", message=reason)
    with stage(f"{engine.name}: {processes} processes", processes) as advance:
        return determinism(engine.name, ops, processes, advance)
