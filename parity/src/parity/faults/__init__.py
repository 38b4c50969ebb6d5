"""Planted faults: plausible mistakes, put into minigrad to see whether the judge rejects them.

Each is a function that replaces an op, in the file of its family, with one thing wrong. Its
docstring tells what; its decorator names the checks that must reject it, and no others may.
parts.py has faults of layers, optimizers and schedulers; planting.py puts a fault in place.
parity/docs/faults.md lists all of them.
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
from .planting import Caught, caught, everything, rejects

__all__ = ["FAULTS", "Caught", "Fault", "caught", "everything", "rejects"]
