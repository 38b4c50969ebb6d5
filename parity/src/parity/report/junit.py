"""A report as JUnit XML for a CI server; every check is a test case."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from .data import Report
from .outcomes import JUDGE, Outcome, outcomes

# Characters that XML 1.0 cannot contain, not even escaped.
UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml(report: Report) -> str:
    """A suite for each engine, and one for the planted faults."""
    root = ElementTree.Element("testsuites", name="parity")
    every = list(outcomes(report))
    for name in (*(engine["name"] for engine in report["engines"]), JUDGE):
        own = [outcome for outcome in every if outcome.engine == name]
        statuses = [outcome.status for outcome in own]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_text(name),
            timestamp=report["created"],
            tests=str(len(own)),
            failures=str(statuses.count("failed")),
            skipped=str(statuses.count("skipped")),
            errors="0",
            time=f"{sum(outcome.seconds for outcome in own):.3f}",
        )
        for outcome in own:
            _add(suite, outcome)
    ElementTree.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, "unicode")}\n'


def _add(suite: ElementTree.Element, outcome: Outcome) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_text(f"{outcome.engine}.{outcome.where}"),
        name=_text(" ".join(outcome.names)),
        time=f"{outcome.seconds:.4f}",
    )
    if outcome.status != "passed":
        failed = outcome.status == "failed"
        message = _text(outcome.message)
        again = f"\n  {_text(outcome.reproduce)}" if failed else ""
        element = ElementTree.SubElement(case, "failure" if failed else "skipped")
        element.set("message", message.strip().partition("\n")[0])
        element.text = f"{message}{again}"


def _text(text: str) -> str:
    return UNWRITABLE.sub("\ufffd", text)
