"""The tables of a report: each cell has an engine's worst error. Independent of HTML."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Literal, NotRequired, TypedDict, TypeVar

from ..checks import CHECKS
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
# The columns of an op's engine, and the checks that each combines; then the column of a part's.
COLUMNS = {
    "forward": ("forward", "stochastic"),
    "backward": ("backward",),
    "differences": ("differences",),
    "rejects": ("rejects",),
}
WHOLE = {"all checks": CHECKS}


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
    heads: list[str]  # the columns of each engine
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
    named = [(op["name"], op["family"]) for op in report["ops"]]
    return _rows(report, named, COLUMNS, ("forward", "backward"))


def parts(report: Report) -> list[Row]:
    """A row for every layer, optimizer, scheduler and model: torch's float32, then each engine."""
    named = [(part["name"], f"{part['kind']}s") for part in report["parts"]]
    return _rows(report, named, WHOLE, WHOLE)


def _rows(
    report: Report,
    named: Iterable[tuple[str, str]],
    columns: Mapping[str, Collection[str]],
    measured: Iterable[str],
) -> list[Row]:
    """Rows for these names and families; measured: the columns that torch's float32 has, too."""
    found = by(lambda result: (result["op"], result["engine"]), report["results"])

    def of(results: list[data.Result], column: str) -> list[data.Result]:
        return [result for result in results if result["check"] in columns[column]]

    rows: list[Row] = []
    for name, family in named:
        per_engine = [found[name, engine["name"]] for engine in report["engines"]]
        own = [result for results in per_engine for result in results]
        rows.append(
            {
                "name": name,
                "family": family,
                "heads": list(columns),
                "torch": [yardstick(of(own, column)) for column in measured],
                "cells": [[cell(of(each, column)) for column in columns] for each in per_engine],
                "states": _states(own),
            }
        )
    return rows


def _states(own: Sequence[data.Result]) -> list[str]:
    statuses = {result["status"] for result in own}
    beyond = any(
        result["error"] is not None
        and result["torch_error"] is not None
        and result["error"] > max(result["torch_error"], 1.0)
        for result in own
    )
    states = [status for status in ("failed", "skipped") if status in statuses]
    return [*states, *(["beyond"] if beyond else [])]


def by(key: Callable[[T], K], entries: Iterable[T]) -> dict[K, list[T]]:
    """Group entries by a key; those of a key that none has are an empty list."""
    found: dict[K, list[T]] = defaultdict(list)
    for entry in entries:
        found[key(entry)].append(entry)
    return found


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
