"""Every case of the spec as a graph: captured with some numbers, replayed with others."""

from __future__ import annotations

import pytest

from parity import engines
from parity.checks.captured import captured
from parity.spec import OPS
from parity.spec.case import Op

ENGINE = engines.load("minigrad")


@pytest.mark.parametrize("dtype", ENGINE.dtypes)
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_graph_has_the_bits_of_the_op(op: Op, dtype: str) -> None:
    assert {case.id: captured(ENGINE, op, case, dtype) for case in op.cases} == {
        case.id: "" for case in op.cases
    }
