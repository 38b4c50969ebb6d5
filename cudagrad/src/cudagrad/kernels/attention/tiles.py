"""What the kernels of attention share: tiles in shared memory, products of them in registers.

A block has a tile of queries and a tile of keys, and computes the score of every query with every
key. Its threads form `down` lines of `across` threads, which are neighbours in a warp. Thread x of
line y has `rows` x OWN scores: those of queries y, y + down, ... with OWN consecutive keys, from
OWN x on.

Bank conflicts are avoided twice. The rows of a tile have PAD unused elements between them, so that
consecutive rows begin in different banks. And the threads of a line, which read a key each at the
same time, must read consecutive rows: so consecutive keys, which belong to one thread, are stored
`across` rows apart. The row in which a tile keeps a key is called its slot; tiles of values, and
the columns of scores in shared memory, are in the order of slots, too.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from ...device import BLOCK, cuda, intrinsics, jit
from ..index import fetch

OWN = 4  # consecutive keys, or columns, of a thread: as many as a load of 128 bits brings
PAD = 4
WARP = 0xFFFFFFFF  # all lanes
SMALL = BLOCK < 128  # as on the emulator, whose blocks have to be small

Shape = tuple[int, int]


class Tiles(NamedTuple):
    """The shape of a block: threads per line, lines, and queries per thread."""

    across: int
    down: int
    rows: int

    @property
    def threads(self) -> int:
        return self.across * self.down

    @property
    def queries(self) -> int:
        return self.rows * self.down

    @property
    def keys(self) -> int:
        return OWN * self.across

    def shapes(self, columns: int) -> tuple[Shape, Shape, Shape, Shape]:
        """The shapes of tiles of queries, of keys and of scores, and of a thread's own scores."""
        pairs, own = (self.queries, self.keys + PAD), (self.rows, OWN)
        return (self.queries, columns + PAD), (self.keys, columns + PAD), pairs, own

    def shares(self, columns: int) -> tuple[Shape, Shape]:
        """The shapes of a thread's share of a tile of queries, and of keys: (fours, OWN)."""
        each = self.threads * OWN
        return (self.queries * columns // each, OWN), (self.keys * columns // each, OWN)


def is_long(real: Any, width: int) -> bool:
    """Whether rows of so many elements are so long that shared memory holds few of them."""
    return width * np.dtype(real).itemsize > 256 or real == np.float64


@jit(device=True)
def slot_of(key, across):
    """The slot in which a tile keeps a key."""
    return key % OWN * across + key // OWN


@jit(device=True)
def key_in(slot, across):
    """The key that a tile keeps in a slot."""
    return slot % across * OWN + slot // across


@jit(device=True)
def fetch_own(x, z, first, threads, columns, own):
    """own = the thread's share of a tile, whose rows are those of x[z] from first on; 0 outside.

    Neighbouring threads read neighbouring fours (OWN elements). For its next four, a thread moves
    on by as many rows, or columns, as the whole block has read at a time.
    """
    lanes = min(threads, columns // OWN)
    parts = columns // OWN // lanes  # per row
    row = first + cuda.threadIdx.x // lanes
    column = cuda.threadIdx.x % lanes * OWN
    for part in range(own.shape[0]):
        place = row + part // parts * (threads // lanes), column + part % parts * lanes * OWN
        four = fetch(x, z, place[0], place[1], type(own[0, 0])(0))
        own[part, 0], own[part, 1], own[part, 2], own[part, 3] = four


@functools.cache
def putting(load: Any) -> Any:
    """A device function that puts numbers into tiles; load: from the stored dtype."""

    @jit(device=True)
    def put_own(own, factor, threads, columns, across, tile):
        """Put what fetch_own fetched, times factor, into a tile; across: 0 if it has no slots."""
        lanes = min(threads, columns // OWN)
        parts = columns // OWN // lanes
        row = cuda.threadIdx.x // lanes
        line = slot_of(row, across) if across > 0 else row
        column = cuda.threadIdx.x % lanes * OWN
        for part in range(own.shape[0]):
            further = part // parts * (threads // lanes)
            if across > 0:  # slots add up, too: with powers of two, row + further has no carry
                further = slot_of(further, across)
            intrinsics.store4(
                tile,
                (line + further, column + part % parts * lanes * OWN),
                load(own[part, 0]) * factor,
                load(own[part, 1]) * factor,
                load(own[part, 2]) * factor,
                load(own[part, 3]) * factor,
            )

    return put_own


@jit(device=True)
def clear(numbers):
    for i in range(numbers.shape[0]):
        for j in range(numbers.shape[1]):
            numbers[i, j] = type(numbers[0, 0])(0)


@jit(device=True)
def add_products(total, one, other):
    """total + the dot product of two rows of OWN numbers."""
    total += one[0] * other[0]
    total += one[1] * other[1]
    total += one[2] * other[2]
    total += one[3] * other[3]
    return total


@jit(device=True)
def add_scaled(totals, i, column, factor, four):
    """Add factor · four to totals[i, column] and its three neighbours."""
    totals[i, column] += factor * four[0]
    totals[i, column + 1] += factor * four[1]
    totals[i, column + 2] += factor * four[2]
    totals[i, column + 3] += factor * four[3]


@jit(device=True)
def row_by_row(a, y, down, b, x, across, width, out):
    """out[r, c] = row y + down r of a times row x + across c of b, both `width` long."""
    clear(out)
    for d in range(0, width, OWN):
        b0 = intrinsics.load4(b, (x, d))
        b1 = intrinsics.load4(b, (x + across, d))
        b2 = intrinsics.load4(b, (x + 2 * across, d))
        b3 = intrinsics.load4(b, (x + 3 * across, d))
        for r in range(out.shape[0]):
            a_own = intrinsics.load4(a, (y + down * r, d))
            out[r, 0] = add_products(out[r, 0], a_own, b0)
            out[r, 1] = add_products(out[r, 1], a_own, b1)
            out[r, 2] = add_products(out[r, 2], a_own, b2)
            out[r, 3] = add_products(out[r, 3], a_own, b3)


@jit(device=True)
def add_row_by_column(a, y, down, b, x, across, depth, own, totals):
    """totals[r] += row y + down r of a, `depth` long, times the thread's columns of b.

    These are OWN columns from OWN x on, then OWN more after those of the whole line, and so on.
    own: scratch for the rows of a, OWN numbers each.
    """
    for k in range(0, depth, OWN):
        for r in range(own.shape[0]):
            place = y + down * r, k
            own[r, 0], own[r, 1], own[r, 2], own[r, 3] = intrinsics.load4(a, place)
        for step in range(OWN):
            for c in range(0, totals.shape[1], OWN):
                b_own = intrinsics.load4(b, (k + step, OWN * x + across * c))
                for r in range(own.shape[0]):
                    add_scaled(totals, r, c, own[r, step], b_own)


@jit(device=True)
def add_column_by_column(a, y, b, x, across, depth, totals):
    """totals[m] += column OWN y + m of a, `depth` long, times the columns of b as above."""
    for k in range(depth):
        a_own = intrinsics.load4(a, (k, OWN * y))
        for c in range(0, totals.shape[1], OWN):
            b_own = intrinsics.load4(b, (k, OWN * x + across * c))
            add_scaled(totals, 0, c, a_own[0], b_own)
            add_scaled(totals, 1, c, a_own[1], b_own)
            add_scaled(totals, 2, c, a_own[2], b_own)
            add_scaled(totals, 3, c, a_own[3], b_own)


@jit(device=True)
def line_max(value, steps):
    """The largest value among 2 ** steps neighbouring threads; each of them gets it."""
    for bit in range(steps):
        other = cuda.shfl_xor_sync(WARP, value, 1 << bit)
        if other > value:
            value = other
    return value


@jit(device=True)
def line_sum(value, steps):
    """The sum of the values of 2 ** steps neighbouring threads; each of them gets it."""
    for bit in range(steps):
        value += cuda.shfl_xor_sync(WARP, value, 1 << bit)
    return value


@jit(device=True)
def mask_scores(scores, mask, m_z, first_query, down, first_key, n_queries, n_keys, causal):
    """Add the mask (·, L or 1, S or 1) to a thread's scores; -inf where a key is not seen.

    scores[r, c] belongs to query first_query + down r and key first_key + c.
    """
    hidden = type(scores[0, 0])(-math.inf)
    alike = mask.size == 1
    for r in range(scores.shape[0]):
        i = first_query + down * r
        seen = (min(n_keys, i + 1) if causal else n_keys) if i < n_queries else 0
        for c in range(OWN):
            j = first_key + c
            if j >= seen:
                scores[r, c] = hidden
            elif alike:
                scores[r, c] += mask[0, 0, 0]
            else:
                scores[r, c] += mask[m_z, min(i, mask.shape[1] - 1), min(j, mask.shape[2] - 1)]
