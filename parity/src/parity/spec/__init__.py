"""The contract: what every op means, by torch, and the cases that show it.

OPS holds the ops in the order in which every engine defines and exports them; PARTS the layers,
optimizers and schedulers that are built on them.
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
from .layers import LAYERS
from .optimizers import OPTIMIZERS, SCHEDULERS
from .part import Part

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
PARTS: tuple[Part, ...] = (*LAYERS, *OPTIMIZERS, *SCHEDULERS)
PARTS_BY_NAME = {part.name: part for part in PARTS}

__all__ = [
    "BY_NAME",
    "FAMILIES",
    "LAYERS",
    "OPS",
    "OPTIMIZERS",
    "PARTS",
    "PARTS_BY_NAME",
    "SCHEDULERS",
    "Case",
    "Op",
    "Part",
    "Reject",
]
