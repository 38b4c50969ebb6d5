"""What attention means: every query takes a weighted mean of the values."""

from __future__ import annotations

from math import inf, nan

import numpy as np
from torch.nn import functional

from .case import Case, Data, Op, Reject, bools, integers, mask, randn, values
from .reasons import INFINITE, ONE_OPTION


def qkv(
    *batch: int, n_query: int = 3, n_key: int = 5, n_in: int = 4, n_out: int = 6
) -> tuple[Data, ...]:
    """query (*batch, n_query, n_in), key (*batch, n_key, n_in), value (*batch, n_key, n_out)."""
    return (
        randn(*batch, n_query, n_in),
        randn(*batch, n_key, n_in),
        randn(*batch, n_key, n_out),
    )


def grouped(
    heads: int, groups: int, n_query: int = 3, n_key: int = 5, n_in: int = 4, n_out: int = 7
) -> tuple[Data, ...]:
    """A query of more heads than the key and the value have, each of which serves several."""
    return (
        randn(1, heads, n_query, n_in),
        randn(1, groups, n_key, n_in),
        randn(1, groups, n_key, n_out),
    )


def identity(n: int) -> Data:
    """Values that show the weights themselves."""
    return Data(f"identity({n})", lambda rng: np.eye(n))


SOME_KEYS = [[True, False, False, False, False], [True] * 5, [False, True, True, False, True]]

