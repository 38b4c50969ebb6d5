"""Rung 2, coalesced: the kernel of the first rung, with neighbouring threads in the same row.

Decomposition: as before; only `position` differs, which exchanges x and y.
Work per element: as before, k multiply-adds and 2 k + 1 numbers from and to global memory.
Limit: still memory accesses, though fewer. Threads that are neighbours in a row read neighbours in
a row of b and write neighbours in a row of out, together in one transaction, and they all read the
same number of a. But each number comes from global memory once for every thread that needs it: two
loads per multiply-add.
"""

from __future__ import annotations

from ...device import cuda, jit


@jit(device=True)
def sideways():
    """A thread's row and column in its block: neighbouring threads are in the same row."""
    return cuda.threadIdx.y, cuda.threadIdx.x
