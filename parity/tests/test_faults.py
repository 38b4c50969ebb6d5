"""The judge is judged: planted faults must be rejected, each by the checks that can see it."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import minigrad
from parity import checks, engines
from parity.checks.items import applicable
from parity.faults import FAULTS, Fault, caught, everything, parts, rejects
from parity.spec import BY_NAME, FAMILIES, Op

ROOT = Path(__file__).parents[2]
ENGINE = engines.load("minigrad")


def failed(op: Op) -> list[checks.Result]:
    """The failures of an op of minigrad, over all of its cases."""
    results = [
        checks.run(ENGINE, op, case, check, dtype)
        for case in (*op.cases, *op.rejects)
        for check, dtypes in applicable(op, case).items()
        for dtype in dtypes
    ]
    assert results, f"nothing checks {op.name}"
    return [result for result in results if result.status == "failed"]


@pytest.mark.parametrize("name", sorted({fault.name for fault in FAULTS}))
def test_the_right_op_passes(name: str) -> None:
    assert failed(BY_NAME[name]) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_the_fault_is_rejected(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    op = BY_NAME[fault.name]
    if fault.case is None:
        monkeypatch.setattr(minigrad.ops, fault.name, fault.wrong)
    else:
        op = Op(fault.name, op.torch, fault.case)

    failures = failed(op)

    assert {result.check for result in failures} == fault.checks, fault.wrong.__doc__
    others = [result for result in failures if not rejects(result, fault)]
    assert others == [], others[0].message


@pytest.mark.parametrize("id", ["exp-returns_float64", "softmax-has_one_class", "Linear-IsNormal"])
def test_a_report_tells_a_fault_that_is_caught_from_one_that_is_missed(id: str) -> None:
    (fault,) = (fault for fault in everything() if fault.id == id)
    right = getattr(fault.space, fault.name)
    demanding = dataclasses.replace(fault, checks=fault.checks | {"rates"})

    seen, missed = caught(fault), caught(demanding)

    assert (seen.caught, missed.caught) == (True, False)
    assert seen.rejected_by.keys() == missed.rejected_by.keys() == fault.checks
    assert getattr(fault.space, fault.name) is right


def test_a_fault_that_breaks_down_is_not_caught() -> None:
    """Its checks fail, and have judged no number."""

    def breaks_down(x: Any) -> Any:
        raise TypeError

    (fault,) = (fault for fault in FAULTS if fault.id == "exp-returns_float64")

    assert caught(dataclasses.replace(fault, wrong=breaks_down)).rejected_by == {}


def test_there_are_many_and_each_has_its_story() -> None:
    assert len(FAULTS) >= 75
    assert len({fault.id for fault in FAULTS}) == len(FAULTS)
    assert all(fault.wrong.__doc__ for fault in FAULTS)


def test_there_is_a_fault_for_every_family_in_its_file() -> None:
    for family in FAMILIES:
        place = f"parity.faults.{family.__name__.rpartition('.')[2]}"
        names = {fault.name for fault in FAULTS if fault.wrong.__module__ == place}
        assert names, f"no fault in {place}"
        assert names <= {op.name for op in family.OPS}


def test_there_is_a_fault_for_every_rule() -> None:
    section = (ROOT / "parity" / "README.md").read_text(encoding="utf-8")
    section = section[section.index("## How it judges") : section.index("## The interface")]
    rules = {int(number) for number in re.findall(r"^(\d+)\. ", section, re.MULTILINE)}

    assert rules
    assert {fault.rule for fault in FAULTS} - {None} == rules


def test_the_table_of_faults_is_fresh() -> None:
    command = [sys.executable, str(ROOT / ".ci" / "faults.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_table_names_every_fault_and_its_checks() -> None:
    text = (ROOT / "parity" / "docs" / "faults.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]

    planted = [(fault.name, fault.title.replace("_", " "), fault.checks) for fault in FAULTS]
    for fault in parts.FAULTS:
        space = fault.space.__name__.rpartition(".")[2]
        words = re.findall("[A-Z][a-z]*", fault.title)
        planted.append((f"{space}.{fault.name}", " ".join(words).lower(), fault.checks))

    assert len(rows) == len(planted)
    for name, fault, rejecting in planted:
        (row,) = (row for row in rows if row[:2] == [f"| `{name}`", fault])
        assert set(row[3].removesuffix(" |").split(", ")) == rejecting
