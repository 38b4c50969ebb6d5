"""Is the value torch's for every layout of the inputs, and so are the inputs after the call?"""

from __future__ import annotations

from ..engines import Adapter
from ..spec.case import Case, Op
from .calling import call, judge_inputs, judge_leaves, judge_outputs, layouts
from .measure import Measured
from .vacuity import require_outputs


def forward(engine: Adapter, op: Op, case: Case, dtype: str) -> Measured:
    require_outputs(op, case)
    worst = Measured()
    for layout in layouts(op, case):
        called = call(engine, op, case, dtype, layout=layout)
        worst = worst.worst(judge_outputs(called, str(layout)))
        worst = worst.worst(judge_inputs(called))
        judge_leaves(called)
    return worst
