"""What indexing, gathering, scattering and sorting mean."""

from __future__ import annotations

import operator
from math import inf, nan
from typing import Any

import torch
from torch.nn import functional

from .case import Case, Data, Op, Reject, bools, integers, ints, randn, values
from .reasons import BLOCK, CORNER, INFINITE, NO_ELEMENTS

ALL = slice(None)
TWICE = "an element taken twice gets both gradients"
FEW = "many indices, few elements"
PART_OF_SRC = "of src only what there is an index for"
OVERWRITTEN = "nothing is left of x"
IN_ORDER = "equals keep their order"
NO_INDEX = "an index without elements is of any shape"
ONE_ELEMENT = "a number is a vector of one"

COLUMNS = ints([[2, 0], [1, 1]])
BAD_COLUMNS = (
    Reject(IndexError, randn(2, 3), 1, ints([[3, 0], [0, 0]])),
    Reject(IndexError, randn(2, 3), 1, ints([[0, 0], [0, -1]])),
    Reject(IndexError, randn(2, 3), 2, COLUMNS),
    Reject(ValueError, randn(2, 3), 1, ints([0, 1])),
    Reject(ValueError, randn(2, 3), 1, ints([[0], [0], [0]])),
    Reject(TypeError, randn(2, 3), 1, values([[0.0], [1.0]])),
    Reject(TypeError, randn(2, 3), 1, bools([[True], [False]])),
    Reject(TypeError, randn(2, 3), 1.0, COLUMNS),
)


def places(*shape: int, dim: int, n: int) -> Data:
    """Indices below n, no two of them equal along dim: each has a place of its own."""
    first = (slice(None),) * dim + (slice(shape[dim]),)
    whole = (*shape[:dim], n, *shape[dim + 1 :])
    text = f"places({', '.join(map(str, shape))}, dim={dim}, n={n})"
    return Data(text, lambda rng: rng.random(whole).argsort(dim)[first])


def bad_places(src: Any) -> tuple[Reject, ...]:
    """What gather refuses, with something to be placed there."""
    return tuple(Reject(bad.error, *bad.args, src) for bad in BAD_COLUMNS)


def scatter(x: torch.Tensor, dim: int, index: torch.Tensor, *src: Any, **named: Any) -> Any:
    """torch.scatter, also backward where index covers only a part of src."""
    named = {name: _covered(index, value) for name, value in named.items()}
    return torch.scatter(x, dim, index, *[_covered(index, each) for each in src], **named)


def scatter_add(x: torch.Tensor, dim: int, index: torch.Tensor, src: torch.Tensor) -> torch.Tensor:
    """torch.scatter_add, also backward where index covers only a part of src."""
    return torch.scatter_add(x, dim, index, _covered(index, src))


def _covered(index: torch.Tensor, src: Any) -> Any:
    """The part of src that index covers; torch gives the gradient of src no other shape."""
    if not isinstance(src, torch.Tensor) or not src.ndim or not index.numel():
        return src
    return src[tuple(map(slice, index.shape))]


