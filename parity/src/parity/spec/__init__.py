"""The contract: what every op means, defined by torch's function and by cases.

OPS holds the ops, in the order in which every engine defines and exports them. PARTS holds the
layers, optimizers and schedulers, and MODELS the models.
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
from .generation import MODELS
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
BUILT: dict[str, Part] = {part.name: part for part in (*PARTS, *MODELS)}

__all__ = [
    "BUILT",
    "BY_NAME",
    "FAMILIES",
    "LAYERS",
    "MODELS",
    "OPS",
    "OPTIMIZERS",
    "PARTS",
    "SCHEDULERS",
    "Case",
    "Op",
    "Part",
    "Reject",
]
