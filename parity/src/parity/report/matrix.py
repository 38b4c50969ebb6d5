"""The tables of a report: each cell has an engine's worst error. Independent of HTML."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ..checks.differences import RELATIVE
from ..checks.measure import EPS
from .words import anchor, eps, relative

Report = dict[str, Any]

# Upper bounds of the shades, in eps; the last shade has none.
SHADES = (0.5, 1.0, 2.0, 4.0, 8.0)
# The bounds for finite differences, relative to the slope.
SHARES = tuple(RELATIVE * 10.0**power for power in (-5, -4, -3, -2, -1))
# The columns of an engine, and the checks that each combines.
COLUMNS = {
    "forward": ("forward", "stochastic"),
    "backward": ("backward",),
    "differences": ("differences",),
    "rejects": ("rejects",),
}


def ops(report: Report) -> list[Report]:
    """A row for every op: torch's float32, then the COLUMNS of each engine."""
    found = by(report["results"], "op", "engine")
    rows: list[Report] = []
    for op in report["ops"]:
        per_engine = [found[op["name"], engine["name"]] for engine in report["engines"]]
        own = [result for results in per_engine for result in results]
        cells = [
            cell([r for r in results if r["check"] in checks]) | {"column": column, "engine": i}
            for i, results in enumerate(per_engine)
            for column, checks in COLUMNS.items()
        ]
        yardsticks = [
            yardstick([r for r in own if r["check"] in COLUMNS[c]]) for c in list(COLUMNS)[:2]
        ]
        rows.append(_row(op, op["family"], yardsticks, cells, own) | {"place": len(rows)})
    return rows


def parts(report: Report) -> list[Report]:
    """A row for every layer, optimizer, scheduler and model: torch's float32, then each engine."""
    found = by(report["results"], "op", "engine")
    rows: list[Report] = []
    for part in report["parts"]:
        per_engine = [found[part["name"], engine["name"]] for engine in report["engines"]]
        own = [result for results in per_engine for result in results]
        cells = [cell(r) | {"column": "all", "engine": i} for i, r in enumerate(per_engine)]
        family = f"{part['kind']}s"
        rows.append(_row(part, family, [yardstick(own)], cells, own) | {"place": len(rows)})
    return rows


def _row(
    entry: Report, family: str, yardsticks: list[Report], cells: list[Report], own: list[Report]
) -> Report:
    statuses = {result["status"] for result in own}
    beyond = any(
        None not in (r["error"], r["torch_error"]) and r["error"] > max(r["torch_error"], 1.0)
        for r in own
    )
    states = [status for status in ("failed", "skipped") if status in statuses]
    return {
        "name": entry["name"],
        "family": family,
        "torch": yardsticks,
        "cells": cells,
        "states": [*states, *(["beyond"] if beyond else [])],
    }


def by(entries: Sequence[Report], *keys: str) -> dict[Any, list[Report]]:
    """Group entries by the value of a key, or by a tuple of the values of several."""
    found: dict[Any, list[Report]] = defaultdict(list)
    for entry in entries:
        found[tuple(entry[key] for key in keys) if len(keys) > 1 else entry[keys[0]]].append(entry)
    return found


def cell(results: Sequence[Report]) -> Report:
    """The cell for some results: the worst error, or how many failed with a link to the first."""
    failed = [result for result in results if result["status"] == "failed"]
    passed = [result for result in results if result["status"] == "passed"]
    if failed:
        first = failed[0]
        where = anchor(first["engine"], first["case"], first["check"], first["dtype"])
        return {"kind": "failed", "text": f"✗ {len(failed)}", "anchor": where}
    if not passed:
        return {"kind": "skipped", "text": "skip"} if results else {"kind": "none", "text": "–"}
    measured = [result for result in passed if result["error"] is not None]
    if not measured:
        right = "exact" if any(r["check"] == "forward" for r in passed) else f"✓ {len(passed)}"
        return {"kind": "exact", "text": right}
    return _measured(max(measured, key=lambda result: result["error"]))


def _measured(top: Report) -> Report:
    title = f"{top['case']}, {top['check']}, {top['dtype']}"
    if top["check"] == "differences":
        share = top["error"] * EPS[top["dtype"]]
        shade = sum(share > bound for bound in SHARES)
    else:
        shade = sum(top["error"] > bound for bound in SHADES)
    return {"kind": "measured", "text": amount(top), "shade": shade, "title": title}


def yardstick(results: Sequence[Report]) -> Report:
    """The cell for torch's own float32: its worst error on the same cases."""
    errors = [r["torch_error"] for r in results if r["torch_error"] is not None]
    if not errors:
        return {"kind": "none", "text": "–"}
    return error_cell(max(errors))


def error_cell(error: float) -> Report:
    """An error in eps."""
    shade = sum(error > bound for bound in SHADES)
    return {"kind": "measured", "text": eps(error), "shade": shade, "title": ""}


def checked(results: Sequence[Report], engines: Sequence[Report]) -> list[Report]:
    """A row for every check of a case, with each engine's result, or None."""
    return [
        {
            "check": check,
            "dtype": dtype,
            "torch_error": own[0]["torch_error"],
            "results": [
                next((r for r in own if r["engine"] == engine["name"]), None) for engine in engines
            ],
        }
        for (check, dtype), own in by(results, "check", "dtype").items()
    ]


def amount(result: Report) -> str:
    """The error of a check as text; empty if there is none."""
    if result["error"] is None:
        return ""
    if result["check"] == "differences":
        return relative(result["error"], result["dtype"])
    return eps(result["error"])
