"""Backward: the gradients of query, key, value and mask, from scores that are computed anew.

Let p be the weight of a key for a query, and dp = dout · value its gradient. Then the gradient of
the score is p (dp - Σ p dp). That sum over the keys equals dout · out, one number per query, called
its delta and computed first. In dkey_dvalue a block owns a tile of keys and passes over the
queries; in dquery it owns a tile of queries and passes over the keys. So each gradient is summed up
by one block, and no atomic additions are needed.

Bytes moved, operations and limit: see the package.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...device import cuda, factory, jit
from ..index import at, divide, fetch, put
from ..random import survivals
from ..storage import access
from .tiles import (
    OWN,
    SMALL,
    Tiles,
    add_column_by_column,
    add_products,
    add_row_by_column,
    clear,
    fetch_own,
    is_long,
    key_in,
    mask_scores,
    putting,
    row_by_row,
)


def tiles(real: Any, width: int) -> Tiles:
    """The tiles for rows of at most `width` elements."""
    if SMALL:
        return Tiles(2, 2, 4)
    return Tiles(4, 16, 1) if is_long(real, width) else Tiles(8, 8, 4)


@jit(device=True)
def repeated(z, repeat, matrices, inner):
    """The batch index of a repeat of matrix z, where each matrix serves `inner` in succession."""
    outer, within = divide(repeat, inner)
    return (outer * matrices + z) * inner + within


@factory
def deltas(stored: Any) -> Any:
    """deltas (batch, L) = Σ dout · out along the rows of both (batch, L, Ev); a thread owns a row.

    The sum is in the same order as that of dp, from which it is subtracted. So a query that sees a
    single key, whose weight is 1 whatever its score, gets gradients of exactly 0, not round-off.
    """
    real, load, _ = access(stored)

    @jit(device=True)
    def four(x, z, row, column):
        first, second, third, fourth = fetch(x, z, row, column, stored(0))
        return load(first), load(second), load(third), load(fourth)

    @jit
    def deltas_kernel(dout, out, deltas):
        k = cuda.grid(1)
        if k < deltas.size:
            z, i = divide(k, deltas.shape[1])
            total = real(0)
            for d in range(0, out.shape[2], OWN):
                total = add_products(total, four(dout, z, i, d), four(out, z, i, d))
            deltas[z, i] = total

    return deltas_kernel


@factory
def dscores(stored: Any) -> Any:
    """dscores (batch, L, S) = p · (dout · value - delta), where p are the weights of the values.

    This is the gradient of a mask that is added to the scores. It is as large as all scores, so it
    is only computed where somebody asks for that gradient. A thread owns a score.
    """
    real, load, _ = access(stored)

    @jit
    def dscores_kernel(
        query, q_inner, key, k_inner, value, v_inner, mask, m_inner, scale, chance, rest,
        tops, shares, deltas, dout, dscores,
    ):  # fmt: skip
        place = cuda.grid(1)
        if place < dscores.size:
            batch, n_queries, n_keys = dscores.shape
            line, j = divide(place, n_keys)
            z, i = divide(line, n_queries)
            q_z = at(z, batch, query.shape[0], q_inner)
            k_z = at(z, batch, key.shape[0], k_inner)
            v_z = at(z, batch, value.shape[0], v_inner)
            m_z = at(z, batch, mask.shape[0], m_inner)
            score = real(0)
            for d in range(query.shape[2]):
                score += load(query[q_z, i, d]) * scale * load(key[k_z, j, d])
            score += mask[m_z, min(i, mask.shape[1] - 1), min(j, mask.shape[2] - 1)]
            dp = real(0)
            for d in range(value.shape[2]):
                dp += load(dout[z, i, d]) * load(value[v_z, j, d])
            dp *= survivals(chance, rest, place)[0]
            p = math.exp(score - tops[z, i]) * shares[z, i]
            dscores[z, i, j] = p * (dp - deltas[z, i])

    return dscores_kernel


@jit(device=True)
def own_number(x, z, i):
    """x[z, i], or 0 beyond the last query."""
    return x[z, i] if i < x.shape[1] else type(x[z, 0])(0)


@factory
def dquery(stored: Any, width: int) -> Any:
    """dquery (batch, L, E) = Σ over the keys of dscores · key · scale; see dscores.

    A block owns a tile of queries.
    """
    real, load, store = access(stored)
    put_own = putting(load)
    across, down, rows = made = tiles(real, width)
    threads, queries, keys = made.threads, made.queries, made.keys
    columns = max(width, keys, OWN * down)  # of a tile: OWN at least for all that share a row
    query_shape, key_shape, slope_shape, score_shape = made.shapes(columns)
    query_share, key_share = made.shares(columns)
    total_shape = rows, columns // across

    @jit
    def dquery_kernel(
        query, q_inner, key, k_inner, value, v_inner, mask, m_inner, scale, causal, chance, rest,
        tops, shares, deltas, dout, dquery,
    ):  # fmt: skip
        query_tile = cuda.shared.array(query_shape, real, alignment=16)
        dout_tile = cuda.shared.array(query_shape, real, alignment=16)
        key_tile = cuda.shared.array(key_shape, real, alignment=16)
        value_tile = cuda.shared.array(key_shape, real, alignment=16)
        slopes = cuda.shared.array(slope_shape, real, alignment=16)
        own_queries = cuda.local.array(query_share, stored)
        own_keys = cuda.local.array(key_share, stored)
        scores = cuda.local.array(score_shape, real)
        dweights = cuda.local.array(score_shape, real)
        totals = cuda.local.array(total_shape, real)
        kept = cuda.local.array(OWN, real)
        x = cuda.threadIdx.x % across
        y = cuda.threadIdx.x // across
        batch, n_queries, _ = dout.shape
        n_keys = key.shape[1]
        tile, z = divide(cuda.blockIdx.x, batch)  # those that see the most keys first
        first = (divide(n_queries + queries - 1, queries)[0] - 1 - tile) * queries
        q_z = at(z, batch, query.shape[0], q_inner)
        k_z = at(z, batch, key.shape[0], k_inner)
        v_z = at(z, batch, value.shape[0], v_inner)
        m_z = at(z, batch, mask.shape[0], m_inner)
        fetch_own(query, q_z, first, threads, columns, own_queries)
        put_own(own_queries, scale, threads, columns, 0, query_tile)
        fetch_own(dout, z, first, threads, columns, own_queries)
        put_own(own_queries, real(1), threads, columns, 0, dout_tile)
        clear(totals)
        stop = min(n_keys, first + queries) if causal else n_keys
        start = np.int64(0)
        while start < stop:
            fetch_own(key, k_z, start, threads, columns, own_keys)
            put_own(own_keys, real(1), threads, columns, across, key_tile)
            fetch_own(value, v_z, start, threads, columns, own_keys)
            put_own(own_keys, real(1), threads, columns, across, value_tile)
            cuda.syncthreads()
            row_by_row(query_tile, y, down, key_tile, x, across, width, scores)
            mask_scores(
                scores, mask, m_z, first + y, down, start + OWN * x, n_queries, n_keys, causal
            )  # fmt: skip
            row_by_row(dout_tile, y, down, value_tile, x, across, width, dweights)
            for r in range(rows):
                i = first + y + down * r
                first_score = (z * n_queries + i) * n_keys + start + OWN * x
                kept[0], kept[1], kept[2], kept[3] = survivals(chance, rest, first_score)
                top, share = own_number(tops, z, i), own_number(shares, z, i)
                delta = own_number(deltas, z, i)
                for c in range(OWN):
                    weight = math.exp(scores[r, c] - top) * share
                    slope = weight * (dweights[r, c] * kept[c] - delta)
                    slopes[y + down * r, x + across * c] = slope
            cuda.syncthreads()
            add_row_by_column(slopes, y, down, key_tile, x, across, keys, scores, totals)
            cuda.syncthreads()
            start += keys
        for r in range(rows):
            for c in range(0, totals.shape[1], OWN):
                put(
                    dquery, z, first + y + down * r, OWN * x + across * c,
                    store(totals[r, c] * scale), store(totals[r, c + 1] * scale),
                    store(totals[r, c + 2] * scale), store(totals[r, c + 3] * scale),
                )  # fmt: skip

    return dquery_kernel


@factory
def dkey_dvalue(stored: Any, width: int) -> Any:
    """dkey (·, S, E) and dvalue (·, S, Ev), in one pass because both need the weights.

    dkey = Σ dscores · query · scale and dvalue = Σ p · dout over the queries, p after dropout. A
    block owns a tile of keys of one matrix. It passes over the queries of all the matrices of the
    batch that this one was repeated for; key and value are repeated alike.
    """
    real, load, store = access(stored)
    put_own = putting(load)
    across, down, rows = made = tiles(real, width)
    threads, queries, keys = made.threads, made.queries, made.keys
    columns = max(width, keys, OWN * down)  # of a tile: OWN at least for all that share a row
    query_shape, key_shape, weight_shape, score_shape = made.shapes(columns)
    query_share, key_share = made.shares(columns)
    total_shape = OWN, columns // down

    @jit
    def dkey_dvalue_kernel(
        query, q_inner, key, k_inner, value, v_inner, mask, m_inner, scale, causal, chance, rest,
        tops, shares, deltas, dout, dkey, dvalue,
    ):  # fmt: skip
        query_tile = cuda.shared.array(query_shape, real, alignment=16)
        dout_tile = cuda.shared.array(query_shape, real, alignment=16)
        key_tile = cuda.shared.array(key_shape, real, alignment=16)
        value_tile = cuda.shared.array(key_shape, real, alignment=16)
        weights = cuda.shared.array(weight_shape, real, alignment=16)
        slopes = cuda.shared.array(weight_shape, real, alignment=16)
        own_queries = cuda.local.array(query_share, stored)
        own_keys = cuda.local.array(key_share, stored)
        scores = cuda.local.array(score_shape, real)
        dweights = cuda.local.array(score_shape, real)
        dkeys = cuda.local.array(total_shape, real)
        dvalues = cuda.local.array(total_shape, real)
        kept = cuda.local.array(OWN, real)
        x = cuda.threadIdx.x % across
        y = cuda.threadIdx.x // across
        # The thread sums up the gradients of OWN slots, from OWN v on, in the columns of thread u.
        u = cuda.threadIdx.x % down
        v = cuda.threadIdx.x // down
        batch, n_queries, _ = dout.shape
        matrices, n_keys, _ = key.shape
        tile, k_z = divide(cuda.blockIdx.x, matrices)  # those that most queries see first
        first = tile * keys
        fetch_own(key, k_z, first, threads, columns, own_keys)
        put_own(own_keys, real(1), threads, columns, across, key_tile)
        fetch_own(value, k_z, first, threads, columns, own_keys)
        put_own(own_keys, real(1), threads, columns, across, value_tile)
        clear(dkeys)
        clear(dvalues)
        for repeat in range(divide(batch, matrices)[0]):
            z = repeated(k_z, repeat, matrices, k_inner)
            q_z = at(z, batch, query.shape[0], q_inner)
            m_z = at(z, batch, mask.shape[0], m_inner)
            start = first if causal else np.int64(0)
            while start < n_queries:
                fetch_own(query, q_z, start, threads, columns, own_queries)
                put_own(own_queries, scale, threads, columns, 0, query_tile)
                fetch_own(dout, z, start, threads, columns, own_queries)
                put_own(own_queries, real(1), threads, columns, 0, dout_tile)
                cuda.syncthreads()
                row_by_row(query_tile, y, down, key_tile, x, across, width, scores)
                mask_scores(
                    scores, mask, m_z, start + y, down, first + OWN * x, n_queries, n_keys, causal
                )  # fmt: skip
                row_by_row(dout_tile, y, down, value_tile, x, across, width, dweights)
                for r in range(rows):
                    i = start + y + down * r
                    first_score = (z * n_queries + i) * n_keys + first + OWN * x
                    kept[0], kept[1], kept[2], kept[3] = survivals(chance, rest, first_score)
                    top, share = own_number(tops, z, i), own_number(shares, z, i)
                    delta = own_number(deltas, z, i)
                    for c in range(OWN):
                        weight = math.exp(scores[r, c] - top) * share
                        place = y + down * r, x + across * c
                        weights[place] = weight * kept[c]
                        slopes[place] = weight * (dweights[r, c] * kept[c] - delta)
                cuda.syncthreads()
                add_column_by_column(weights, v, dout_tile, u, down, queries, dvalues)
                add_column_by_column(slopes, v, query_tile, u, down, queries, dkeys)
                cuda.syncthreads()
                start += queries
        for m in range(OWN):
            j = first + key_in(OWN * v + m, across)
            for c in range(0, dkeys.shape[1], OWN):
                column = OWN * u + down * c
                put(
                    dkey, k_z, j, column,
                    store(dkeys[m, c]), store(dkeys[m, c + 1]),
                    store(dkeys[m, c + 2]), store(dkeys[m, c + 3]),
                )  # fmt: skip
                put(
                    dvalue, k_z, j, column,
                    store(dvalues[m, c]), store(dvalues[m, c + 1]),
                    store(dvalues[m, c + 2]), store(dvalues[m, c + 3]),
                )  # fmt: skip

    return dkey_dvalue_kernel
