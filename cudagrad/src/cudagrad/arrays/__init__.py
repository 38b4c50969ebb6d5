"""What NumPy is to minigrad: functions on device arrays, each a kernel launch or a few.

Arrays are C-contiguous, and a reshaped one shares the elements. Who writes into an array that a
Tensor may hold, as optimizers do, notes that (see writes). Callers check shapes; nothing is
launched for an array without elements.
"""

from __future__ import annotations

from ..device import Array, Shape
from .elementwise import NUMBERS, apply, assign, band, cast, copy, repeated
from .launching import launch, launch_held, launch_rows
from .making import (
    BOOL,
    COUNTABLE,
    FLOAT32,
    INT,
    arange,
    constant,
    empty,
    full,
    item,
    reckoned,
    require_countable,
    to_host,
    zeros,
)
from .picking import (
    add_at,
    gather_along,
    positions,
    put_along,
    refuse_outside,
    scatter_into,
    sort,
    take,
)
from .products import batched, matmul
from .rearranging import (
    around,
    copy_from,
    copy_into,
    expand,
    flat,
    flip,
    permute,
    reshape,
    roll,
    stillness,
    strides,
)
from .reducing import PART, cumsum, extreme, fold, logsumexp, prod_dx, refuse, total

__all__ = [
    "BOOL",
    "COUNTABLE",
    "FLOAT32",
    "INT",
    "NUMBERS",
    "PART",
    "Array",
    "Shape",
    "add_at",
    "apply",
    "arange",
    "around",
    "assign",
    "band",
    "batched",
    "cast",
    "constant",
    "copy",
    "copy_from",
    "copy_into",
    "cumsum",
    "empty",
    "expand",
    "extreme",
    "flat",
    "flip",
    "fold",
    "full",
    "gather_along",
    "item",
    "launch",
    "launch_held",
    "launch_rows",
    "logsumexp",
    "matmul",
    "permute",
    "positions",
    "prod_dx",
    "put_along",
    "reckoned",
    "refuse",
    "refuse_outside",
    "repeated",
    "require_countable",
    "reshape",
    "roll",
    "scatter_into",
    "sort",
    "stillness",
    "strides",
    "take",
    "to_host",
    "total",
    "zeros",
]