def topk(
    x: torch.Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """torch.topk with the first of equals first: torch leaves open which it is."""
    values, indices = torch.sort(x, dim=dim, descending=largest, stable=True)
    first = torch.arange(k if x.ndim else max(k, 1))  # torch takes a number even for k = 0
    return values.index_select(dim, first), indices.index_select(dim, first)


def sort(x: torch.Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
    """torch.sort, where equals keep their order even if nobody asks for it."""
    return torch.sort(x, dim=dim, descending=descending, stable=True)


def argsort(
    x: torch.Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> torch.Tensor:
    """torch.argsort, where equals keep their order even if nobody asks for it."""
    return torch.argsort(x, dim=dim, descending=descending, stable=True)


SORTED = (
    Case(randn(2, 3, 5)),
    Case(randn(2, 3, 5), 1),
    Case(randn(2, 3, 5), 0, True),
    Case(randn(2, 3, 5), dim=-2, descending=True),
    Case(randn(2, 5), descending=False, stable=True),
    Case(randn(1, 4), 0),
    Case(randn()),
    Case(randn(), 0),
    Case(randn(3, 0), flat=NO_ELEMENTS),
    Case(randn(3, 0), 0, flat=NO_ELEMENTS),
    Case(randn(2, 37), why=BLOCK),
    Case(randn(70, 3), 0, descending=True, why=BLOCK),
    Case(integers(1025, low=0, high=99), stable=True, why="one more than a block of 1024"),
    Case(integers(2, 37, low=0, high=4), stable=True, why=IN_ORDER),
    Case(integers(37, low=0, high=4), descending=True, why=IN_ORDER),
    Case(bools([[True, False, True], [False, True, False]])),
    Case(values([2.0, 0.5, 2.0, -1.0, 0.5, 2.0]), kink=CORNER, why=IN_ORDER),
    Case(values([2.0, 0.5, 2.0, -1.0, 0.5]), descending=True, kink=CORNER, why=IN_ORDER),
    Case(values([nan, 0.5, inf, nan, -inf, 0.0, -0.0]), kink=INFINITE, why="NaN is the largest"),
    Case(
        values([0.5, nan, inf, nan, -inf, -0.0, 0.0]),
        descending=True,
        kink=INFINITE,
        why="NaN is the largest",
    ),
)
BAD_SORTED = (
    Reject(IndexError, randn(2, 3), 2),
    Reject(IndexError, randn(2, 3), dim=-3),
    Reject(IndexError, randn(), dim=1),
    Reject(TypeError, randn(2, 3), 1.0),
    Reject(TypeError, randn(2, 3), None),
    Reject(TypeError, randn(2, 3), -1, 0),
)

OPS = (
    Op(
        "getitem",
        operator.getitem,
        Case(randn(5), 2),
        Case(randn(2, 3, 5), -1),
        Case(randn(2, 3, 5), (1, -3)),
        Case(randn(2, 3), (0, 2)),
        Case(randn(2, 3, 5), (ALL, slice(1, 3))),
        Case(randn(7, 3), slice(1, None, 2)),
        Case(randn(5), slice(1, 4, 1)),
        Case(randn(7, 3), (slice(-3, -1), slice(None, 9))),
        Case(randn(2, 3, 5), (..., 1)),
        Case(randn(2, 3, 5), (1, ..., slice(0, 4, 3))),
        Case(randn(2, 3), (ALL, None)),
        Case(randn(2, 3), (None, ..., 2, None)),
        Case(randn(), ()),
        Case(randn(), None),
        Case(randn(2, 3), ...),
        Case(randn(5), slice(3, 3), flat=NO_ELEMENTS),
        Case(randn(5, 3), ([3, 0, -1],)),
        Case(randn(3, 5), [True, False, True]),
        Case(randn(5), [], flat=NO_ELEMENTS),
        Case(randn(5, 3), ints([3, 0, -1])),
        Case(randn(5, 3), ints([2, 2, 2, 0]), why="an element taken twice gets both gradients"),
        Case(randn(5, 3), ints([[4, 0], [1, 1], [0, 3]])),
        Case(randn(5), ints(3)),
        Case(randn(2, 3, 5), (ALL, ints([2, 0, 2, 1]))),
        Case(randn(2, 3, 5), (..., [4, 4, 1, 0])),
        Case(randn(4, 3, 5), (ints([3, 0]), ints([1, 1])), why="two lists: pairs of indices"),
        Case(randn(4, 3, 5), (ints([[3], [0]]), ints([1, 2, 1])), why="two lists that broadcast"),
        Case(randn(4, 3, 5), (ints([3, 0]), ALL, ints([1, 1])), why="split lists come first"),
        Case(randn(4, 3, 5), (2, ALL, ints([1, 1])), why="an int is no list: it comes first"),
        Case(randn(4, 3, 5), (ALL, 2, ints([1, 1]))),
        Case(randn(4, 3), (ints([1, 1]), None, slice(1, None))),
        Case(randn(2, 3), bools([[True, False, True], [False, True, True]])),
        Case(randn(3, 5), bools([True, False, True])),
        Case(randn(2, 3, 5), (ALL, bools([True, False, True]), slice(0, 2))),
        Case(randn(2, 3), (bools([False, True]), ints([2, 2, 0]))),
        Case(randn(5), bools([False] * 5), flat=NO_ELEMENTS),
        Case(ints([[1, 2, 3], [4, 5, 6]]), (ALL, ints([2, 0, 0]))),
        Case(bools([True, False, True]), slice(1, None)),
        Case(randn(3, 2), integers(37, low=0, high=3), why="many are taken from few"),
        Case(randn(2, 3, 5), (bools([[True, False, True], [False, True, False]]), slice(1, 4))),
        Case(randn(4, 3, 5), (None, ints([1, 1, -4]), ..., slice(None, None, 2), None)),
        Case(
            randn(4, 3, 5),
            (bools([True, False, True, True]), ..., ints([0, 4, 0])),
            why="a mask is the list of where it is true: three pairs, split by a dim",
        ),
        Case(randn(2, 3, 5), (..., bools([False, True, True]), ints([[2], [0], [2]]))),
        Case(randn(5), ints([]), flat=NO_ELEMENTS),
        Case(randn(2, 3), True, why="a new dim: of the one, what is true"),
        Case(randn(), False, flat=NO_ELEMENTS, why="of nothing"),
        Case(
            randn(2, 3, 5),
            (ALL, ints([[2], [0]]), ..., ints([4, 0, 1])),
            why="dots that stand for no dim split nothing",
        ),
        Case(
            randn(2, 4, 3, 5),
            (ALL, ints([3, 0, 1, 1, 2, 0]), ALL, ints([1, 4, 0, 0, 2, 3])),
            why="split lists come first, before the dims in front of them, too",
        ),
        rejects=[
            Reject(IndexError, randn(2, 3), 2),
            Reject(IndexError, randn(2, 3), (0, -4)),
            Reject(IndexError, randn(2, 3), (0, 0, 0)),
            Reject(IndexError, randn(2, 3), ints([0, 2])),
            Reject(IndexError, randn(2, 3), ints([-3])),
            Reject(IndexError, randn(4, 3), (ints([0, 1]), ints([0, 1, 2]))),
            Reject(IndexError, randn(), 0),
            Reject(IndexError, randn(2, 3), bools([True, False, True])),
            Reject(IndexError, randn(2, 3, 5), (..., bools([[], []]), slice(0, 2))),
            Reject(ValueError, randn(5), slice(None, None, -1)),
            Reject(ValueError, randn(5), slice(None, None, 0)),
            Reject(TypeError, randn(5), 1.5),
            Reject(TypeError, randn(5), values([0.0, 1.0])),
        ],
    ),
    Op(
        "index_select",
        torch.index_select,
        Case(randn(5, 3), 0, ints([3, 0, 4])),
        Case(randn(2, 3, 5), 1, ints([2, 0, 2, 2]), why=TWICE),
        Case(randn(2, 3, 5), dim=-1, index=ints([4, 4, 1])),
        Case(randn(2, 3), 1, integers(37, low=0, high=3), why=FEW),
        Case(randn(2, 37), 1, ints([36, 0, 33]), why=BLOCK),
        Case(randn(2, 3), 1, ints([]), flat=NO_ELEMENTS),
        Case(randn(2, 3), 1, ints(2), why="one index: the dim stays"),
        Case(randn(), 0, ints([0])),
        Case(ints([[1, 2, 3], [4, 5, 6]]), 1, ints([2, 2, 0])),
        Case(bools([True, False, True]), 0, ints([1, 0])),
        rejects=[
            Reject(IndexError, randn(2, 3), 1, ints([0, 3])),
            Reject(IndexError, randn(2, 3), 1, ints([0, -1])),
            Reject(IndexError, randn(2, 3), 2, ints([0])),
            Reject(ValueError, randn(2, 3), 1, ints([[0, 1]])),
            Reject(TypeError, randn(2, 3), 1, values([0.0, 1.0])),
            Reject(TypeError, randn(2, 3), 1, bools([True, False, True])),
            Reject(TypeError, randn(2, 3), 1.0, ints([0])),
            Reject(ValueError, randn(), 0, ints([0, 0])),
        ],
    ),
    Op(
        "gather",
        torch.gather,
        Case(randn(2, 3), 1, COLUMNS, why=TWICE),
        Case(randn(2, 3), 0, ints([[1, 0, 1]])),
        Case(randn(2, 3, 5), 1, integers(2, 4, 5, low=0, high=3)),
        Case(randn(2, 3, 5), dim=-1, index=integers(2, 3, 7, low=0, high=5)),
        Case(randn(3, 2, 5), 0, integers(4, 2, 5, low=0, high=3)),
        Case(randn(4, 3, 5), 1, integers(2, 6, 3, low=0, high=3), why="not all of the other dims"),
        Case(randn(2, 3), 1, integers(2, 37, low=0, high=3), why=FEW),
        Case(randn(37, 2), 0, integers(4, 2, low=0, high=37), why=BLOCK),
        Case(randn(5), 0, ints([3, 3, 0]), why=TWICE),
        Case(randn(5), 0, ints(3)),
        Case(randn(), 0, ints([0, 0])),
        Case(randn(2, 3), 1, ints([[], []]), flat=NO_ELEMENTS),
        Case(randn(2, 3), 1, ints([]), flat=NO_ELEMENTS, why=NO_INDEX),
        Case(ints([[1, 2, 3], [4, 5, 6]]), 1, COLUMNS),
        Case(bools([[True, False, True], [False, False, True]]), 1, COLUMNS),
        rejects=BAD_COLUMNS,
    ),
    Op(
        "scatter",
        scatter,
        Case(randn(3, 5), 1, places(3, 2, dim=1, n=5), randn(3, 2)),
        Case(randn(3, 5), 1, places(2, 3, dim=1, n=5), randn(3, 4), why=PART_OF_SRC),
        Case(randn(7, 3), 0, places(4, 3, dim=0, n=7), randn(4, 3)),
        Case(randn(2, 3, 5), -2, places(2, 1, 5, dim=1, n=3), src=randn(2, 1, 5)),
        Case(randn(4, 3, 5), 1, places(3, 2, 4, dim=1, n=3), randn(3, 2, 4)),
        Case(randn(2, 37), 1, places(2, 33, dim=1, n=37), randn(2, 33), why=BLOCK),
        Case(randn(2, 3), 1, places(2, 3, dim=1, n=3), randn(2, 3), flat=OVERWRITTEN),
        Case(randn(5), 0, ints(3), randn()),
        Case(randn(), 0, ints(0), randn(), flat=OVERWRITTEN),
        Case(randn(2, 3), 1, ints([[], []]), randn(2, 0), flat=NO_ELEMENTS),
        Case(randn(2, 3), 1, ints([]), randn(0), flat=NO_ELEMENTS, why=NO_INDEX),
        Case(randn(2, 3), 0, ints([]), 1.5, why=NO_INDEX),
        Case(randn(2, 3), 1, COLUMNS, 1.5),
        Case(randn(2, 3), dim=1, index=COLUMNS, value=-2.5),
        Case(randn(3, 2, 5), 0, integers(2, 2, 4, low=0, high=3), value=0),
        Case(randn(5), 0, ints(3), 2.5),
        Case(ints([[1, 2, 3], [4, 5, 6]]), 1, COLUMNS, 7),
        Case(
            ints([[1, 2, 3], [4, 5, 6]]),
            1,
            ints([[2], [0]]),
            ints([[7, 8], [9, 10], [11, 12]]),
            why=PART_OF_SRC,
        ),
        Case(bools([True, False, True]), 0, ints([2, 1]), bools([False, True])),
        Case(
            randn(2, 4),
            1,
            ints([[1, 3, 1], [0, 0, 0]]),
            values([[2.5, -1.0, 2.5], [0.5, 0.5, 0.5]]),
            kink="moving one of several equal numbers for a place may move nothing",
            why="several for one place: each receives its gradient",
        ),
        Case(
            values([nan, 1.0, inf]),
            0,
            ints([2, 0]),
            values([0.5, -2.0]),
            why="what is overwritten leaves no trace, not even a NaN",
        ),
        Case(randn(), 0, ints([0]), randn(), flat=OVERWRITTEN, why=ONE_ELEMENT),
        Case(randn(2, 3), 0, ints([]), randn(), flat=NO_INDEX),
        rejects=[
            *bad_places(1.5),
            Reject(ValueError, randn(2, 3), 1, COLUMNS, randn(2, 1)),
            Reject(ValueError, randn(2, 3), 1, COLUMNS, randn(2)),
            Reject(TypeError, randn(2, 3), 1, COLUMNS, ints([[1, 2], [3, 4]])),
            Reject(TypeError, randn(2, 3), 1, COLUMNS),
            Reject(TypeError, randn(2, 3), 1, COLUMNS, randn(2, 3), value=1.5),
            Reject(ValueError, ints([1, 2]), 0, ints([0]), inf),
            Reject(ValueError, ints([1, 2]), 0, ints([0]), nan),
        ],
    ),
    Op(
        "scatter_add",
        scatter_add,
        Case(randn(3, 5), 1, ints([[2, 0], [1, 1], [4, 4]]), randn(3, 2), why="added twice"),
        Case(randn(3, 5), 1, ints([[2, 0, 4], [1, 1, 3]]), randn(3, 4), why=PART_OF_SRC),
        Case(randn(2, 3, 5), 1, integers(2, 4, 5, low=0, high=3), randn(2, 4, 5)),
        Case(randn(7, 3), dim=-2, index=integers(4, 3, low=0, high=7), src=randn(4, 3)),
        Case(randn(4, 3, 5), 1, integers(2, 6, 3, low=0, high=3), randn(2, 6, 3)),
        Case(randn(3, 2), 0, integers(37, 2, low=0, high=3), randn(37, 2), why=FEW),
        Case(randn(2, 37), 1, places(2, 33, dim=1, n=37), randn(2, 33), why=BLOCK),
        Case(randn(5), 0, ints(3), randn()),
        Case(randn(), 0, ints(0), randn()),
        Case(randn(2, 3), 1, ints([[], []]), randn(2, 0), flat=NO_ELEMENTS),
        Case(randn(2, 3), 1, ints([]), randn(0), flat=NO_ELEMENTS, why=NO_INDEX),
        Case(ints([[1, 2, 3], [4, 5, 6]]), 1, COLUMNS, ints([[7, 8], [9, 10]])),
        Case(
            ints([[1, 2, 3], [4, 5, 6]]),
            1,
            ints([[2], [0]]),
            ints([[7, 8], [9, 10], [11, 12]]),
            why=PART_OF_SRC,
        ),
        Case(
            values([1.0, inf, 3.0, 0.5]),
            0,
            ints([0, 0, 1, 2]),
            values([inf, -inf, 1.0, nan]),
            kink=INFINITE,
            why="inf - inf is NaN, everything else goes through",
        ),
        Case(randn(), 0, ints([0]), randn(), why=ONE_ELEMENT),
        Case(randn(2, 3), 0, ints([]), randn(), flat=NO_INDEX),
        rejects=[
            *bad_places(randn(2, 3)),
            Reject(ValueError, randn(2, 3), 1, COLUMNS, randn(2, 1)),
            Reject(ValueError, randn(2, 3), 1, COLUMNS, randn(2)),
            Reject(TypeError, randn(2, 3), 1, COLUMNS, ints([[1, 2], [3, 4]])),
            Reject(TypeError, randn(2, 3), 1, COLUMNS, 1.5),
        ],
    ),
    Op(
        "take_along_dim",
        torch.take_along_dim,
        Case(randn(2, 3), ints([5, 0, 0, 2]), why="without a dim: of all, in the order of memory"),
        Case(randn(2, 3, 5), integers(4, 2, low=0, high=30), dim=None, why="in one row as well"),
        Case(randn(2, 3), COLUMNS, 1, why=TWICE),
        Case(randn(2, 3, 5), integers(2, 4, 5, low=0, high=3), 1),
        Case(randn(3, 2, 5), indices=integers(4, 2, 5, low=0, high=3), dim=-3),
        Case(randn(2, 3, 5), integers(1, 4, 1, low=0, high=3), 1, why="the indices broadcast"),
        Case(randn(1, 3), integers(5, 2, low=0, high=3), 1, why="x broadcasts"),
        Case(randn(2, 1, 5), integers(1, 3, 7, low=0, high=5), 2, why="both broadcast"),
        Case(randn(2, 3), ints([[-1, 0], [1, -3]]), 1, why="from the end, if a dim is named"),
        Case(randn(2, 3), integers(2, 37, low=0, high=3), 1, why=FEW),
        Case(randn(37), ints([36, 0, 33]), 0, why=BLOCK),
        Case(randn(2, 3), ints(4), why="one of all: still a row"),
        Case(randn(), ints([0, 0])),
        Case(randn(2, 3), ints([]), flat=NO_ELEMENTS),
        Case(randn(2, 3), ints([[], []]), 1, flat=NO_ELEMENTS),
        Case(ints([[1, 2, 3], [4, 5, 6]]), COLUMNS, 1),
        rejects=[
            Reject(IndexError, randn(2, 3), ints([6])),
            Reject(IndexError, randn(2, 3), ints([-1])),
            Reject(IndexError, randn(2, 3), ints([[0]]), 2),
            Reject(IndexError, randn(), ints(0), 0),
            Reject(ValueError, randn(2, 3), ints([0]), 1),
            Reject(ValueError, randn(2, 3), ints([[0], [0], [0]]), 1),
            Reject(TypeError, randn(2, 3), values([[0.0], [1.0]]), 1),
            Reject(TypeError, randn(2, 3), COLUMNS, 1.0),
        ],
    ),
    Op(
        "topk",
        topk,
        Case(randn(2, 3, 5), 2),
        Case(randn(2, 3, 5), 2, 1),
        Case(randn(5, 3), 3, 0, False),
        Case(randn(4, 3, 5), 2, 0),
        Case(randn(2, 5), k=5, dim=-1, largest=True, sorted=True, why="all of them"),
        Case(randn(2, 3, 5), 3, dim=-2, largest=False),
        Case(randn(2, 5), 1, sorted=False),
        Case(randn(5), 0, flat="nothing is taken"),
        Case(randn(1, 4), 1, 0),
        Case(randn(), 1),
        Case(randn(3, 0), 0, flat=NO_ELEMENTS),
        Case(randn(2, 37), 3, why=BLOCK),
        Case(randn(37, 2), 33, 0, why=BLOCK),
        Case(ints([[3, -1, 4], [1, 5, -9]]), 2),
        Case(bools([[False, True, False], [True, True, False]]), 2, why="True is the larger"),
        Case(integers(2, 37, low=0, high=4), 9, why="the first of equals first"),
        Case(values([2.0, 3.0, 0.5, 2.0, 2.0]), 3, kink=CORNER, why="the first of equals first"),
        Case(
            values([2.0, 0.5, 3.0, 2.0, 0.5]),
            3,
            largest=False,
            kink=CORNER,
            why="the first of equals first",
        ),
        Case(
            values([[1.0, nan, inf, nan], [-inf, nan, 0.5, inf], [2.0, -inf, 1.0, 3.0]]),
            3,
            kink=INFINITE,
            why="NaN is the largest",
        ),
        Case(
            values([[1.0, nan, inf, nan], [-inf, nan, 0.5, inf], [2.0, -inf, 1.0, 3.0]]),
            3,
            largest=False,
            kink=INFINITE,
            why="NaN is the largest",
        ),
        Case(
            values([[2.0, 3.0, 0.5, 2.0, nan], [nan, -0.0, 0.0, -1.0, 0.0]]),
            3,
            kink=INFINITE,
            why="as many numbers tie with the last as there are NaNs before it",
        ),
        Case(
            values([[2.0, 3.0, 0.5, 2.0, nan], [nan, -0.0, 0.0, -1.0, 0.0]]),
            3,
            largest=False,
            kink=INFINITE,
            why="numbers tie with the last, and NaN comes after it",
        ),
        Case(randn(), 0, why="a number is taken all the same"),
        rejects=[
            Reject(ValueError, randn(2, 3), 4),
            Reject(ValueError, randn(2, 3), -1),
            Reject(ValueError, randn(), 2),
            Reject(IndexError, randn(2, 3), 1, 2),
            Reject(IndexError, randn(2, 3), 1, -3),
            Reject(TypeError, randn(2, 3), 1.0),
            Reject(TypeError, randn(2, 3), None),
            Reject(TypeError, randn(2, 3), 1, 1.0),
            Reject(TypeError, randn(2, 3), 1, -1, 0),
        ],
    ),
    Op("sort", sort, *SORTED, rejects=BAD_SORTED),
    Op(
        "argsort",
        argsort,
        *(Case(*case.args, why=case.why, **case.kwargs) for case in SORTED),
        rejects=BAD_SORTED,
    ),
    Op(
        "one_hot",
        functional.one_hot,
        Case(ints([2, 0, 1])),
        Case(ints([2, 0, 1]), 5),
        Case(integers(2, 3, low=0, high=4), num_classes=4),
        Case(ints([[3, 1], [0, 1]]), num_classes=-1, why="as many as the largest needs"),
        Case(ints(1)),
        Case(ints(1), 3),
        Case(ints([0, 39]), 40, why=BLOCK),
        Case(integers(37, low=0, high=3), 3, why=BLOCK),
        Case(ints([0, 0]), 1),
        Case(ints([]), 3, why="no rows, but three classes"),
        rejects=[
            Reject(IndexError, ints([0, 2]), 2),
            Reject(IndexError, ints([0, -1]), 3),
            Reject(IndexError, ints([0, -1])),
            Reject(ValueError, ints([])),
            Reject(TypeError, values([0.0, 1.0])),
            Reject(TypeError, bools([True, False])),
            Reject(TypeError, ints([0, 1]), 2.5),
            Reject(ValueError, ints([]), 0),
            Reject(ValueError, ints([0, 1]), -2),
        ],
    ),
)
