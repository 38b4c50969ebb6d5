"""Is the value torch's for every layout of the inputs, and so are the inputs after the call?"""

from __future__ import annotations

from ..engines import Adapter
from ..spec.case import Case, Op
from .calling import call, judge_inputs, judge_leaves, judge_outputs, layouts
from .measure import Measured
from .reference import PLAIN
from .vacuity import require_outputs


def forward(engine: Adapter, op: Op, case: Case, dtype: str) -> Measured:
    require_outputs(op, case)
    worst = Measured()
    for layout in layouts(op, case):
        called = call(engine, op, case, dtype, layout=layout)
        worst = worst.worst(judge_outputs(engine, op, case, dtype, called, str(layout), PLAIN))
        worst = worst.worst(judge_inputs(engine, op, case, dtype, called))
        judge_leaves(engine, op, case, called)
    return worst
