"""What minigrad's pullbacks return is theirs to give away: backward hands it to leaves uncopied."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad.engine import made
from parity import engines, spec
from parity.spec.case import transform, variable

MINIGRAD = engines.load("minigrad")


def given_away(op: spec.Op) -> list[tuple[list[Any], list[Any]]]:
    """Of each case: the arrays that a second pull hands over, and those that others hold."""
    found = []
    for case in op.cases:
        leaves: list[minigrad.Tensor] = []

        def tensor(array: Any, leaves: list[minigrad.Tensor] = leaves) -> Any:
            leaves.append(minigrad.tensor(array, requires_grad=variable(array)))
            return leaves[-1]

        args, kwargs = transform(tensor, case.inputs())
        outputs = MINIGRAD.call(op.name, *args, **kwargs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        for output in outputs[:1]:
            if output.pullback is None:  # it needs no gradient, or is a leaf: zeros
                continue
            dout = np.random.default_rng(0).normal(size=output.shape).astype(output.dtype)
            with np.errstate(all="ignore"):
                before, again = output.pull(dout), output.pull(dout)
            new = [grad for grad in again if isinstance(grad, np.ndarray) and made(grad, dout)]
            others = [grad for grad in before if isinstance(grad, np.ndarray)]
            found.append((new, [output.data, *(leaf.data for leaf in leaves), *others]))
    return found


@pytest.mark.parametrize("op", spec.OPS, ids=lambda op: op.name)
def test_a_pullback_gives_away_no_array_that_it_keeps(op: spec.Op) -> None:
    for new, held in given_away(op):
        assert not any(np.may_share_memory(a, b) for a in new for b in held)
        assert not any(np.may_share_memory(a, b) for a, b in combinations(new, 2))
