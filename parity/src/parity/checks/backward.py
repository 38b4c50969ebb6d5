"""Are the gradients torch's, whichever inputs require one and however the inputs are laid out?"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator

from ..engines import Adapter
from ..spec.case import Call, Case, Op
from .calling import (
    CONTIGUOUS,
    Called,
    Layout,
    call,
    carry_back,
    judge_inputs,
    judge_outputs,
    layouts,
)
from .measure import Measured, MismatchError, compare
from .reference import ONES, PLAIN, Variant, floats, own_errors, reference, scales
from .vacuity import require_gradients


def backward(engine: Adapter, op: Op, case: Case, dtype: str) -> Measured:
    require_gradients(op, case)
    everyone = range(len(floats(case)))
    worst = Measured()

    def judge(
        how: str, variant: Variant, needs: Collection[int], layout: Layout = CONTIGUOUS
    ) -> None:
        nonlocal worst
        called = call(engine, op, case, dtype, needs, layout=layout, tied=variant.tied)
        judge_outputs(engine, op, case, dtype, called, how, variant)
        carry_back(engine, op, case, dtype, called, variant, layout)
        judge_inputs(engine, op, case, dtype, called, variant)
        found = judge_gradients(engine, op, case, dtype, called, how, variant, needs)
        worst = worst.worst(found)

    for needs in subsets(everyone):
        who = "" if needs == tuple(everyone) else f", only {', '.join(map(str, needs))} needing one"
        judge(f"{PLAIN}{who}", PLAIN, needs)
    judge(str(ONES), ONES, everyone)
    for layout in layouts(op, case)[1:]:
        judge(f"{PLAIN}, {layout}", PLAIN, everyone, layout)
    for variant in ties(case):
        judge(str(variant), variant, everyone)
    _judge_accumulation(engine, op, case, dtype)
    return worst


def subsets(positions: range) -> Iterator[tuple[int, ...]]:
    """All non-empty subsets, largest first; of more than four positions only all, and each one."""
    sizes = range(1, len(positions) + 1) if len(positions) <= 4 else (1, len(positions))
    for size in reversed(sizes):
        yield from itertools.combinations(positions, size)


def ties(case: Call) -> list[Variant]:
    """The variants that pass one tensor twice: every pair of floating inputs of one shape."""
    shapes = [array.shape for array in floats(case)]
    pairs = itertools.combinations(range(len(shapes)), 2)
    return [Variant(tied=(i, j)) for i, j in pairs if shapes[i] == shapes[j]]


def judge_gradients(
    engine: Adapter,
    op: Op,
    case: Case,
    dtype: str,
    called: Called,
    how: str,
    variant: Variant,
    needs: Collection[int],
    times: int = 1,
) -> Measured:
    """Compare the gradients of the inputs in needs; all other inputs must have none.

    times: how often each gradient has been accumulated.
    """
    worst = Measured()
    own, sizes = own_errors(op, case, variant).gradients, scales(op, case, variant)
    for i, want in enumerate(reference(op, case, variant).gradients):
        got = called.gradient(engine, i)
        what = f"gradient of floating input {i} ({how})"
        if i not in needs or want is None:
            if got is not None:
                raise MismatchError(f"{what}: there should be none")
        elif got is None and case.flat and not want.any():
            continue  # where a zero gradient is expected, None is as good
        else:
            error = compare(what, got, times * want, dtype, own[i], times * sizes[i])
            worst = worst.worst(Measured.of(error, own[i]))
    return worst


def _judge_accumulation(engine: Adapter, op: Op, case: Case, dtype: str) -> None:
    """Require that a second call on the same leaves adds to their gradients."""
    everyone = range(len(floats(case)))
    first = call(engine, op, case, dtype, everyone)
    carry_back(engine, op, case, dtype, first)
    second = call(engine, op, case, dtype, everyone, into=first)
    carry_back(engine, op, case, dtype, second)
    how = "accumulated over two calls"
    judge_gradients(engine, op, case, dtype, second, how, PLAIN, everyone, times=2)
