"""Attention that never stores its scores: softmax(q kᵀ · scale + mask) v, and the way back.

    tiles      what the kernels share: tiles in shared memory, their products in registers
    forward    the values that the queries take
    backward   the gradients

Decomposition: a block of 128 threads has a tile of queries, and passes over the keys and values a
tile at a time; a thread has 4 x 4 scores of each tile, and 4 x 8 elements of the result for rows of
64 in float32. Back there are two passes over the scores worked out anew, by blocks of 64 threads:
one has a tile of queries and sums up their gradients, one a tile of keys and sums up those of keys
and values. Fewer scores are had where rows are long or tiles too few (see `tiles` and `fitting`).

Work: with L queries, S keys and rows of E elements in B matrices, a product of two rows for each
pair of query and key is 2 B L S E operations. Forward does 2 of them; back dquery does 3 and
dkey_dvalue 4, where 4 in all would do that stored the scores; causal, half of that. Each pass takes
an exponential for each score, and with dropout 20 products of Philox for every four, or twice that
where the length of a row of scores is no multiple of four.

Bytes: what a block owns is read, and its result written, once. What it meets is read once for each
block: forward 2 B (L / 64) S E elements, dquery 2 B (L / 32) S E, dkey_dvalue 2 B (S / 32) L E,
most of them from the second level cache. For the way back the result is kept, and two numbers for
each query: memory grows with L + S.

Of bfloat16 it is half of the bytes: numbers are widened on their way into tiles, which are float32,
as sums are, and rounded when they are written.

Limit: arithmetic, and shared memory, which feeds it: a load of 128 bits serves 8 multiply-adds of
the scores, about 11 of the result. A thread's tiles fill most of its registers and a block's most
of 48 KiB, so that few warps are there to hide waiting; they limit the width of a row, too (see
WIDEST). A GPU is filled by a block for each of its processors at least, 64 queries of a matrix
each.

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

WIDEST = 512  # bytes of a row: for tiles of longer ones shared memory has no room
