"""Every case of the spec as a graph: captured with some numbers, replayed with others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad.graph import Graph
from parity import engines
from parity.checks import MismatchError
from parity.checks.captured import captured
from parity.spec import BY_NAME, OPS
from parity.spec.case import Op

ENGINE = engines.load("minigrad")
EXP = BY_NAME["exp"]
TABLE = np.arange(10, dtype=np.float32)


@pytest.mark.parametrize("dtype", ENGINE.dtypes)
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_graph_has_the_bits_of_the_op(op: Op, dtype: str) -> None:
    assert {case.id: captured(ENGINE, op, case, dtype) for case in op.cases} == {
        case.id: "" for case in op.cases
    }


@minigrad.op
def leaky(x: Any) -> Any:
    """exp, by a table that NumPy does not tell of."""
    y = np.exp(TABLE[x.astype(np.int64)] + x)
    return y, lambda dout: dout * y


def test_what_a_graph_cannot_see_through_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minigrad.ops, "exp", leaky)
    assert captured(ENGINE, EXP, EXP.cases[0], "float32").startswith(
        "add came with one array, or number"
    )


def test_a_graph_with_other_numbers_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = Graph.replay

    def shorter(graph: Graph) -> bool:
        del graph.calls[1]
        return replay(graph)

    monkeypatch.setattr(Graph, "replay", shorter)
    with pytest.raises(MismatchError, match="call 3 of a graph"):
        captured(ENGINE, EXP, EXP.cases[0], "float32")


def test_a_graph_that_is_never_replayed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Graph, "replay", lambda graph: False)
    assert captured(ENGINE, EXP, EXP.cases[0], "float32").endswith("the step runs as it is")
