"""The way back: the gradients of query, key, value and mask, from scores worked out anew.

With p the weight of a score and dp the gradient of it, dout · value, a score's gradient is
p (dp - Σ p dp); the sum over the keys is dout · out, a number for each query that is worked out
first. A block owns a tile of keys, and passes over the queries, or a tile of queries, and passes
over the keys, so that each gradient is summed up in one place and nothing is added atomically.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...device import cuda, factory, jit
from ..index import at, divide, fetch
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
    judge,
    key_in,
    put,
    putting,
    row_by_row,
)


def tiles(real: Any, width: int) -> Tiles:
    """For rows of `width` elements at most."""
    if SMALL:
        return Tiles(2, 2, 4)
    return Tiles(4, 16, 1) if is_long(real, width) else Tiles(8, 8, 4)


@jit(device=True)
def repeated(z, repeat, matrices, inner):
    """The index in the batch of a repeat of matrix z, each of which stands still for `inner`."""
    outer, within = divide(repeat, inner)
    return (outer * matrices + z) * inner + within


@factory
def deltas(stored: Any) -> Any:
    """deltas (batch, L) = Σ dout · out, both (batch, L, Ev); a thread has a row.

    It adds up in the order of the products that this is taken from, so that a query which sees one
    key alone, whose weight nothing changes, has gradients of 0, and not of what rounding leaves.
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
    """dscores (batch, L, S): p · (dout value - delta), where p are the weights of the values.

    It is the gradient of a mask that is added, and as large as the scores: only who asks for that
    gradient has it. A thread owns a score.
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
    """x[z, i], or 0 behind the last query."""
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
        tile, z = divide(cuda.blockIdx.x, batch)  # those that see the most first
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
            judge(
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
    """dkey (·, S, E) and dvalue (·, S, Ev), which take the same weights.

    dkey = Σ over the queries of dscores · query · scale, dvalue = Σ of p, after dropout, · dout. A
    block owns a tile of keys, and meets the queries of all the matrices of the batch that its
    matrix was repeated for. key and value are repeated alike.
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
        # What a thread has of the gradients: the columns of u, in the slots of OWN keys from v on.
        u = cuda.threadIdx.x % down
        v = cuda.threadIdx.x // down
        batch, n_queries, _ = dout.shape
        matrices, n_keys, _ = key.shape
        tile, k_z = divide(cuda.blockIdx.x, matrices)  # those that are seen the most first
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
                judge(
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
