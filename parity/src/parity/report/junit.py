"""A report as JUnit XML for a CI server; every check is a test case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

Report = dict[str, Any]

# Characters that XML 1.0 cannot contain, not even escaped.
UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml(report: Report) -> str:
    """A suite for each engine, and one for the planted faults."""
    root = ElementTree.Element("testsuites", name="parity")
    for engine in report["engines"]:
        tests = list(_tests(report, engine["name"]))
        statuses = [entry["status"] for _, _, entry in tests]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_text(engine["name"]),
            timestamp=report["created"],
            tests=str(len(tests)),
            failures=str(statuses.count("failed")),
            skipped=str(statuses.count("skipped")),
            errors="0",
            time=f"{sum(entry.get('seconds', 0.0) for _, _, entry in tests):.3f}",
        )
        for group, name, entry in tests:
            _test(suite, f"{engine['name']}.{group}", name, entry)
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
        status = "passed" if fault["caught"] else "failed"
        entry = {"status": status, "message": f"a planted fault was not seen: {fault['story']}"}
        _test(faults, f"faults.{fault['op']}", fault["name"], entry)
    ElementTree.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, "unicode")}\n'


def _tests(report: Report, engine: str) -> Iterator[tuple[str, str, Report]]:
    """The group, name and result of each test of an engine."""
    for result in report["results"]:
        if result["engine"] == engine:
            yield result["op"], f"{result['case']} {result['check']} {result['dtype']}", result
    for run in report["trainings"]:
        if run["engine"] == engine:
            yield "runs", f"{run['run']} {run['dtype']}", run | {"seconds": run["elapsed"]}
    for kind in ("determinism", "fuzz"):
        for entry in report[kind]:
            if entry["engine"] == engine:
                yield kind, kind, entry


def _test(suite: ElementTree.Element, group: str, name: str, entry: Report) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_text(group),
        name=_text(name),
        time=f"{entry.get('seconds', 0.0):.4f}",
    )
    if entry["status"] != "passed":
        tag = "failure" if entry["status"] == "failed" else "skipped"
        first = _text(entry["message"]).strip().partition("\n")[0]
        ElementTree.SubElement(case, tag, message=first).text = _text(entry["message"])


def _text(text: str) -> str:
    return UNWRITABLE.sub("\ufffd", text)
