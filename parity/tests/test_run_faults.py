"""The judge is judged: wrong trainings must be rejected, with the step that first shows it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from run_faults import FAULTS, NAMED, TINY, TORCH, Changed, Fault

from parity.checks.runs import check_run

pytestmark = pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.run}-{fault.wrong.__name__}")
def test_the_fault_is_rejected(altered: Callable[..., Any], fault: Fault, dtype: str) -> None:
    result = check_run(altered(**fault.members()), NAMED[fault.run], dtype)

    assert result.status == "failed", fault.wrong.__doc__
    assert re.match(fault.said, result.message), result.message


def test_only_the_parameter_that_is_wrong_is_named(altered: Callable[..., Any]) -> None:
    (fault,) = (fault for fault in FAULTS if fault.wrong.__name__ == "IsATenThousandthOff")

    result = check_run(altered(**fault.members()), TINY, "float64")

    wrong = [name for name, band in result.gradients.items() if band.error > band.limit]
    assert wrong == ["transformer.h.1.mlp.c_fc.weight"]


def test_the_last_loss_is_held_to_nine_digits(
    altered: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the envelope lets pass."""

    def adam(parameters: Any, lr: float) -> Any:
        return TORCH.package.optim.Adam(parameters, lr=lr * (1 + 1e-7))

    monkeypatch.setattr("parity.checks.envelope.MULTIPLE", float("inf"))
    package = Changed(TORCH.package, {"optim.Adam": adam})
    run = replace(NAMED["sales"], steps=10)

    message = check_run(altered(package=package), run, "float64").message

    assert message.startswith("after the last step: the last loss is ")
    assert check_run(TORCH, run, "float64").message == ""
