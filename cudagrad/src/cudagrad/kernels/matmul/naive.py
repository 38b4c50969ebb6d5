"""Rung 1, naive: a thread computes one element of the product, and its neighbour the one below.

Decomposition: a block of TILE x TILE threads for TILE x TILE elements; the threads share nothing.
Work per element: k multiply-adds, which read 2 k numbers from global memory, and one number
written.
Limit: memory accesses. Threads that follow each other in a warp are in different rows, so the
numbers that they read from a at the same time lie whole rows apart, and so do those that they
write: a transaction for each row, where one could serve them all. Even then the arithmetic would
wait, because every multiply-add needs two numbers from memory.
"""

from __future__ import annotations

from typing import Any

from ...device import TILE, cuda, factory, jit
from ..index import at
from .product import bias_of, element, tile_of_block


@jit(device=True)
def downwards():
    """A thread's row and column in its block: neighbouring threads are in the same column."""
    return cuda.threadIdx.x, cuda.threadIdx.y


@factory
def matmul(real: Any, position: Any, finish: Any) -> Any:
    """One element per thread; position: gives a thread's row and column in its block."""

    @jit
    def element_kernel(a, a_inner, a_swapped, b, b_inner, b_swapped, bias, out):
        batch, m, n = out.shape
        depth = a.shape[1] if a_swapped else a.shape[2]
        z, first_row, first_column = tile_of_block(out, TILE)
        down, along = position()
        row = first_row + down
        column = first_column + along
        if row < m and column < n:
            a_z = at(z, batch, a.shape[0], a_inner)
            b_z = at(z, batch, b.shape[0], b_inner)
            total = real(0)
            for k in range(depth):
                total += element(a, a_z, row, k, a_swapped) * element(b, b_z, k, column, b_swapped)
            out[z, row, column] = finish(total + bias_of(bias, column, real(0)))

    return element_kernel
