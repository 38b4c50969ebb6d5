"""Every case of the spec as a graph: captured with some numbers, replayed with others."""

from __future__ import annotations

import pytest

from parity import engines
from parity.checks.captured import captured
from parity.spec import OPS
from parity.spec.case import Op

ENGINE = engines.load("cudagrad")
# Which places a mask names, how many classes there are, and 0-d indices and masks are asked for on
# the host; so are numbers in lists, which the index then has.
REFUSED: dict[str, set[int]] = {
    "masked_fill": {7},
    "getitem": {16, 17, 18, 22, 24, 31, 32, 33, 34, 35, 39, 41, 42, 44, 45},
    "one_hot": {0, 3, 4},
}


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_graph_has_the_bits_of_the_op(op: Op) -> None:
    why = {case.id: captured(ENGINE, op, case, "float32") for case in op.cases}
    refused = {f"{op.name}[{i}]" for i in REFUSED.get(op.name, ())}

    assert {id for id, message in why.items() if message} == refused
    assert all("which a graph cannot repeat" in why[id] for id in refused)
