"""Are the gradients torch's, whichever inputs require one and however the inputs are laid out?"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator

from ..engines import Adapter
from ..spec.case import Call, Case, Op, floats
from .calling import (
    CONTIGUOUS,
    Called,
    Layout,
    again,
    call,
    carry_back,
    judge_inputs,
    judge_outputs,
    layouts,
)
from .measure import Measured, MismatchError, compare
from .reference import ONES, PLAIN, Variant, own_errors, reference, scales
from .vacuity import require_gradients


def backward(engine: Adapter, op: Op, case: Case, dtype: str) -> Measured:
    require_gradients(op, case)
    everyone = range(len(floats(case)))
    worst = Measured()

    def judge(
        how: str,
        needs: Collection[int] = everyone,
        variant: Variant = PLAIN,
        layout: Layout = CONTIGUOUS,
    ) -> None:
        nonlocal worst
        called = call(engine, op, case, dtype, needs, variant=variant, layout=layout)
        judge_outputs(called, how)
        carry_back(called)
        judge_inputs(called)
        worst = worst.worst(judge_gradients(called, how))

    for needs in subsets(everyone):
        who = "" if needs == tuple(everyone) else f", only {', '.join(map(str, needs))} needing one"
        judge(f"{PLAIN}{who}", needs)
    for layout in layouts(op, case)[1:]:
        judge(f"{PLAIN}, {layout}", layout=layout)
    for variant in (ONES, *ties(case)):
        judge(str(variant), variant=variant)
    _judge_accumulation(call(engine, op, case, dtype, everyone))
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


def judge_gradients(called: Called, how: str, times: int = 1) -> Measured:
    """Compare the gradients of the inputs in needs; all other inputs must have none.

    times: how often each gradient has been accumulated.
    """
    assert isinstance(called.case, Case)
    of = called.op, called.case, called.variant
    own, sizes = own_errors(*of).gradients, scales(*of)
    worst = Measured()
    for i, want in enumerate(reference(*of).gradients):
        got = called.gradient(i)
        what = f"gradient of floating input {i} ({how})"
        if i not in called.needs or want is None:
            if got is not None:
                raise MismatchError(f"{what}: there should be none")
        elif got is None and called.case.flat and not want.any():
            continue  # where a zero gradient is expected, None is as good
        else:
            error = compare(what, got, times * want, called.dtype, own[i], times * sizes[i])
            worst = worst.worst(Measured.of(error, own[i]))
    return worst


def _judge_accumulation(first: Called) -> None:
    """Require that a second call on the same leaves adds to their gradients."""
    carry_back(first)
    second = again(first)
    carry_back(second)
    judge_gradients(second, "accumulated over two calls", times=2)
