"""The training runs of a report, in words and tables. Independent of HTML."""

from __future__ import annotations

from collections.abc import Iterable

from .data import Report, Run, Training
from .matrix import Cell, error_cell
from .words import anchor, listed, plural


class Row(Run):
    """A run in the table of all runs."""

    cells: list[Cell]  # torch's float32, then each engine


def described(run: Run) -> str:
    """The settings of a run, as a sentence."""
    parts = [
        f"{run['model']} on {run['data']}",
        run["loss"] or "its own loss",
        run["optimizer"],
        *filter(None, (run["scheduler"], run["clip"])),
    ]
    if run["accumulate"] > 1:
        parts.append(f"{run['accumulate']} batches a step, which torch takes as one")
    return f"{', '.join(parts)}; {plural(run['steps'], 'step')}."


def sentences(report: Report, engine: str) -> list[str]:
    """Sentences about an engine's runs: every failed one, all that passed, every skipped one."""
    own = [t for t in report["trainings"] if t["engine"] == engine]
    said = [
        f"Failed {t['run']}: in {t['dtype']}, {t['message']}."
        for t in own
        if t["status"] == "failed"
    ]
    passed = [t for t in own if t["status"] == "passed"]
    if passed:
        runs = plural(len({t["run"] for t in passed}), "run")
        steps = sum(len(t["loss"]["engine"]) for t in passed)
        dtypes = listed(list(dict.fromkeys(t["dtype"] for t in passed)))
        most = max(passed, key=used)
        said.append(
            f"Trained {runs}, {plural(steps, 'step')} in {dtypes}, within the round-off envelope, "
            f"of which {used(most):.0%} was used at most, by {most['run']}."
        )
    skipped = {t["run"]: t["message"] for t in own if t["status"] == "skipped"}
    return [*said, *(f"Did not train on {run}: {why}." for run, why in skipped.items())]


def used(training: Training) -> float:
    """The largest error of a run that passed, as a share of its limit."""
    bands = [*training["gradients"].values(), *training["weights"].values()]
    losses = training["loss"]
    errors = [*(band["error"] for band in bands), *losses["error"]]
    limits = [*(band["limit"] for band in bands), *losses["limit"]]
    return max(e / limit for e, limit in zip(finite(errors), finite(limits), strict=True))


def finite(numbers: Iterable[float | None]) -> list[float]:
    """The errors or limits of a run that passed: all of them, as none of these is None."""
    return [number for number in numbers if number is not None]


def departures(report: Report) -> list[str]:
    """Where each failed training first deviated from torch's."""
    return [
        f"{t['engine']} · {t['run']} · {t['dtype']}: {t['message']}"
        for t in report["trainings"]
        if t["status"] == "failed"
    ]


def matrix(report: Report) -> list[Row]:
    """A row for every run: how far the losses of torch's float32 and each engine deviate."""
    return [{**run, "cells": _cells(report, run["name"])} for run in report["runs"]]


def _cells(report: Report, run: str) -> list[Cell]:
    own = [t for t in report["trainings"] if t["run"] == run]
    errors = finite(t["loss"]["torch_error"][-1] for t in own if t["status"] == "passed")
    torch: Cell = error_cell(max(errors)) if errors else {"kind": "none", "text": "–"}
    return [
        torch,
        *(_cell([t for t in own if t["engine"] == e["name"]]) for e in report["engines"]),
    ]


def _cell(own: list[Training]) -> Cell:
    failed = [t for t in own if t["status"] == "failed"]
    passed = [t for t in own if t["status"] == "passed"]
    if failed:
        where = anchor(failed[0]["engine"], failed[0]["run"], failed[0]["dtype"])
        return {"kind": "failed", "text": f"✗ {len(failed)}", "anchor": where}
    if not passed:
        return {"kind": "skipped", "text": "skip"}
    worst = [(max(finite(t["loss"]["error"])), t) for t in passed]
    error, top = max(worst, key=lambda pair: pair[0])
    return {**error_cell(error), "title": f"{top['run']}, {top['dtype']}"}


def census(report: Report) -> str:
    """A sentence with the number of runs, trainings and steps, and the time they took."""
    trained = [t for t in report["trainings"] if t["status"] != "skipped"]
    steps = sum(len(t["loss"]["engine"]) for t in trained)
    times = [
        f"{engine['training_seconds']:,.0f} s on {engine['name']}" for engine in report["engines"]
    ]
    return (
        f"{plural(len(report['runs']), 'training run')}, {plural(len(trained), 'training')}, "
        f"{plural(steps, 'step')} beside torch: {listed(times)}."
    )
