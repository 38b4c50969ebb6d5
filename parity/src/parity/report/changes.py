"""What got worse or better since an earlier report, ignoring noise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict

from .. import files
from ..bench import comparing
from ..bench.rows import Document, Row
from . import data, speed
from .data import Change, Changes, Report
from .words import eps, listed, plural, times

# Another BLAS or another torch rounds in another order, which changes the worst error of a case by
# less than a factor of FACTOR, or by less than LEAST eps.
FACTOR, LEAST = 2.0, 1.0
RANK = {"passed": 0, "skipped": 1, "failed": 2}


class Move(TypedDict):
    """Of a Change, from what to what."""

    was: str
    now: str
    message: str
    worse: bool


def read(path: Path, schema: int) -> Report:
    """Read a report.json; raises ValueError, with the file's name, if it is not of this schema."""

    def check(found: Any) -> None:
        if found["schema"] != schema:
            raise ValueError(f"its schema is {found['schema']}, this compares {schema}")
        [found[key] for key in ("results", "trainings", "speed", "created", "environment")]

    report: Report = files.load(path, "is no report to compare with", check)
    return report


def since(report: Report, before: Report) -> Changes:
    """Compare everything that is in both reports.

    Errors must have changed by more than FACTOR and LEAST. The errors of finite differences are
    noise, so only their status counts. Speeds are compared by parity.bench.comparing.
    """
    found = [*_checks(report, before), *_trainings(report, before)]
    slower, faster, unlike = _speed(report, before)
    old, new = (_names(each) for each in (before, report))
    return {
        "baseline": {
            "created": before["created"],
            "cpu": before["environment"]["cpu"],
            "python": before["environment"]["python"],
        },
        "worse": [change for change in found if change["worse"]],
        "better": [change for change in found if not change["worse"]],
        "slower": slower,
        "faster": faster,
        "speed_not_compared": unlike,
        "compared": len(old & new),
        "added": len(new - old),
        "gone": sorted(" ".join(name) for name in old - new),
    }


def regressed(changes: Changes) -> bool:
    return bool(changes["worse"] or changes["slower"])


def sentence(changes: Changes) -> str:
    """A sentence that counts the changes."""
    said = [
        f"{len(changes['worse']):,} worse",
        f"{len(changes['better']):,} better",
        f"{len(changes['slower']):,} slower",
        f"{len(changes['faster']):,} faster",
    ]
    rest = [
        f"{changes['added']:,} new" if changes["added"] else "",
        f"{len(changes['gone']):,} in the old report alone" if changes["gone"] else "",
    ]
    more = listed([part for part in rest if part])
    return (
        f"{listed(said)}, of {plural(changes['compared'], 'check')} in both reports"
        f"{'; ' if more else ''}{more}."
    )


def _checks(report: Report, before: Report) -> Iterable[Change]:
    old = {_name(result): result for result in before["results"]}
    for result in report["results"]:
        was = old.get(_name(result))
        if was is None:
            continue
        measured = result["check"] != "differences"
        errors = (was["error"], result["error"]) if measured else (None, None)
        if move := _move(was, result, *errors):
            what = f"{result['case']} {result['check']} {result['dtype']}"
            yield {"engine": result["engine"], "op": result["op"], "what": what, **move}


def _trainings(report: Report, before: Report) -> Iterable[Change]:
    old = {_trained(training): training for training in before["trainings"]}
    for training in report["trainings"]:
        was = old.get(_trained(training))
        if was is not None and (move := _move(was, training)):
            what = f"{training['run']} {training['dtype']}"
            yield {"engine": training["engine"], "op": "", "what": what, **move}


def _move(
    was: data.Result | data.Training,
    now: data.Result | data.Training,
    before: float | None = None,
    after: float | None = None,
) -> Move | None:
    """How a status changed, or else an error that was before; None if neither did."""
    ranks = RANK[was["status"]], RANK[now["status"]]
    if ranks[0] != ranks[1]:
        message = now["message"].strip().partition("\n")[0] or f"was: {was['message'].strip()}"
        return {
            "was": was["status"],
            "now": now["status"],
            "message": message,
            "worse": ranks[1] > ranks[0],
        }
    if now["status"] != "passed" or before is None or after is None:
        return None
    low, high = sorted((before, after))
    if high - low <= LEAST or high <= FACTOR * low:
        return None
    return {
        "was": f"{eps(before)} eps",
        "now": f"{eps(after)} eps",
        "message": "",
        "worse": after > before,
    }


def _speed(report: Report, before: Report) -> tuple[list[Change], list[Change], str]:
    """What is slower, what is faster, and why not everything could be compared, if so."""
    every: list[comparing.Change] = []
    unlike = ""
    for old, new in zip(_timed(before), _timed(report), strict=True):
        try:
            every += comparing.changes(old, new) if old["rows"] and new["rows"] else []
        except ValueError as error:
            unlike = unlike or str(error)
    found: list[Change] = [
        {
            "engine": change.after.engine,
            "op": change.after.op,
            "what": " ".join(
                filter(None, (change.after.item, change.after.phase, change.after.dtype))
            ),
            "was": _spread(change.before),
            "now": _spread(change.after),
            "message": f"{times(change.factor)} times the share of {change.after.against}’s time",
            "worse": change.slower,
        }
        for change in every
        if change.beyond_noise
    ]
    if not every and not unlike:
        unlike = "one of the two reports has no speed"
    return [c for c in found if c["worse"]], [c for c in found if not c["worse"]], unlike


def _timed(report: Report) -> list[Document]:
    """The results of parity.bench and the training runs, as documents of parity.bench."""
    executors = {engine["name"]: engine["executor"] for engine in report["engines"]}
    here = {"environment": report["environment"], "threads": 1, "executors": executors}
    steps = [asdict(row) for row in speed.steps(report)]
    return [report["speed"] or here | {"rows": []}, here | {"rows": steps}]


def _spread(row: Row) -> str:
    return f"{times(row.ratio)} [{times(row.low)}, {times(row.high)}]"


def _names(report: Report) -> set[tuple[str, ...]]:
    return {*map(_name, report["results"]), *map(_trained, report["trainings"])}


def _name(result: data.Result) -> tuple[str, ...]:
    return result["engine"], result["case"], result["check"], result["dtype"]


def _trained(training: data.Training) -> tuple[str, ...]:
    return training["engine"], training["run"], training["dtype"]
