"""All that a report judges in one form, whatever it is: it passed, failed or was skipped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from .data import Determinism, Hunt, Report, Result, Status, Training
from .words import anchor, listed

JUDGE = "the judge"  # stands where others have their engine: a planted fault tries the judge itself


class Outcome(NamedTuple):
    """How a check, a training, a comparison of bits, a hunt or a planted fault went."""

    engine: str
    names: tuple[str, ...]  # which tell it from the engine's others
    status: Status
    message: str
    reproduce: str  # the command that repeats it
    seconds: float = 0.0
    op: str = ""  # or the part; empty if it is of none alone
    case: str = ""
    error: float | None = None

    @property
    def key(self) -> tuple[str, ...]:
        return self.engine, *self.names

    @property
    def where(self) -> str:
        """The op, part or run, in a word."""
        return self.op or self.names[0]

    @property
    def what(self) -> str:
        return " · ".join(self.names)

    @property
    def anchor(self) -> str:
        """The place of a failure in the page."""
        return anchor(*self.key)


def outcomes(report: Report) -> Iterator[Outcome]:
    """Everything in a report that has a status."""
    for r in report["results"]:
        own = {key: r[key] for key in ("seconds", "op", "case", "error")}
        yield _outcome(r, r["case"], r["check"], r["dtype"], **own)
    for t in report["trainings"]:
        yield _outcome(t, t["run"], t["dtype"], seconds=t["elapsed"])
    for d in report["determinism"]:
        yield _outcome(d, "determinism", seconds=d["seconds"])
    for hunt in report["fuzz"]:
        told = f"{hunt['message']}\n\n{hunt['program']}".strip()
        yield _outcome(hunt, "random graphs")._replace(message=told)
    for fault in report["faults"]:
        blind = [check for check in fault["wanted"] if check not in fault["rejected_by"]]
        missed = f"a planted fault was not seen by {listed(blind)}: {fault['story']}"
        yield Outcome(
            JUDGE,
            (f"{fault['op']} that {fault['name']}",),
            "passed" if fault["caught"] else "failed",
            "" if fault["caught"] else missed,
            "pytest parity/tests/test_faults.py parity/tests/test_parts.py",
            op=fault["op"],
        )


def _outcome(entry: Result | Training | Determinism | Hunt, *names: str, **more: Any) -> Outcome:
    engine, status = entry["engine"], entry["status"]
    return Outcome(engine, names, status, entry["message"], entry["reproduce"], **more)
