"""What the rungs share: a matrix of a batch, and where in the result a block stands.

Every kernel of the ladder computes out[z] = finish(a[z] b[z] + bias) and takes the same arguments:

    a, a_inner, a_swapped, b, b_inner, b_swapped, bias, out

a (·, m, k), b (·, k, n), bias (n) or empty -> out (batch, m, n). A swapped operand is stored with
its last two dims exchanged, and is read so: nobody copies it. a and b are repeated over the batch
as `index.at` says, with a_inner and b_inner. A block computes one tile of out; they are counted row
by row, and one matrix of the batch after the other.
"""

from __future__ import annotations

from ...device import cuda, jit
from ..index import divide


@jit(device=True)
def tile_of_block(out, side):
    """The matrix of the block's tile, and the tile's first row and column; it is side x side."""
    across = divide(out.shape[2] + side - 1, side)[0]
    down = divide(out.shape[1] + side - 1, side)[0]
    z, tile = divide(cuda.blockIdx.x, across * down)
    row, column = divide(tile, across)
    return z, row * side, column * side


@jit(device=True)
def element(x, z, row, column, swapped):
    """An element of a matrix of x."""
    return x[z, column, row] if swapped else x[z, row, column]


@jit(device=True)
def bias_of(bias, column, zero):
    """What is added to a column of the product."""
    return bias[column] if bias.size > 0 else zero
