"""Rung 2, coalesced: the kernel of the first rung, whose threads stand side by side in a row.

Decomposition: as before; only `position` differs, by the exchange of x and y.
Work for an element: as before, k multiply-adds and 2 k + 1 numbers.
Limit: a warp reads one row of b and writes one of out, 128 bytes in one transaction, and a number
of a is the same for all its threads. But each number still comes from global memory once for every
thread that needs it: two loads for a multiply-add.
"""

from __future__ import annotations

from ...device import cuda, jit


@jit(device=True)
def sideways():
    """A thread's row and column in its block: threads that follow each other are in one row."""
    return cuda.threadIdx.y, cuda.threadIdx.x
