"""Small reports to be looked at by tests: of torch and micrograd, on a few ops."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from parity import engines
from parity.checks.determinism import process
from parity.report import collect
from parity.spec import BUILT

Report = dict[str, Any]

FEW, PARTS = ("exp", "argmax", "matmul"), ("Tanh", "SGD", "StepLR")


@contextlib.contextmanager
def quiet(title: str, total: int) -> Iterator[Callable[[], object]]:
    yield lambda: None


def small(*judged: Any) -> Report:
    """A quick report of a few ops, parts and steps of a run."""
    families = collect.families()
    few = {name: tuple(op for op in ops if op.name in FEW) for name, ops in families.items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect, "families", lambda: few)
        patch.setattr(collect, "BUILT", {name: BUILT[name] for name in PARTS})
        patch.setattr(collect, "QUICK_HUNTS", 0)
        patch.setattr(collect, "process", lambda names, ops, number: process(names, FEW, number))
        judged = judged or (engines.load("torch"), engines.load("micrograd"))
        return collect.collect(judged, quiet, collect.Asked(steps=3, quick=True))
