"""Draw the arguments of each op: values that the graph already has, or new ones.

Sometimes, and for ops without a row, the arguments are those of one of the op's cases in the spec.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from ..checks import InvalidCaseError
from ..checks.reference import reference
from ..engines.adapter import Array
from ..spec import BY_NAME
from ..spec.case import transform
from .drawing import SHAPES, Call, Drawing, Value, tame

Row = Callable[[Drawing], Call]

# Ops that are not drawn, and why.
UNDRAWN = dict.fromkeys(
    ("zeros", "ones", "full", "arange", "randn"), "it takes no tensor: no gradient goes through it"
)


def refused(op: str) -> str:
    """The first case of an op that torch refuses, and why; empty if there is none."""
    for case in BY_NAME[op].cases:
        try:
            reference(BY_NAME[op], case)
        except InvalidCaseError as error:
            return f"{case.id}: {error}"
    return ""


def arguments(op: str, g: Drawing) -> Call:
    as_in_the_spec = op not in ROWS or (g.whole(0, 3) == 3 and _tame_inputs(op))
    return _of_a_case(op, g) if as_in_the_spec else ROWS[op](g)


def _of_a_case(op: str, g: Drawing) -> Call:
    """The inputs of a case, but with other floats of the same shape and range."""

    def value(array: Array) -> Value:
        if array.dtype.kind != "f" or type(array) is not np.ndarray:
            return g.leaf(array)
        low, high = float(array.min()), float(array.max())
        if high - low < 0.5:
            return g.leaf(array)
        return g.shaped(*array.shape, low=low, high=high)

    inputs: Call = transform(value, g.choice(_tame_inputs(op)))
    return inputs


@functools.cache
def _tame_inputs(op: str) -> list[Call]:
    """The inputs of an op's cases, except extreme or large ones, and those that set a dtype."""
    found = []
    for case in BY_NAME[op].cases:
        arrays: list[Array] = []
        inputs = case.inputs()
        transform(arrays.append, inputs)
        if not case.chance and "dtype" not in case.kwargs and all(map(tame, arrays)):
            found.append(inputs)
    return found


# Arguments that several ops share


def _any(g: Drawing) -> Call:
    return g(g.tensor())


def _positive(g: Drawing) -> Call:
    return g(g.tensor(low=0.25, high=8))


def _pair(g: Drawing) -> Call:
    return g(x := g.tensor(), g.like(x))


def _scaled_pair(g: Drawing) -> Call:
    alpha = g.choice([None, 2, -0.5])
    return g(x := g.tensor(), g.like(x), **({} if alpha is None else {"alpha": alpha}))


def _bound(g: Drawing) -> Call:
    return g(x := g.tensor(), g.like(x) if g.flag() else g.number(-1, 1))


def _along(g: Drawing) -> Call:
    return g(x := g.tensor(), dim=g.along(x), keepdim=g.flag())


def _spread(g: Drawing) -> Call:
    return g(x := g.tensor(), dim=g.along(x), correction=g.whole(0, 1), keepdim=g.flag())


def _one_or_all(g: Drawing) -> Call:
    x = g.tensor()
    return g(x, g.dim(x), g.flag()) if g.flag() else g(x)


def _extreme(g: Drawing) -> Call:
    return _one_or_all(g) if g.flag() else g(x := g.tensor(), other=g.like(x))


def _dim(g: Drawing) -> Call:
    return g(x := g.tensor(), g.dim(x))


def _two_dims(g: Drawing) -> Call:
    return g(x := g.tensor(), g.dim(x), g.dim(x))


def _pieces(g: Drawing) -> Call:
    return g(x := g.of_dims(1), g.whole(1, 3), g.dim(x))


def _alike(g: Drawing) -> Call:
    return g([x := g.of_dims(1), g.shaped(*x.array.shape)], g.dim(x))


def _band(g: Drawing) -> Call:
    return g(g.of_dims(2), g.whole(-1, 2))


def _ordered(g: Drawing) -> Call:
    return g(x := g.tensor(), g.dim(x), g.flag())


# Arguments of a single op


