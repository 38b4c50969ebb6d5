"""The judge is judged: planted faults must be rejected, each by the checks that can see it."""

from __future__ import annotations

import faults_of_arrays  # noqa: F401 - enters its faults
import faults_of_networks  # noqa: F401
import pytest
from faults import FAULTS, Fault

import minigrad
from parity import checks, engines

ENGINE = engines.load("minigrad")


def rejected_by(name: str) -> frozenset[str]:
    """The checks that fail for an op of minigrad, on any case."""
    results = [
        checks.run(ENGINE, item.op, item.case, item.check, item.dtype)
        for item in checks.cases(ENGINE, ops=[name])
    ]
    assert results, f"nothing checks {name}"
    return frozenset(result.check for result in results if result.status == "failed")


@pytest.mark.parametrize("name", sorted({fault.name for fault in FAULTS}))
def test_the_right_op_passes(name: str) -> None:
    assert rejected_by(name) == frozenset()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_the_fault_is_rejected(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minigrad.ops, fault.name, fault.wrong)

    assert rejected_by(fault.name) == fault.checks, fault.wrong.__doc__


def test_there_are_many_and_each_has_its_story() -> None:
    assert len(FAULTS) >= 25
    assert len({fault.id for fault in FAULTS}) == len(FAULTS)
    assert all(fault.wrong.__doc__ for fault in FAULTS)
