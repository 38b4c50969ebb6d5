"""What goes into a case and comes out of it is told as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from parity import engines
from parity.checks.samples import head, sample
from parity.report.code import pieces
from parity.spec import BY_NAME
from parity.spec.case import Case, Op, randn

SOFTMAX = BY_NAME["softmax"]


def test_a_case_has_inputs_outputs_and_gradients() -> None:
    values = sample([engines.load("minigrad")], SOFTMAX, SOFTMAX.cases[1])
    (x,), _ = SOFTMAX.cases[1].inputs()

    assert [value.what for value in values] == [
        "input 0",
        "output 0",
        "gradient of floating input 0",
    ]
    assert values[0].want == head(x)
    assert values[1].want == head(torch.softmax(torch.tensor(x), 1).numpy())
    for value in values[1:]:
        (got,) = value.got
        assert (got.engine, got.head) == ("minigrad", "")
        assert got.error is not None
        assert got.error < 4


def test_where_an_engine_is_wrong_is_told_in_full(with_op: Callable[..., Any]) -> None:
    def wrong(x: torch.Tensor, dim: int) -> torch.Tensor:
        y = torch.softmax(x, dim)
        return y + torch.eye(3, 5, dtype=y.dtype)[:, [0, 4, 4, 4, 4]] * 0.5

    (got,) = sample([with_op(softmax=wrong)], SOFTMAX, SOFTMAX.cases[1])[1].got

    assert got.at == "[0, 0, 0]"
    assert float(got.got) == float(got.want) + 0.5
    assert got.head != ""


def test_what_was_raised_is_told(with_op: Callable[..., Any]) -> None:
    def broken(x: torch.Tensor, dim: int) -> torch.Tensor:
        raise ArithmeticError("no luck")

    values = sample([with_op(softmax=broken)], SOFTMAX, SOFTMAX.cases[1])

    assert [got.head for got in values[1].got] == ["ArithmeticError: no luck"]
    assert [got.head for got in values[2].got] == ["nothing"]


def test_of_a_case_that_torch_refuses_there_is_nothing_to_show() -> None:
    op = Op("softmax", torch.softmax, Case(randn(2, 3), dim=5))

    assert sample([engines.load("minigrad")], op, op.cases[0]) == []


def test_a_refusal_is_told_in_the_words_of_the_engine() -> None:
    refused = sample([engines.load("minigrad")], SOFTMAX, SOFTMAX.rejects[0])[-1]

    assert (refused.what, refused.want) == ("refusal", "IndexError")
    assert refused.got[0].head.startswith("IndexError: softmax: dim 2 is out of range")


def test_what_is_random_has_its_inputs_alone() -> None:
    dropout = BY_NAME["dropout"]
    case = next(case for case in dropout.cases if case.chance)

    assert {value.what for value in sample([engines.load("minigrad")], dropout, case)} == {
        "input 0"
    }


def test_the_code_of_an_op_is_found_with_what_it_calls() -> None:
    for name, called in {
        "micrograd": "micrograd/scalar.py",
        "minigrad": "minigrad/ops/activation.py",
        "cudagrad": "cudagrad/kernels/softmax.py",
    }.items():
        first, *rest = pieces(engines.load(name), "softmax")

        assert first.name == "softmax"
        assert first.file == f"{name}/ops/activation.py"
        assert "def softmax(x" in first.text
        assert called in {piece.file for piece in rest}
    assert [piece.name for piece in pieces(engines.load("minigrad"), "Adam")] == ["Adam"]
    assert pieces(engines.load("torch"), "softmax") == []
