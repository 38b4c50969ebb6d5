"""Small reports to be looked at by tests: of torch and micrograd, on a few ops."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from parity import engines
from parity.checks.determinism import process
from parity.families import families
from parity.report import collect, planning
from parity.spec import BUILT

Report = dict[str, Any]

FEW, PARTS = ("exp", "argmax", "matmul"), ("Tanh", "SGD", "StepLR")


@contextlib.contextmanager
def quiet(title: str, total: int) -> Iterator[Callable[[], object]]:
    yield lambda: None


def small(*judged: Any) -> Report:
    """A quick report of a few ops, parts and steps of a run."""
    few = {name: [op for op in ops if op in FEW] for name, ops in families().items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "families", lambda: few)
        patch.setattr(planning, "BUILT", {name: BUILT[name] for name in PARTS})
        patch.setattr(planning, "QUICK_HUNTS", 0)
        patch.setattr(planning, "process", lambda names, ops, number: process(names, FEW, number))
        judged = judged or (engines.load("torch"), engines.load("micrograd"))
        return collect.collect(judged, quiet, planning.Asked(steps=3, quick=True))
