"""What got worse or better since an earlier report, ignoring noise."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import files
from ..bench import comparing
from ..bench.rows import Document, Row
from . import speed
from .data import Change, Changes, Report
from .outcomes import Outcome, outcomes
from .words import eps, listed, plural, times

# Another BLAS or another torch rounds in another order, which changes the worst error of a case by
# less than a factor of FACTOR, or by less than LEAST eps.
FACTOR, LEAST = 2.0, 1.0
RANK = {"passed": 0, "skipped": 1, "failed": 2}


def read(path: Path, schema: int) -> Report:
    """Read a report.json; raises ValueError, with the file's name, if it is not of this schema."""

    def check(found: Any) -> None:
        if found["schema"] != schema:
            raise ValueError(f"its schema is {found['schema']}, this compares {schema}")
        [found[key] for key in Report.__annotations__]

    report: Report = files.load(path, "is no report to compare with", check)
    return report


def since(report: Report, before: Report) -> Changes:
    """Compare everything that is in both reports.

    Errors must have changed by more than FACTOR and LEAST. The errors of finite differences are
    noise, so only their status counts. Speeds are compared by parity.bench.comparing.
    """
    old, new = ({each.key: each for each in outcomes(one)} for one in (before, report))
    both = [key for key in new if key in old]
    found = [change for key in both if (change := _change(old[key], new[key]))]
    slower, faster, unlike = _speed(report, before)
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
        "compared": len(both),
        "added": len(new) - len(both),
        "gone": sorted(" ".join(key) for key in old.keys() - new.keys()),
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


def _change(was: Outcome, now: Outcome) -> Change | None:
    """How a status changed, or else an error; None if neither did."""
    message = ""
    if was.status != now.status:
        shown: tuple[str, str] = was.status, now.status
        worse = RANK[now.status] > RANK[was.status]
        message = now.message.strip().partition("\n")[0] or f"was: {was.message.strip()}"
    elif now.status == "passed" and was.error is not None and now.error is not None:
        low, high = sorted((was.error, now.error))
        if "differences" in now.names or high - low <= LEAST or high <= FACTOR * low:
            return None
        shown = f"{eps(was.error)} eps", f"{eps(now.error)} eps"
        worse = now.error > was.error
    else:
        return None
    return {
        "engine": now.engine,
        "op": now.op,
        "what": " ".join(now.names),
        "was": shown[0],
        "now": shown[1],
        "message": message,
        "worse": worse,
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