def _reshape(g: Drawing, x: Value | None = None) -> Call:
    x = x or g.tensor()
    n = x.array.size
    first = g.choice([i for i in range(1, n + 1) if n % i == 0])
    return g(x, g.choice([(first, -1), (-1,), (1, first, n // first)]))


def _view(g: Drawing) -> Call:
    x = g.existing(lambda value: value.floating and g.tensors[value].is_contiguous())
    return _reshape(g, x or g.leaf(g.numbers(g.choice(SHAPES))))


def _expand(g: Drawing) -> Call:
    x = g.tensor()
    shape = x.array.shape
    stretched = tuple(g.whole(1, 3) if n == 1 else n for n in shape)
    return g(x, g.choice([stretched, (2, *stretched), (*(-1 for _ in shape),)]))


def _repeat(g: Drawing) -> Call:
    x = g.tensor()
    return g(x, tuple(g.whole(1, 2) for _ in range(x.array.ndim + g.whole(0, 1))))


def _flatten(g: Drawing) -> Call:
    x = g.of_dims(1)
    first = g.whole(0, x.array.ndim - 1)
    return g(x, first, g.whole(first, x.array.ndim - 1))


def _unflatten(g: Drawing) -> Call:
    x = g.of_dims(1)
    dim = g.dim(x)
    n = x.array.shape[dim]
    return g(x, dim, (g.choice([i for i in range(1, n + 1) if n % i == 0]), -1))


def _narrow(g: Drawing) -> Call:
    x = g.of_dims(1)
    dim = g.dim(x)
    start = g.whole(0, x.array.shape[dim] - 1)
    return g(x, dim, start, g.whole(1, x.array.shape[dim] - start))


def _select(g: Drawing) -> Call:
    x = g.of_dims(1)
    dim = g.dim(x)
    return g(x, dim, g.whole(-x.array.shape[dim], x.array.shape[dim] - 1))


def _roll(g: Drawing) -> Call:
    x = g.of_dims(1)
    return g(x, g.whole(-2, 2), g.choice([None, g.dim(x)]))


def _getitem(g: Drawing) -> Call:
    x = g.of_dims(1)
    index = []
    for n in x.array.shape[: g.whole(1, x.array.ndim)]:
        whole, part = g.whole(-n, n - 1), slice(g.whole(0, n - 1), None, g.whole(1, 2))
        index.append(g.choice([whole, part, g.ids((2,), n)]))
    return g(x, g.choice([tuple(index), (None, *index), (..., *index[: x.array.ndim == 1])]))


def _ids_along(g: Drawing, x: Value, dim: int) -> Value:
    """Ids along dim, in the shape of x except for the length of dim."""
    shape = list(x.array.shape)
    shape[dim] = g.whole(1, 3)
    return g.ids(tuple(shape), x.array.shape[dim])


def _gather(g: Drawing) -> Call:
    x = g.of_dims(1)
    return g(x, dim := g.dim(x), _ids_along(g, x, dim))


def _take_along_dim(g: Drawing) -> Call:
    x = g.of_dims(1)
    return g(x, _ids_along(g, x, dim := g.dim(x)), dim)


def _scatter_add(g: Drawing) -> Call:
    x = g.of_dims(1)
    ids = _ids_along(g, x, dim := g.dim(x))
    return g(x, dim, ids, g.shaped(*ids.array.shape))


def _scatter(g: Drawing) -> Call:
    """The places are distinct, as torch does not define which number wins a collision."""
    x = g.of_dims(1)
    dim = g.dim(x)
    order = np.argsort(g.rng().random(x.array.shape), dim)
    ids = g.leaf(order.take(range(g.whole(1, order.shape[dim])), dim))
    return g(x, dim, ids, g.shaped(*ids.array.shape) if g.flag() else g.number(-1, 1))


def _topk(g: Drawing) -> Call:
    x = g.of_dims(1)
    dim = g.dim(x)
    return g(x, g.whole(1, x.array.shape[dim]), dim, g.flag())


def _matmul(g: Drawing) -> Call:
    x = g.of_dims(1)
    n = x.array.shape[-1]
    rest = [(n,), (n, 2), (*x.array.shape[:-2], n, 3), (2, *(1 for _ in x.array.shape[2:]), n, 1)]
    return g(x, g.shaped(*g.choice(rest)))


def _matrices(g: Drawing) -> Call:
    x = g.of_dims(2, 2)
    return g(x, g.shaped(x.array.shape[1], g.whole(1, 3)))


def _batches(g: Drawing) -> Call:
    x = g.of_dims(3, 3)
    return g(x, g.shaped(x.array.shape[0], x.array.shape[2], g.whole(1, 3)))


def _plus_product(product: Row) -> Row:
    def arguments(g: Drawing) -> Call:
        (a, b), _ = product(g)
        shape = (*a.array.shape[:-1], b.array.shape[-1])
        x = g.shaped(*g.choice([shape, shape[-1:], ()]))
        return g(x, a, b, beta=g.choice([1, 0.5, 0]), alpha=g.choice([1, -2]))

    return arguments


def _linear(g: Drawing) -> Call:
    x, n_out = g.of_dims(1), g.whole(1, 3)
    weight = g.shaped(n_out, x.array.shape[-1])
    return g(x, weight, g.shaped(n_out)) if g.flag() else g(x, weight)


def _clamp(g: Drawing) -> Call:
    x = g.tensor()
    shape = x.array.shape  # torch has no gradient for bounds that stretch x
    numbers, tensors = (g.number(-2, 0), g.number(0, 2)), (g.shaped(*shape), g.shaped(*shape))
    low, high = g.choice([numbers, tensors])
    return g(x, *g.choice([(low, high), (low,), (None, high)]))


def _where(g: Drawing) -> Call:
    x = g.tensor()
    other = g.like(x)
    return g(g.mask(x, other), x, other)


def _normal(g: Drawing) -> Call:
    x = g.of_dims(1)
    shape = x.array.shape[g.whole(0, x.array.ndim - 1) :]
    return g(x, shape, *(g.shaped(*shape) for _ in range(g.whole(0, 1))))


def _classes(g: Drawing) -> Call:
    """Rows of numbers, and a class for each row."""
    x = g.of_dims(1, 3)
    shape = x.array.shape
    classes, places = (shape[0], ()) if len(shape) == 1 else (shape[1], (shape[0], *shape[2:]))
    return g(x, g.ids(places, classes), reduction=g.choice(REDUCTIONS))


def _shares(g: Drawing, low: float = -2, high: float = 2) -> Call:
    """Numbers, and targets between 0 and 1 of the same shape."""
    x = g.tensor(low=low, high=high)
    target = g.shaped(*x.array.shape, low=0.05, high=0.95)
    return g(x, target, reduction=g.choice(REDUCTIONS))


REDUCTIONS = ("mean", "sum", "none")
ROWS: dict[str, Row] = {
    **dict.fromkeys(("zeros_like", "ones_like"), _any),
    "full_like": lambda g: g(g.tensor(), g.number(-2, 2)),
    # elementwise, comparison
    **dict.fromkeys(("add", "sub", "rsub"), _scaled_pair),
    **dict.fromkeys(("mul", "maximum", "minimum"), _pair),
    "div": lambda g: g(x := g.tensor(), g.like(x, low=0.25, high=8)),
    **dict.fromkeys(("neg", "abs", "sign", "square", "exp", "expm1", "sin", "cos"), _any),
    **dict.fromkeys(("erf", "floor", "ceil", "isnan", "isinf", "isfinite", "logical_not"), _any),
    **dict.fromkeys(("reciprocal", "sqrt", "rsqrt", "log", "log1p"), _positive),
    "pow": lambda g: g(x := g.tensor(low=0.25, high=4), g.like(x) if g.flag() else g.number(-2, 3)),
    "round": lambda g: g(g.tensor(), decimals=g.whole(-1, 2)),
    "clamp": _clamp,
    **dict.fromkeys(("clamp_min", "clamp_max"), _bound),
    "where": _where,
    "masked_fill": lambda g: g(x := g.tensor(), g.mask(x), g.number(-2, 2)),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or"), _pair),
    # reduction
    **dict.fromkeys(("sum", "mean"), _along),
    **dict.fromkeys(("any", "all", "amax", "amin"), _one_or_all),
    **dict.fromkeys(("prod", "argmax", "argmin"), _one_or_all),
    **dict.fromkeys(("var", "std", "var_mean"), _spread),
    **dict.fromkeys(("max", "min"), _extreme),
    "logsumexp": lambda g: g(x := g.tensor(), g.dims(x), g.flag()),
    "cumsum": _dim,
    # shape
    "reshape": _reshape,
    "view": _view,
    **dict.fromkeys(("transpose", "movedim"), _two_dims),
    "permute": lambda g: g(x := g.tensor(), tuple(g.order(x.array.ndim))),
    "t": lambda g: g(g.of_dims(0, 2)),
    **dict.fromkeys(("expand", "broadcast_to"), _expand),
    "repeat": _repeat,
    "flatten": _flatten,
    "unflatten": _unflatten,
    "squeeze": lambda g: g(x := g.tensor(), *g.choice([(), (g.dim(x),)])),
    "unsqueeze": lambda g: g(x := g.tensor(), g.whole(-x.array.ndim - 1, x.array.ndim)),
    "narrow": _narrow,
    "select": _select,
    "unbind": lambda g: g(x := g.of_dims(1), g.dim(x)),
    **dict.fromkeys(("split", "chunk"), _pieces),
    **dict.fromkeys(("cat", "stack"), _alike),
    **dict.fromkeys(("tril", "triu"), _band),
    "flip": lambda g: g(x := g.tensor(), g.dims(x)),
    "roll": _roll,
    **dict.fromkeys(("contiguous", "clone"), _any),
    # indexing
    "getitem": _getitem,
    "index_select": lambda g: g(x := g.of_dims(1), d := g.dim(x), g.ids((3,), x.array.shape[d])),
    "gather": _gather,
    "scatter": _scatter,
    "scatter_add": _scatter_add,
    "take_along_dim": _take_along_dim,
    "topk": _topk,
    **dict.fromkeys(("sort", "argsort"), _ordered),
    "one_hot": lambda g: g(g.ids(g.choice(SHAPES), 3), 3),
    # linalg
    "matmul": _matmul,
    "mm": _matrices,
    "bmm": _batches,
    "mv": lambda g: g(x := g.of_dims(2, 2), g.shaped(x.array.shape[1])),
    "dot": lambda g: g(x := g.of_dims(1, 1), g.shaped(*x.array.shape)),
    "outer": lambda g: g(g.of_dims(1, 1), g.of_dims(1, 1)),
    "addmm": _plus_product(_matrices),
    "baddbmm": _plus_product(_batches),
    "linear": _linear,
    # activation
    **dict.fromkeys(("tanh", "sigmoid", "relu", "relu6", "silu", "logsigmoid", "hardtanh"), _any),
    "leaky_relu": lambda g: g(g.tensor(), g.number(-1, 1)),
    "elu": lambda g: g(g.tensor(), alpha=g.number(1, 2)),
    "gelu": lambda g: g(g.tensor(), approximate=g.choice(["none", "tanh"])),
    "softplus": lambda g: g(g.tensor(), beta=g.number(1, 2), threshold=g.number(1, 3)),
    **dict.fromkeys(("softmax", "log_softmax"), _dim),
    # normalization, embedding, loss, regularization
    **dict.fromkeys(("layer_norm", "rms_norm"), _normal),
    "embedding": lambda g: g(g.ids(g.choice(SHAPES), n := g.whole(1, 4)), g.shaped(n, 3)),
    **dict.fromkeys(("cross_entropy", "nll_loss"), _classes),
    **dict.fromkeys(
        ("mse_loss", "l1_loss"),
        lambda g: g(x := g.tensor(), g.like(x), reduction=g.choice(REDUCTIONS)),
    ),
    "binary_cross_entropy": lambda g: _shares(g, 0.05, 0.95),
    "binary_cross_entropy_with_logits": _shares,
    "kl_div": _shares,
    "dropout": lambda g: g(g.tensor(), *g.choice([(0.0,), (0.5, False)])),
}
