"""What is not finite, or is rounding noise in torch, passes for nothing that steps lead to."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from run_faults import NAMED, TORCH

from parity import checks
from parity.checks.envelope import Band
from parity.checks.measure import EPS, InvalidCaseError, MismatchError
from parity.checks.runs import check_run
from parity.spec import BUILT
from parity.spec.part import New, Steps

INF, NAN = math.inf, math.nan


def required(want: Any, rounded: Any, got: Any) -> None:
    band = Band()
    band.measure(want, rounded, got, EPS["float64"])
    band.require("the loss")


@pytest.mark.parametrize(
    ("want", "rounded"),
    [
        (NAN, NAN),
        (INF, INF),
        ([1.0, INF], [1.0, INF]),
        (1.0, NAN),
        (1.0, INF),
        (None, None),
        ([1.0, 2.0], [1.0, 2.003]),
    ],
)
def test_where_torch_knows_nothing_the_case_is_wrong(want: Any, rounded: Any) -> None:
    with pytest.raises(InvalidCaseError, match=r"^invalid case: the loss is rounding noise"):
        required(want, rounded, want)


@pytest.mark.parametrize("got", [NAN, INF, [1.0, NAN], [1.0, INF], [1.0], None, [1.0, 2.001]])
def test_what_is_not_torchs_is_the_engines_fault(got: Any) -> None:
    with pytest.raises(MismatchError, match=r"^the loss is .* eps from torch's, at most 64$"):
        required([1.0, 2.0], [1.0, 2.0], got)


def test_what_rounding_explains_passes() -> None:
    required([1.0, 2.0], [1.0, 2.0 + 1e-6], [1.0, 2.0 + 1e-14])


def test_a_run_that_diverges_is_no_run() -> None:
    run = replace(NAMED["sales"], optimizer=New(torch.optim.SGD, lr=1e30), scheduler=None)

    result = check_run(TORCH, run, "float64")

    assert result.status == "failed"
    assert "invalid case: the " in result.message


def test_steps_that_overflow_are_no_case() -> None:
    case = Steps(lr=3e38, momentum=2.0)
    case.id = "SGD[99]"

    result = checks.run(TORCH, BUILT["SGD"], case, "steps", "float64")

    assert "invalid case: step 1: parameter 0 is rounding noise: " in result.message
