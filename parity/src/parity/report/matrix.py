"""The tables of a report: each cell has an engine's worst error. Independent of HTML."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NotRequired, TypedDict, TypeVar

from ..checks.differences import RELATIVE
from ..checks.measure import EPS
from . import data
from .data import Report
from .words import anchor, eps, relative

T = TypeVar("T")
K = TypeVar("K")

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


class Cell(TypedDict):
    kind: Literal["measured", "exact", "failed", "skipped", "none"]
    text: str
    shade: NotRequired[int]  # of what is measured: how many of the bounds it exceeds
    title: NotRequired[str]
    anchor: NotRequired[str]  # of what failed: where the page has its message


class Row(TypedDict):
    """An op or a part."""

    name: str
    family: str
    torch: list[Cell]  # torch's float32, forward and backward of an op
    cells: list[list[Cell]]  # by engine
    states: list[str]  # that the page can filter by: failed, skipped, beyond


class Line(TypedDict):
    """A check of a case in a dtype."""

    check: str
    dtype: str
    torch_error: float | None
    results: list[data.Result | None]  # by engine


def ops(report: Report) -> list[Row]:
    """A row for every op: torch's float32, then the COLUMNS of each engine."""
    found = by_op_and_engine(report)
    rows: list[Row] = []
    for op in report["ops"]:
        per_engine = [found[op["name"], engine["name"]] for engine in report["engines"]]
        own = [result for results in per_engine for result in results]
        cells = [
            [cell([r for r in results if r["check"] in checks]) for checks in COLUMNS.values()]
            for results in per_engine
        ]
        yardsticks = [
            yardstick([r for r in own if r["check"] in COLUMNS[column]])
            for column in ("forward", "backward")
        ]
        rows.append(_row(op["name"], op["family"], yardsticks, cells, own))
    return rows


def parts(report: Report) -> list[Row]:
    """A row for every layer, optimizer, scheduler and model: torch's float32, then each engine."""
    found = by_op_and_engine(report)
    rows: list[Row] = []
    for part in report["parts"]:
        per_engine = [found[part["name"], engine["name"]] for engine in report["engines"]]
        own = [result for results in per_engine for result in results]
        cells = [[cell(results)] for results in per_engine]
        rows.append(_row(part["name"], f"{part['kind']}s", [yardstick(own)], cells, own))
    return rows


def _row(
    name: str,
    family: str,
    yardsticks: list[Cell],
    cells: list[list[Cell]],
    own: list[data.Result],
) -> Row:
    statuses = {result["status"] for result in own}
    pairs = [(result["error"], result["torch_error"]) for result in own]
    beyond = any(
        error is not None and torch is not None and error > max(torch, 1.0)
        for error, torch in pairs
    )
    states = [status for status in ("failed", "skipped") if status in statuses]
    return {
        "name": name,
        "family": family,
        "torch": yardsticks,
        "cells": cells,
        "states": [*states, *(["beyond"] if beyond else [])],
    }


def by(key: Callable[[T], K], entries: Iterable[T]) -> dict[K, list[T]]:
    """Group entries by a key; those of a key that none has are an empty list."""
    found: dict[K, list[T]] = defaultdict(list)
    for entry in entries:
        found[key(entry)].append(entry)
    return found


def by_op_and_engine(report: Report) -> dict[tuple[str, str], list[data.Result]]:
    return by(lambda result: (result["op"], result["engine"]), report["results"])


def cell(results: Sequence[data.Result]) -> Cell:
    """The cell for some results: the worst error, or how many failed with a link to the first."""
    failed = [result for result in results if result["status"] == "failed"]
    passed = [result for result in results if result["status"] == "passed"]
    if failed:
        first = failed[0]
        where = anchor(first["engine"], first["case"], first["check"], first["dtype"])
        return {"kind": "failed", "text": f"✗ {len(failed)}", "anchor": where}
    if not passed:
        return {"kind": "skipped", "text": "skip"} if results else {"kind": "none", "text": "–"}
    measured = [(r["error"], r) for r in passed if r["error"] is not None]
    if not measured:
        right = "exact" if any(r["check"] == "forward" for r in passed) else f"✓ {len(passed)}"
        return {"kind": "exact", "text": right}
    return _measured(*max(measured, key=lambda pair: pair[0]))


def _measured(error: float, top: data.Result) -> Cell:
    title = f"{top['case']}, {top['check']}, {top['dtype']}"
    if top["check"] == "differences":
        share = error * EPS[top["dtype"]]
        shade = sum(share > bound for bound in SHARES)
    else:
        shade = sum(error > bound for bound in SHADES)
    return {"kind": "measured", "text": amount(top), "shade": shade, "title": title}


def yardstick(results: Sequence[data.Result]) -> Cell:
    """The cell for torch's own float32: its worst error on the same cases."""
    errors = [r["torch_error"] for r in results if r["torch_error"] is not None]
    if not errors:
        return {"kind": "none", "text": "–"}
    return error_cell(max(errors))


def error_cell(error: float) -> Cell:
    """An error in eps."""
    shade = sum(error > bound for bound in SHADES)
    return {"kind": "measured", "text": eps(error), "shade": shade, "title": ""}


def checked(results: Sequence[data.Result], engines: Sequence[data.Engine]) -> list[Line]:
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
        for (check, dtype), own in by(lambda r: (r["check"], r["dtype"]), results).items()
    ]


def amount(result: data.Result) -> str:
    """The error of a check as text; empty if there is none."""
    if result["error"] is None:
        return ""
    if result["check"] == "differences":
        return relative(result["error"], result["dtype"])
    return eps(result["error"])
