"""How long engines take for ops and training steps, as ratios to their rivals."""

from __future__ import annotations

import statistics
from typing import TypedDict

from ..bench.rows import FORWARD, Document, Row, held
from ..bench.scaling import KIND as GROWING
from . import figures, matrix
from .data import Report
from .words import listed, plural, times

STEP = "training step"
TITLES = {STEP: "training steps of the runs", "steps": "training steps, by themselves"}


class Drawn(TypedDict):
    """A figure of ratios, with what the page says about it."""

    id: str
    title: str
    against: str
    open: bool
    figure: figures.Figure


def joined(brought: Document | None, measured: Document | None) -> Document | None:
    """Combine results from a file with those that the report measured itself."""
    if brought is None or measured is None:
        return brought or measured
    ceilings = {
        kind: measured["ceilings"][kind] | brought["ceilings"][kind] for kind in ("copy", "product")
    }
    return brought | {
        "rows": [*brought["rows"], *measured["rows"]],
        "executors": measured["executors"] | brought["executors"],
        "ceilings": ceilings,
    }


def lines(report: Report) -> list[Row]:
    """All measurements: those of parity.bench, then those of the training runs."""
    return [*held(report["speed"]), *steps(report)]


def steps(report: Report) -> list[Row]:
    """The training runs as rows of parity.bench."""
    return [
        Row(
            kind=STEP,
            item=training["run"],
            op="",
            engine=training["engine"],
            against="torch",
            phase=STEP,
            size="",
            dtype=training["dtype"],
            ratio=training["ratio"],
            low=training["low"],
            high=training["high"],
            seconds=training["seconds"],
            against_seconds=training["torch_seconds"],
            collector=True,
        )
        for training in report["trainings"]
        if training["ratio"]
    ]


def summaries(report: Report, pace: list[Row]) -> list[str]:
    """A sentence for each engine with its geometric mean ratios."""
    said = []
    for engine in report["engines"]:
        own = [line for line in pace if line.engine == engine["name"]]
        parts = []
        for (kind, phase, against), some in matrix.by(_compared, own).items():
            if kind == GROWING:
                continue
            mean = statistics.geometric_mean(line.ratio for line in some)
            models = plural(len(some), "model")
            what = {
                STEP: "a training step of the runs",
                "steps": f"a step of {models}",
                "generation": f"a token of {models}",
                "ops": _timed(phase, len({line.op for line in some})),
            }
            parts.append(f"{times(mean)} times as long as {against} for {what[kind]}")
        if parts:
            emulated = engine["executor"].startswith("emulator")
            name = f"{engine['name']}{', on its emulator,' if emulated else ''}"
            said.append(f"{name} takes {listed(parts)}.")
    return said


def _compared(line: Row) -> tuple[str, str, str]:
    """What must be the same in two lines for one sentence or figure to be of both."""
    return line.kind, line.phase, line.against


def _timed(phase: str, ops: int) -> str:
    """The ops of a phase, in words. Only ops without a gradient are timed forward alone."""
    alone = phase == FORWARD
    return f"{phase} of {plural(ops, 'op')}{' without a gradient' if alone else ''}"


def drawn(report: Report, pace: list[Row]) -> list[Drawn]:
    """Figures of ratios, one for each kind of work, phase and rival; the steps first."""
    engines = [engine["name"] for engine in report["engines"]]
    found: list[Drawn] = []
    shown = [line for line in pace if line.kind != GROWING]
    for (kind, phase, against), some in matrix.by(_compared, shown).items():
        found.append(
            {
                "id": f"speed-{len(found)}",
                "title": TITLES.get(kind, f"{kind}: {phase}"),
                "against": against,
                "open": kind in TITLES,
                "figure": figures.ratios(some, engines, against),
            }
        )
    return sorted(found, key=lambda each: not each["open"])