OPS = (
    Op(
        "scaled_dot_product_attention",
        functional.scaled_dot_product_attention,
        Case(*qkv()),
        Case(*qkv(2)),
        Case(*qkv(2, 1, n_query=4, n_key=3, n_in=5, n_out=1)),
        Case(randn(2, 1, 3, 4), randn(1, 5, 4), randn(1, 5, 6), why="the batch broadcasts"),
        Case(*qkv(), scale=0.25),
        Case(*qkv(), scale=-1.5),
        Case(*qkv(n_query=4, n_key=4, n_in=3), is_causal=True),
        Case(*qkv(n_query=3, n_key=5), is_causal=True, why="the last keys are never seen"),
        Case(*qkv(n_query=5, n_key=3), is_causal=True, why="the last queries see every key"),
        Case(*qkv(2, n_query=3, n_key=3, n_in=1), is_causal=True, scale=2.0),
        Case(*qkv(2), bools(SOME_KEYS)),
        Case(*qkv(2), attn_mask=bools([True, False, True, True, False])),
        Case(
            *qkv(2),
            attn_mask=bools([[[True], [False], [True]], [[True], [True], [True]]]),
            why="a query that may see nothing gets 0",
        ),
        Case(*qkv(2), attn_mask=randn(2, 3, 5)),
        Case(*qkv(2), attn_mask=randn(1, 5)),
        Case(*qkv(2), attn_mask=randn(5), why="one row for every query"),
        Case(
            *qkv(),
            attn_mask=values([[0.0, -inf, -inf, 0.5, 0.0], [-inf] * 5, [0.0] * 5]),
            why="a query that may see nothing gets 0",
        ),
        Case(*qkv(), mask(3, 5), 0.0, False, scale=None),
        Case(*qkv(n_query=2, n_key=1), flat=ONE_OPTION),
        Case(*qkv(n_query=1)),
        Case(*qkv(n_query=9, n_key=17, n_in=11, n_out=10), why="several tiles of 8"),
        Case(*qkv(n_query=2, n_key=37, n_in=3), why="more keys than a block of 32 threads"),
        Case(*qkv(n_query=2, n_key=67, n_in=3, n_out=1), why="more than 8 tiles of 8 keys"),
        Case(
            values([[0.5, -1.0], [1.5, 0.25], [-0.75, 1.0]]),
            values([[0.25, 1.0], [-0.5, 0.5], [1.0, -1.5], [0.75, 0.25], [-1.25, -0.5]]),
            randn(5, 6),
            attn_mask=values([[1000.0] * 5, [800.5] * 5, [-1000.0] * 5]),
            scale=1.0,
            why="only the subtracted maximum holds it up",
        ),
        Case(randn(50, 3), randn(20, 3), identity(20), dropout_p=0.25, chance="dropout_p"),
        Case(
            randn(2, 30, 3),
            randn(2, 20, 3),
            identity(20),
            dropout_p=0.5,
            scale=0.5,
            chance="dropout_p",
        ),
        Case(*qkv(2, 1)),
        Case(*qkv(2, 7), attn_mask=randn(2, 1, 3, 5), why="one mask for all heads"),
        Case(*qkv(2, 7), attn_mask=mask(7, 1, 5), why="a mask for each head, of the keys alone"),
        Case(*qkv(2, 7, n_query=3, n_key=4, n_in=5), is_causal=True),
        Case(*grouped(6, 2), enable_gqa=True, why="each key serves three queries in a row"),
        Case(*grouped(6, 2, n_query=5, n_key=3), is_causal=True, enable_gqa=True),
        Case(*grouped(6, 2), randn(6, 3, 5), scale=0.5, enable_gqa=True),
        Case(*grouped(6, 2), attn_mask=mask(1, 6, 1, 5), enable_gqa=True),
        Case(randn(2, 6, 3, 4), randn(3, 5, 4), randn(3, 5, 7), enable_gqa=True),
        Case(randn(6, 3, 4), randn(2, 5, 4), randn(2, 5, 7), enable_gqa=True),
        Case(randn(1, 4, 3, 6), randn(2, 5, 6), randn(2, 5, 7), enable_gqa=True),
        Case(*grouped(6, 1), enable_gqa=True, why="one key for all"),
        Case(*qkv(2), enable_gqa=True, why="a key for each"),
        Case(
            values([[0.5, nan], [0.5, -1.0], [inf, 1.5]]),
            randn(5, 2),
            randn(5, 4),
            kink=INFINITE,
            why="NaN stays in its query",
        ),
        Case(
            values([[8.0] * 16 + [0.5], [8.5] * 16 + [-1.0], [-8.0] * 16 + [1.5]]),
            values([[8.0] * 16 + [last] for last in (0.25, -0.5, 1.0, 0.75, -1.25)]),
            randn(5, 6),
            scale=0.25,
            why="the maximum is that of scores already scaled",
        ),
        rejects=[
            Reject(ValueError, randn(3, 4), randn(5, 2), randn(5, 6)),
            Reject(ValueError, randn(3, 4), randn(5, 4), randn(7, 6)),
            Reject(ValueError, randn(2, 3, 4), randn(3, 5, 4), randn(3, 5, 6)),
            Reject(ValueError, randn(4), randn(5, 4), randn(5, 6)),
            Reject(ValueError, randn(3, 4), randn(4), randn(4)),
            Reject(ValueError, randn(3, 4), randn(5, 4), randn(5)),
            Reject(ValueError, *qkv(), mask(3, 4)),
            Reject(ValueError, *qkv(n_query=3, n_key=3), mask(3, 3), is_causal=True),
            Reject(TypeError, *qkv(), is_causal=1),
            Reject(TypeError, *grouped(6, 2), enable_gqa=1),
            Reject(TypeError, *qkv(), scale=(0.5,)),
            Reject(ValueError, *qkv(), dropout_p=1.5),
            Reject(ValueError, *grouped(6, 4), enable_gqa=True),
            Reject(ValueError, *grouped(2, 6), enable_gqa=True),
            Reject(ValueError, *grouped(6, 2)),
            Reject(ValueError, *qkv(), enable_gqa=True),
            Reject(TypeError, *qkv(), integers(3, 5, low=0, high=2)),
            Reject(TypeError, integers(3, 4, low=0, high=9), *qkv()[1:]),
        ],
    ),
)
