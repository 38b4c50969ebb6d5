"""A report as JUnit XML for a CI server; every check is a test case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree

from .data import Determinism, Hunt, Report, Result, Status, Training

# Characters that XML 1.0 cannot contain, not even escaped.
UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Test(NamedTuple):
    group: str
    name: str
    status: Status
    message: str
    seconds: float = 0.0


def xml(report: Report) -> str:
    """A suite for each engine, and one for the planted faults."""
    root = ElementTree.Element("testsuites", name="parity")
    for engine in report["engines"]:
        tests = list(_tests(report, engine["name"]))
        statuses = [test.status for test in tests]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_text(engine["name"]),
            timestamp=report["created"],
            tests=str(len(tests)),
            failures=str(statuses.count("failed")),
            skipped=str(statuses.count("skipped")),
            errors="0",
            time=f"{sum(test.seconds for test in tests):.3f}",
        )
        for test in tests:
            _add(suite, engine["name"], test)
    faults = ElementTree.SubElement(
        root,
        "testsuite",
        name="the judge",
        timestamp=report["created"],
        tests=str(len(report["faults"])),
        failures=str(sum(not fault["caught"] for fault in report["faults"])),
        skipped="0",
        errors="0",
        time="0",
    )
    for fault in report["faults"]:
        status: Status = "passed" if fault["caught"] else "failed"
        message = f"a planted fault was not seen: {fault['story']}"
        _add(faults, "faults", Test(fault["op"], fault["name"], status, message))
    ElementTree.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, "unicode")}\n'


def _tests(report: Report, engine: str) -> Iterator[Test]:
    """Every result of an engine as a test."""
    for r in report["results"]:
        if r["engine"] == engine:
            name = f"{r['case']} {r['check']} {r['dtype']}"
            yield Test(r["op"], name, r["status"], _told(r), r["seconds"])
    for t in report["trainings"]:
        if t["engine"] == engine:
            name = f"{t['run']} {t['dtype']}"
            yield Test("runs", name, t["status"], _told(t), t["elapsed"])
    for d in report["determinism"]:
        if d["engine"] == engine:
            yield Test("determinism", "determinism", d["status"], _told(d), d["seconds"])
    for hunt in report["fuzz"]:
        if hunt["engine"] == engine:
            yield Test("fuzz", "fuzz", hunt["status"], _told(hunt))


def _told(entry: Result | Training | Determinism | Hunt) -> str:
    """Its message; for a failure, with the command that repeats it."""
    again = f"\n  {entry['reproduce']}" if entry["status"] == "failed" else ""
    return f"{entry['message']}{again}"


def _add(suite: ElementTree.Element, whose: str, test: Test) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_text(f"{whose}.{test.group}"),
        name=_text(test.name),
        time=f"{test.seconds:.4f}",
    )
    if test.status != "passed":
        tag = "failure" if test.status == "failed" else "skipped"
        first = _text(test.message).strip().partition("\n")[0]
        ElementTree.SubElement(case, tag, message=first).text = _text(test.message)


def _text(text: str) -> str:
    return UNWRITABLE.sub("\ufffd", text)
