"""Forward: for each query, the mean of the values, weighted by the softmax of its scores.

A block owns a tile of queries and passes over the tiles of keys and values. For each it computes
the scores, as a product of two tiles; writes their weights to shared memory; and multiplies these
by the tile of values. A softmax subtracts the largest score, which is not known before the last
tile. So a query takes the largest so far, and shrinks what it has summed up whenever a larger one
comes. While one product is computed, the tile that the next one needs is on its way to registers.

Bytes moved, operations and limit: see the package.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...device import cuda, factory, jit, processors
from ..index import at, divide, put
from ..random import survivals
from ..storage import access
from .tiles import (
    OWN,
    SMALL,
    Tiles,
    add_row_by_column,
    clear,
    fetch_own,
    is_long,
    line_max,
    line_sum,
    mask_scores,
    putting,
    row_by_row,
)


def tiles(real: Any, width: int, rows: int) -> Tiles:
    """The tiles for rows of at most `width` elements; rows: queries per thread, 2 or 4."""
    if SMALL:
        return Tiles(2, 4, rows)
    return Tiles(4 if is_long(real, width) else 8, 16, rows)


def fitting(real: Any, width: int, matrices: int, n_queries: int) -> Tiles:
    """The tiles for so many queries: large ones, unless over half the processors would be idle.

    Some idle processors are a fair price: a large tile uses each key that it reads for more
    queries. An H100, of 132 processors, takes 0.128 ms with 128 blocks of large tiles, and 0.169
    with 256 of half the size.
    """
    large, small = tiles(real, width, 4), tiles(real, width, 2)
    many = 2 * matrices * -(-n_queries // large.queries) >= processors()
    return large if many and not is_long(real, width) else small


@factory
def attention(stored: Any, width: int, rows: int) -> Any:
    """out = softmax(query keyᵀ · scale + mask) value; a query that sees no key gets 0.

    stored: the dtype of query, key, value and out. width: the most elements in a row of theirs.
    rows: see tiles.
    """
    real, load, store = access(stored)
    put_own = putting(load)
    across, down, _ = made = tiles(real, width, rows)
    threads, queries, keys = made.threads, made.queries, made.keys
    columns = max(width, keys)  # of a tile: at least OWN for each thread of a line
    query_shape, key_shape, weight_shape, score_shape = made.shapes(columns)
    query_share, key_share = made.shares(columns)
    mean_shape = rows, columns // across
    steps = across.bit_length() - 1
    least = real(np.finfo(real).min)  # not -inf: -inf - -inf would be NaN

    @jit
    def attention_kernel(
        query, q_inner, key, k_inner, value, v_inner, mask, m_inner, scale, causal, chance, rest,
        out, tops, shares,
    ):  # fmt: skip
        """query, key, value, mask (·, rows, columns), repeated over the batch as `at` says.

        causal: a query sees no key that comes after it. chance, rest: of dropout, see survivals.
        out (batch, L, Ev). tops, shares (batch, L), for backward: the largest score of each query,
        and 1 / Σ exp(score - that).
        """
        query_tile = cuda.shared.array(query_shape, real, alignment=16)
        key_tile = cuda.shared.array(key_shape, real, alignment=16)
        value_tile = cuda.shared.array(key_shape, real, alignment=16)
        weights = cuda.shared.array(weight_shape, real, alignment=16)
        own_queries = cuda.local.array(query_share, stored)
        coming = cuda.local.array(key_share, stored)
        scores = cuda.local.array(score_shape, real)
        means = cuda.local.array(mean_shape, real)
        results = cuda.local.array(mean_shape, stored)
        highest = cuda.local.array(rows, real)
        totals = cuda.local.array(rows, real)
        kept = cuda.local.array(OWN, real)
        x = cuda.threadIdx.x % across
        y = cuda.threadIdx.x // across
        batch, n_queries, _ = out.shape
        n_keys = key.shape[1]
        # The last queries see the most keys: their blocks begin first, lest one remain alone.
        tile, z = divide(cuda.blockIdx.x, batch)
        first = (divide(n_queries + queries - 1, queries)[0] - 1 - tile) * queries
        k_z = at(z, batch, key.shape[0], k_inner)
        v_z = at(z, batch, value.shape[0], v_inner)
        m_z = at(z, batch, mask.shape[0], m_inner)
        q_z = at(z, batch, query.shape[0], q_inner)
        fetch_own(query, q_z, first, threads, columns, own_queries)
        put_own(own_queries, scale, threads, columns, 0, query_tile)
        fetch_own(key, k_z, 0, threads, columns, coming)
        put_own(coming, real(1), threads, columns, across, key_tile)
        clear(means)
        for r in range(rows):
            highest[r] = least
            totals[r] = real(0)
        stop = min(n_keys, first + queries) if causal else n_keys
        start = np.int64(0)
        while start < stop:
            cuda.syncthreads()
            fetch_own(value, v_z, start, threads, columns, coming)
            row_by_row(query_tile, y, down, key_tile, x, across, width, scores)
            mask_scores(
                scores, mask, m_z, first + y, down, start + OWN * x, n_queries, n_keys, causal
            )  # fmt: skip
            for r in range(rows):
                top = highest[r]
                for c in range(OWN):
                    if scores[r, c] > top:
                        top = scores[r, c]
                top = line_max(top, steps)
                shrink = math.exp(highest[r] - top)
                highest[r] = top
                totals[r] *= shrink
                for d in range(means.shape[1]):
                    means[r, d] *= shrink
            for r in range(rows):
                i = first + y + down * r
                first_score = (z * n_queries + i) * n_keys + start + OWN * x
                kept[0], kept[1], kept[2], kept[3] = survivals(chance, rest, first_score)
                for c in range(OWN):
                    weight = math.exp(scores[r, c] - highest[r])
                    totals[r] += weight
                    weights[y + down * r, x + across * c] = weight * kept[c]
            put_own(coming, real(1), threads, columns, across, value_tile)
            cuda.syncthreads()
            start += keys
            fetch_own(key, k_z, start, threads, columns, coming)
            add_row_by_column(weights, y, down, value_tile, x, across, keys, scores, means)
            put_own(coming, real(1), threads, columns, across, key_tile)
        for r in range(rows):
            total = line_sum(totals[r], steps)
            totals[r] = real(0) if total == real(0) else real(1) / total
        for r in range(rows):
            share = totals[r]
            for c in range(means.shape[1]):
                results[r, c] = store(means[r, c] * share)
        for r in range(rows):
            i = first + y + down * r
            for c in range(0, means.shape[1], OWN):
                put(
                    out, z, i, OWN * x + across * c,
                    results[r, c], results[r, c + 1], results[r, c + 2], results[r, c + 3],
                )  # fmt: skip
            if x == 0 and i < n_queries:
                tops[z, i] = highest[r]
                shares[z, i] = totals[r]

    return attention_kernel
