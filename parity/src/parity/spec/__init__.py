"""The contract: what every op means, by torch, and the cases that show it.

OPS holds the ops in the order in which every engine defines and exports them.
"""

from __future__ import annotations

from . import (
    activation,
    attention,
    comparison,
    convolution,
    creation,
    elementwise,
    embedding,
    indexing,
    linalg,
    loss,
    normalization,
    reduction,
    regularization,
    shape,
)
from .case import Case, Op, Reject

FAMILIES = (
    creation,
    elementwise,
    comparison,
    reduction,
    shape,
    indexing,
    linalg,
    activation,
    normalization,
    attention,
    embedding,
    loss,
    convolution,
    regularization,
)
OPS: tuple[Op, ...] = tuple(op for family in FAMILIES for op in family.OPS)
BY_NAME = {op.name: op for op in OPS}

__all__ = ["BY_NAME", "FAMILIES", "OPS", "Case", "Op", "Reject"]
