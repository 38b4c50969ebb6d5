"""Wrong ops: what goes wrong in practice, planted in minigrad to see whether the judge notices.

Each is a function in the place of the right one, wrong in one respect only, in the file of its
family. Its docstring tells the story; the decorator names the checks that must reject it, and only
those. parts.py has those of layers, optimizers and schedulers, planting.py puts one in its place.
parity/docs/faults.md has them all in one table.
"""

from __future__ import annotations

from . import (  # noqa: F401 - each enters its faults
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
    parts,
    reduction,
    regularization,
    shape,
)
from .catalogue import FAULTS, Fault
from .planting import Caught, caught, everything

__all__ = ["FAULTS", "Caught", "Fault", "caught", "everything"]
