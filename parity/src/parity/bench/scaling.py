"""How time grows with size: some ops, and a GPT's training step, at sizes that keep doubling.

Every engine starts at the same small size; an engine of scalars stops early.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from .. import spec
from ..engines import Adapter
from ..spec.case import Case, named, randn
from . import steps
from .ceilings import Ceilings
from .items import Item, of_gpt
from .ops import compared, groups
from .rows import Row
from .workloads import Workload

KIND = "scaling"
# Sizes, and how many of them an engine of scalars is timed at: elements, sides of matrices, widths.
NUMBERS, FEW = tuple(2**k for k in range(6, 18)), 5
SIDES, FEW_SIDES = tuple(2**k for k in range(2, 8)), 4
WIDTHS, FEW_WIDTHS = (8, 16, 32, 64, 128), 3
PAIRS, TURN = 3, 5e-4


def _call(name: str, n: int) -> Case:
    """An op on n numbers, in rows; matmul on two n × n matrices."""
    if name == "matmul":
        return Case(randn(n, n), randn(n, n))
    columns = min(n, 64)
    x = randn(n // columns, columns)
    if name == "softmax":
        return Case(x, dim=-1)
    if name == "layer_norm":
        return Case(x, (columns,), randn(columns), randn(columns))
    return Case(x)


OPS = {
    **dict.fromkeys(("exp", "softmax", "layer_norm"), (NUMBERS, FEW)),
    "matmul": (SIDES, FEW_SIDES),
}


def gpt(width: int, dtype: str) -> Item:
    """A GPT with one layer and a context of 16 tokens."""
    sizes = {"vocab_size": 27, "block_size": 16, "n_layer": 1, "n_head": 4, "n_embd": width}
    return of_gpt("GPT", sizes, 1, "AdamW", 1e-3, 1.0, dtype, block=1)


def planned(
    engines: Sequence[Adapter], rival: Adapter, ceilings: Ceilings
) -> Iterator[Callable[[], list[Row]]]:
    """A function for every measurement: each op and the GPT at each of its sizes."""
    for members, dtype in reversed(groups(engines)):  # the quickest first
        scalars = dtype == "float64"
        for name, (sizes, few) in OPS.items():
            for n in sizes[: few if scalars else None]:
                yield partial(_op, name, n, members, rival, dtype, ceilings)
        for width in WIDTHS[: FEW_WIDTHS if scalars else None]:
            for engine in members:
                yield partial(_step, width, engine, dtype)


def _op(
    name: str, n: int, members: list[Adapter], rival: Adapter, dtype: str, ceilings: Ceilings
) -> list[Row]:
    case = named(_call(name, n), f"{name}@{n}[0]")
    work = Workload(spec.BY_NAME[name], case, str(n))
    rows = compared(work, members, [rival], dtype, ceilings, PAIRS, TURN, last=True)
    return [replace(row, kind=KIND) for row in rows if row.against == rival.name]


def _step(width: int, engine: Adapter, dtype: str) -> list[Row]:
    item = gpt(width, dtype)
    rows = steps.run(item, engine, PAIRS, collector=True)
    own = (row for row in rows if row.engine == engine.name)
    return [replace(row, kind=KIND, size=str(width), elements=item.parameters) for row in own]
