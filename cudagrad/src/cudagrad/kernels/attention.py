"""Attention that never stores its scores: softmax(q kᵀ · scale + mask) v, and the way back.

A thread owns a row, and keeps it and the row that becomes its result in registers. The rows that
it meets pass by through shared memory, a tile at a time; a block loads each tile once for all of
its rows, neighbouring threads neighbouring elements. Forward a row is a query, which meets the keys
and values. A softmax needs the largest score before it can begin; as that is not known yet, a
thread takes the largest so far, and shrinks what it has summed up whenever a larger one comes.
Back, each gradient is a pass of its own, over the scores worked out anew: a thread owns the query,
the key or the value whose gradient it sums up, so that nothing is added atomically.

With L queries, S keys and rows of E elements in B matrices, a product of two rows for each pair of
query and key is 2 B L S E operations. Forward does 2 of them; back dquery does 3, dkey 3, dvalue 2,
where 4 would do that stored the scores; causal, half of that. A pass reads its own rows and writes
its result once; those it meets it reads once for each block, 2 B (L / ROWS) S E elements of two
arrays, most of them from the second level cache. For the way back the result is kept, and two
numbers for each query: memory grows with L + S. Arithmetic and shared memory limit it: a
multiplication takes one of its factors from a tile, four of them in a load of 128 bits that all
threads of a warp share. Registers limit the width of a row (see WIDEST). A GPU is filled by B · L
of some ten thousand; fewer leave part of it idle.

Dao, Fu, Ermon, Rudra, Ré 2022, https://arxiv.org/abs/2205.14135
Milakov, Gimelshein 2018, https://arxiv.org/abs/1805.02867
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..device import BLOCK, cuda, factory, jit
from .index import at, divide, first_own, next_own
from .random import survival

ROWS = min(BLOCK, 64)  # the most that a block owns
MET = min(BLOCK, 32)  # the most in a tile
WIDEST = 256  # bytes of a row: dquery and dkey keep three in registers, of 1020 bytes in all


@jit(device=True)
def own_tile(n):
    """Which matrix a block works on, and the first of the rows that it owns, n in a matrix."""
    rows = cuda.blockDim.x
    z, tile = divide(cuda.blockIdx.x, divide(n + rows - 1, rows)[0])
    return z, tile * rows


@jit(device=True)
def load_row(x, z, i, factor, row):
    """row = x[z, i] · factor, and 0 where x has no element."""
    for d in range(row.size):
        inside = i < x.shape[1] and d < x.shape[2]
        row[d] = x[z, i, d] * factor if inside else type(factor)(0)


@jit(device=True)
def store_row(row, factor, x, z, i):
    """x[z, i] = row · factor, where x has elements."""
    for d in range(row.size):
        if i < x.shape[1] and d < x.shape[2]:
            x[z, i, d] = row[d] * factor


@jit(device=True)
def clear_row(row):
    for d in range(row.size):
        row[d] = type(row[d])(0)


@jit(device=True)
def scale_row(row, factor):
    for d in range(row.size):
        row[d] *= factor


@jit(device=True)
def add_row(row, weight, tile, j):
    """row += weight · row j of a tile."""
    for d in range(row.size):
        row[d] += weight * tile[j, d]


@jit(device=True)
def dot(row, tile, j):
    """The product of a row with row j of a tile."""
    total = row[0] * tile[j, 0]
    for d in range(1, row.size):
        total += row[d] * tile[j, d]
    return total


@jit(device=True)
def load_tile(x, z, first, factor, tile):
    """The rows of x[z] from first on, as many as there are, · factor, with 0 behind their ends."""
    width = tile.shape[1]
    size = min(tile.shape[0], x.shape[1] - first) * width
    place = first_own()
    while place < size:
        row, d = divide(place, width)
        tile[row, d] = x[z, first + row, d] * factor if d < x.shape[2] else type(factor)(0)
        place = next_own(place)


@jit(device=True)
def mask_of(mask, z, i, j):
    """What the mask (·, L or 1, S or 1) says of query i and key j."""
    return mask[z, min(i, mask.shape[1] - 1), min(j, mask.shape[2] - 1)]


@jit(device=True)
def repeated(z, repeat, matrices, inner):
    """The index in the batch of a repeat of matrix z, each of which stands still for `inner`."""
    outer, within = divide(repeat, inner)
    return (outer * matrices + z) * inner + within


@factory
def attention(real: Any, width: int) -> Any:
    """out = softmax(query keyᵀ · scale + mask) value; a query that sees nothing gets 0.

    width: elements that a row of query, key and value has at most.
    """
    tile = (MET, width)
    least = real(np.finfo(real).min)  # not -inf: -inf - -inf would be NaN

    @jit
    def attention_kernel(
        query, q_inner, key, k_inner, value, v_inner, mask, m_inner, scale, causal, chance, rest,
        out, tops, shares,
    ):  # fmt: skip
        """query, key, value, mask (·, rows, columns), repeated over the batch as `at` says.

        causal: a query sees no key that comes after it. chance, rest: of dropout, see survival.
        out (batch, L, Ev); tops, shares (batch, L): the largest score of each query, and 1 over the
        sum of the exponentials of all, each less the largest.
        """
        keys = cuda.shared.array(tile, real)
        values = cuda.shared.array(tile, real)
        own = cuda.local.array(width, real)
        mean = cuda.local.array(width, real)
        batch, n_queries, _ = out.shape
        n_keys = key.shape[1]
        z, first = own_tile(n_queries)
        k_z = at(z, batch, key.shape[0], k_inner)
        v_z = at(z, batch, value.shape[0], v_inner)
        m_z = at(z, batch, mask.shape[0], m_inner)
        i = first + cuda.threadIdx.x
        load_row(query, at(z, batch, query.shape[0], q_inner), i, scale, own)
        clear_row(mean)
        top = least
        total = real(0)
        stop = min(n_keys, first + cuda.blockDim.x) if causal else n_keys
        seen = min(n_keys, i + 1) if causal else n_keys
        start = np.int64(0)
        while start < stop:
            load_tile(key, k_z, start, real(1), keys)
            load_tile(value, v_z, start, real(1), values)
            cuda.syncthreads()
            if i < n_queries:
                count = min(seen - start, MET)
                for j in range(count):
                    score = dot(own, keys, j) + mask_of(mask, m_z, i, start + j)
                    if score > top:
                        shrink = math.exp(top - score)
                        total *= shrink
                        scale_row(mean, shrink)
                        top = score
                    weight = math.exp(score - top)
                    total += weight
                    if chance[2] > 0:
                        place = (z * n_queries + i) * n_keys + start + j
                        weight *= survival(chance, rest, place)
                    add_row(mean, weight, values, j)
            cuda.syncthreads()
            start += MET
        share = real(0) if total == real(0) else real(1) / total
        store_row(mean, share, out, z, i)
        if i < n_queries:
            tops[z, i] = top
            shares[z, i] = share

    return attention_kernel


@factory
def deltas(real: Any) -> Any:
    """deltas (batch, L) = Σ dout · out, both (batch, L, Ev).

    It is what softmax takes off the gradient of each weight: Σ p dp over the keys, where dp is dout
    value, is dout out.
    """

    @jit
    def deltas_kernel(dout, out, deltas):
        k = cuda.grid(1)
        if k < deltas.size:
            z, i = divide(k, deltas.shape[1])
            total = real(0)
            for d in range(out.shape[2]):
                total += dout[z, i, d] * out[z, i, d]
            deltas[z, i] = total

    return deltas_kernel


@factory
def dscores(real: Any) -> Any:
    """dscores (batch, L, S): p · (dout value - delta), where p are the weights of the values.

    It is the gradient of a mask that is added, and as large as the scores: only who asks for that
    gradient has it. A thread owns a score.
    """

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
            score = real(0)
            for d in range(query.shape[2]):
                score += query[q_z, i, d] * scale * key[k_z, j, d]
            score += mask_of(mask, at(z, batch, mask.shape[0], m_inner), i, j)
            dp = real(0)
            for d in range(value.shape[2]):
                dp += dout[z, i, d] * value[v_z, j, d]
            if chance[2] > 0:
                dp *= survival(chance, rest, place)
            p = math.exp(score - tops[z, i]) * shares[z, i]
            dscores[z, i, j] = p * (dp - deltas[z, i])

    return dscores_kernel


@factory
def dquery(real: Any, width: int) -> Any:
    """dquery (batch, L, E) = Σ over the keys of dscores · key · scale; see dscores.

    A thread owns a query, and meets the keys and values.
    """
    tile = (MET, width)

    @jit
    def dquery_kernel(
        query, q_inner, key, k_inner, value, v_inner, mask, m_inner, scale, causal, chance, rest,
        tops, shares, out, dout, dquery,
    ):  # fmt: skip
        keys = cuda.shared.array(tile, real)
        values = cuda.shared.array(tile, real)
        slopes = cuda.shared.array((MET, ROWS), real)
        own = cuda.local.array(width, real)
        own_dout = cuda.local.array(width, real)
        total = cuda.local.array(width, real)
        batch, n_queries, _ = dout.shape
        n_keys = key.shape[1]
        z, first = own_tile(n_queries)
        k_z = at(z, batch, key.shape[0], k_inner)
        v_z = at(z, batch, value.shape[0], v_inner)
        m_z = at(z, batch, mask.shape[0], m_inner)
        t = cuda.threadIdx.x
        i = first + t
        load_row(query, at(z, batch, query.shape[0], q_inner), i, scale, own)
        load_row(dout, z, i, real(1), own_dout)
        load_row(out, z, i, real(1), total)
        delta = real(0)
        for d in range(width):
            delta += own_dout[d] * total[d]
        clear_row(total)
        stop = min(n_keys, first + cuda.blockDim.x) if causal else n_keys
        seen = min(n_keys, i + 1) if causal else n_keys
        start = np.int64(0)
        while start < stop:
            load_tile(key, k_z, start, real(1), keys)
            load_tile(value, v_z, start, real(1), values)
            cuda.syncthreads()
            if i < n_queries:
                count = min(seen - start, MET)
                for j in range(count):
                    score = dot(own, keys, j) + mask_of(mask, m_z, i, start + j)
                    slopes[j, t] = math.exp(score - tops[z, i]) * shares[z, i]
                for j in range(count):
                    dp = dot(own_dout, values, j)
                    if chance[2] > 0:
                        dp *= survival(chance, rest, (z * n_queries + i) * n_keys + start + j)
                    slopes[j, t] *= dp - delta
                for j in range(count):
                    add_row(total, slopes[j, t], keys, j)
            cuda.syncthreads()
            start += MET
        store_row(total, scale, dquery, z, i)

    return dquery_kernel


@factory
def dkey(real: Any, width: int) -> Any:
    """dkey (·, S, E) = Σ over the queries of dscores · query · scale; see dscores.

    A thread owns a key, and meets the queries, and the gradients of what came of them, of all the
    matrices of the batch that its matrix was repeated for.
    """
    tile = (MET, width)

    @jit
    def dkey_kernel(
        query, q_inner, key, k_inner, value, v_inner, mask, m_inner, scale, causal, chance, rest,
        tops, shares, deltas, dout, dkey,
    ):  # fmt: skip
        queries = cuda.shared.array(tile, real)
        douts = cuda.shared.array(tile, real)
        slopes = cuda.shared.array((MET, ROWS), real)
        own = cuda.local.array(width, real)
        own_value = cuda.local.array(width, real)
        total = cuda.local.array(width, real)
        batch, n_queries, _ = dout.shape
        matrices, n_keys, _ = key.shape
        k_z, first = own_tile(n_keys)
        t = cuda.threadIdx.x
        j = first + t
        load_row(key, k_z, j, real(1), own)
        clear_row(total)
        for repeat in range(divide(batch, matrices)[0]):
            z = repeated(k_z, repeat, matrices, k_inner)
            q_z = at(z, batch, query.shape[0], q_inner)
            m_z = at(z, batch, mask.shape[0], m_inner)
            load_row(value, at(z, batch, value.shape[0], v_inner), j, real(1), own_value)
            start = first if causal else np.int64(0)
            while start < n_queries:
                load_tile(query, q_z, start, scale, queries)
                load_tile(dout, z, start, real(1), douts)
                cuda.syncthreads()
                if j < n_keys:
                    skipped = max(j - start, 0) if causal else np.int64(0)
                    rows = min(n_queries - start, MET)
                    for row in range(skipped, rows):
                        i = start + row
                        score = dot(own, queries, row) + mask_of(mask, m_z, i, j)
                        slopes[row, t] = math.exp(score - tops[z, i]) * shares[z, i]
                    for row in range(skipped, rows):
                        i = start + row
                        dp = dot(own_value, douts, row)
                        if chance[2] > 0:
                            dp *= survival(chance, rest, (z * n_queries + i) * n_keys + j)
                        slopes[row, t] *= dp - deltas[z, i]
                    for row in range(skipped, rows):
                        add_row(total, slopes[row, t], queries, row)
                cuda.syncthreads()
                start += MET
        store_row(total, real(1), dkey, k_z, j)

    return dkey_kernel


@factory
def dvalue(real: Any, width: int) -> Any:
    """dvalue (·, S, Ev) = Σ over the queries of p, after dropout, · dout.

    A thread owns a value, as one of dkey owns a key.
    """
    tile = (MET, width)

    @jit
    def dvalue_kernel(
        query, q_inner, key, k_inner, value, v_inner, mask, m_inner, scale, causal, chance, rest,
        tops, shares, dout, dvalue,
    ):  # fmt: skip
        queries = cuda.shared.array(tile, real)
        douts = cuda.shared.array(tile, real)
        own_key = cuda.local.array(width, real)
        total = cuda.local.array(width, real)
        batch, n_queries, _ = dout.shape
        matrices, n_keys, _ = value.shape
        v_z, first = own_tile(n_keys)
        j = first + cuda.threadIdx.x
        clear_row(total)
        for repeat in range(divide(batch, matrices)[0]):
            z = repeated(v_z, repeat, matrices, v_inner)
            q_z = at(z, batch, query.shape[0], q_inner)
            m_z = at(z, batch, mask.shape[0], m_inner)
            load_row(key, at(z, batch, key.shape[0], k_inner), j, real(1), own_key)
            start = first if causal else np.int64(0)
            while start < n_queries:
                load_tile(query, q_z, start, scale, queries)
                load_tile(dout, z, start, real(1), douts)
                cuda.syncthreads()
                if j < n_keys:
                    skipped = max(j - start, 0) if causal else np.int64(0)
                    rows = min(n_queries - start, MET)
                    for row in range(skipped, rows):
                        i = start + row
                        score = dot(own_key, queries, row) + mask_of(mask, m_z, i, j)
                        p = math.exp(score - tops[z, i]) * shares[z, i]
                        if chance[2] > 0:
                            p *= survival(chance, rest, (z * n_queries + i) * n_keys + j)
                        add_row(total, p, douts, row)
                cuda.syncthreads()
                start += MET
        store_row(total, real(1), dvalue, v_z, j)

    return dvalue_kernel
