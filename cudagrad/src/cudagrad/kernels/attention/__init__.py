"""Attention that never stores its scores: softmax(q kᵀ · scale + mask) v, and its gradients.

    tiles      what the kernels share: tiles in shared memory, and their products in registers
    forward    the result: for each query, the weighted mean of the values
    backward   the gradients

Decomposition: forward, a block of 128 threads owns a tile of queries and passes over the keys and
values, one tile at a time. A thread has 4 x 4 scores of each tile, and 4 x 8 elements of the result
for rows of 64 in float32. Backward computes the scores anew, in two passes by blocks of 64 threads:
in one a block owns a tile of queries and sums up their gradients, in the other a tile of keys and
sums up the gradients of keys and values. A thread has fewer scores where rows are long or tiles too
few (see `tiles` and `fitting`).

Operations: with L queries, S keys and rows of E elements in B matrices, a dot product for each pair
of a query and a key makes 2 B L S E operations in all. Forward does that 2 times; backward, dquery
does it 3 times and dkey_dvalue 4 times, where 4 times in all would do if the scores were stored.
With `causal` it is half of that. Each pass takes an exponential per score, and with dropout the 20
multiplications of Philox per four scores, or twice as many where the number of keys is no multiple
of four.

Bytes moved: what a block owns is read once, and its result is written once. What a block passes
over is read once by each block: 2 B (L / 64) S E elements forward, 2 B (L / 32) S E in dquery,
2 B (S / 32) L E in dkey_dvalue, most of them from the second level cache. For backward, the result
is kept and two numbers per query: memory grows with L + S, not with L S.

In bfloat16 half of the bytes move: numbers are widened on their way into the tiles, which are
float32, as the sums are, and rounded when they are written.

Limit: arithmetic, and the shared memory that feeds it: a load of 128 bits serves 8 multiply-adds of
the scores, and about 11 of the result. Its tiles fill most of a thread's registers and most of a
block's 48 KiB of shared memory, so that few warps are there to work while others wait; they limit
the length of a row, too (see WIDEST). To fill a GPU takes at least a block for each processor,
with 64 queries of one matrix each.

Dao 2023, https://arxiv.org/abs/2307.08691
Dao, Fu, Ermon, Rudra, Ré 2022, https://arxiv.org/abs/2205.14135
Milakov, Gimelshein 2018, https://arxiv.org/abs/1805.02867
"""

from __future__ import annotations

from .backward import deltas as deltas
from .backward import dkey_dvalue as dkey_dvalue
from .backward import dquery as dquery
from .backward import dscores as dscores
from .forward import attention as attention

WIDEST = 512  # bytes in a row: tiles of longer ones do not fit into shared memory
