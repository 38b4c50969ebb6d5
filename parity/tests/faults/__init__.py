"""Wrong ops: what goes wrong in practice, planted in minigrad to see whether the judge notices.

Each is a function in the place of the right one, wrong in one respect only, in the file of its
family. Its docstring tells the story; the decorator names the checks that must reject it, and only
those. parity/docs/faults.md has them all in one table.
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
    reduction,
    regularization,
    shape,
)
from .catalogue import FAULTS, Fault

__all__ = ["FAULTS", "Fault"]
