"""The cases that each op of the spec is timed on, in the sizes of a GPT.

Of SIZES, small shows the fixed cost of a call, gpt is a model of width 128 to 512, large a bigger
one, and brief lies between small and gpt for quick tables. The calls are in _of_numbers,
_of_shapes, _of_products and _of_layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from .. import spec
from ..spec.case import Case, Data, constant, exact, integers, mask, named, randn, uniform


@dataclass(frozen=True)
class Size:
    """Lengths of axes."""

    rows: int  # tokens
    width: int  # features
    inner: int  # features that a linear layer projects to width
    batch: int  # the next four are attention's
    heads: int
    tokens: int
    head: int  # features per head
    ids: int  # vocabulary
    images: int  # the last three are the convolutions'
    channels: int
    side: int


SIZES = {
    "small": Size(4, 8, 4, 1, 2, 4, 4, 7, 2, 2, 6),
    "brief": Size(96, 192, 48, 2, 4, 48, 12, 65, 8, 8, 8),
    "gpt": Size(768, 512, 128, 12, 4, 64, 32, 65, 64, 8, 14),
    "large": Size(2048, 1536, 384, 8, 6, 256, 64, 50257, 64, 32, 28),
}

# Families whose ops must read all of their inputs; a view, for one, need not.
READING = (
    *("elementwise", "comparison", "reduction", "linalg", "activation", "normalization"),
    *("attention", "loss"),
)
# Ops without a gradient, or with a zero one, in families other than creation and comparison.
FLAT = ("sign", "floor", "ceil", "round", "any", "all", "argmax", "argmin", "argsort", "one_hot")

NOTHING = "nothing to be timed on: give it a call in _of_numbers of parity/bench/workloads.py"

# The operations of forward and backward together, relative to forward: 3 for a product of matrices,
# whose two gradients are such products, too, and these for products with vectors.
BACKWARD = {"dot": 2, "mv": 2.5, "outer": 5}


@dataclass(frozen=True)
class Workload:
    """An op on a case."""

    op: spec.Op
    case: Case
    size: str
    flops: int = 0  # multiplications and additions of forward, by definition of the product

    @property
    def family(self) -> str:
        (own,) = (family for family in spec.FAMILIES if self.op in family.OPS)
        return own.__name__.rpartition(".")[2]

    @property
    def reading(self) -> bool:
        """Whether it reads all its inputs."""
        return self.family in READING

    @property
    def least(self) -> int:
        """The flops that cannot be avoided; fast convolutions need fewer than the definition."""
        return 0 if self.family == "convolution" else self.flops

    def operations(self, backward: bool) -> int | None:
        """The flops of forward, or of forward and backward; None if the op is no product."""
        return round(self.flops * (BACKWARD.get(self.op.name, 3) if backward else 1)) or None

    @property
    def differentiable(self) -> bool:
        """Whether there is a gradient to carry back."""
        none = (*spec.creation.OPS, *spec.comparison.OPS)
        return self.op not in none and self.op.name not in FLAT

    @property
    def item(self) -> str:
        """The call as text."""
        return f"{self.op.name}{repr(self.case).partition(': ')[2]}"


def distinct(*shape: int) -> Data:
    """Shuffled rows of distinct numbers, so that sorting has only one answer."""

    def draw(rng: np.random.Generator) -> np.ndarray[Any, Any]:
        ordered = np.broadcast_to(np.linspace(-2.0, 2.0, shape[-1]), shape)
        return exact(rng.permuted(ordered, axis=-1))

    return Data(f"distinct({', '.join(map(str, shape))})", draw)


def places(*shape: int, n: int) -> Data:
    """Rows of distinct ints below n, so that no two scattered elements collide."""

    def draw(rng: np.random.Generator) -> np.ndarray[Any, Any]:
        rows = rng.permuted(np.broadcast_to(np.arange(n), (*shape[:-1], n)), axis=-1)
        return np.ascontiguousarray(rows[..., : shape[-1]])

    return Data(f"places({', '.join(map(str, shape))}, n={n})", draw)


def workloads(size: str, ops: tuple[str, ...] = ()) -> list[Workload]:
    """The workloads of a size, in the order of the spec; ops: only these."""
    found: list[Workload] = []
    for name, case, flops in _calls(SIZES[size]):
        if not ops or name in ops:
            number = sum(each.op.name == name for each in found)
            op = spec.BY_NAME[name]
            found.append(Workload(op, named(case, f"{name}@{size}[{number}]"), size, flops))
    return sorted(found, key=lambda each: spec.OPS.index(each.op))


def untimed(ops: Sequence[str]) -> list[str]:
    """Which of these ops, or of all, have no workload yet."""
    timed = {name for name, _, _ in _calls(SIZES["small"])}
    return [name for name in ops or spec.BY_NAME if name not in timed]


def _calls(s: Size) -> Iterator[tuple[str, Case, int]]:
    """Every op's name and case, with the flops of its products."""
    yield from ((name, call, 0) for name, call in _of_numbers(s))
    yield from ((name, call, 0) for name, call in _of_shapes(s))
    yield from _of_products(s)
    yield from ((name, call, 0) for name, call in _of_layers(s))


def _of_numbers(s: Size) -> Iterator[tuple[str, Case]]:
    shape = (s.rows, s.width)
    x, y = randn(*shape), randn(*shape)
    positive, share = uniform(*shape, low=0.5, high=2.0), uniform(*shape, low=0.1, high=0.9)
    for name in ("zeros", "ones"):
        yield name, Case(shape)
    yield "full", Case(shape, 2.5)
    yield "arange", Case(prod(shape))
    yield "randn", Case(shape, chance="normal")
    for name in ("zeros_like", "ones_like"):
        yield name, Case(x)
    yield "full_like", Case(x, 2.5)

    yield "add", Case(x, randn(s.width))
    for name in ("add", "sub", "rsub", "mul", "maximum", "minimum"):
        yield name, Case(x, y)
    yield "div", Case(x, positive)
    for name in ("neg", "abs", "sign", "square", "exp", "expm1", "sin", "cos", "erf"):
        yield name, Case(x)
    for name in ("floor", "ceil", "round"):
        yield name, Case(x)
    for name in ("reciprocal", "sqrt", "rsqrt", "log", "log1p"):
        yield name, Case(positive)
    yield "pow", Case(positive, 3)
    yield "pow", Case(positive, y)
    yield "clamp", Case(x, -0.5, 0.5)
    for name in ("clamp_min", "clamp_max"):
        yield name, Case(x, 0.5)
    yield "where", Case(mask(*shape), x, y)
    yield "masked_fill", Case(x, mask(*shape), 0.5)
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        yield name, Case(x, y)
    yield "logical_not", Case(mask(*shape))
    for name in ("logical_and", "logical_or"):
        yield name, Case(mask(*shape), mask(*shape))
    for name in ("isnan", "isinf", "isfinite"):
        yield name, Case(x)

    for dim in (-1, 0, None):
        yield "sum", Case(x, dim=dim)
    for name in ("mean", "var", "std", "var_mean", "logsumexp"):
        yield name, Case(x, dim=-1)
    yield "prod", Case(uniform(*shape, low=0.95, high=1.05), dim=-1)
    for name in ("amax", "amin", "max", "min", "argmax", "argmin"):
        yield name, Case(distinct(*shape), dim=-1)
    for name in ("any", "all"):
        yield name, Case(mask(*shape), dim=-1)
    yield "cumsum", Case(x, dim=-1)

    for name in ("tanh", "sigmoid", "relu", "leaky_relu", "relu6", "elu", "silu", "gelu"):
        yield name, Case(x)
    yield "gelu", Case(x, approximate="tanh")
    for name in ("softplus", "logsigmoid", "hardtanh"):
        yield name, Case(x)
    for name in ("softmax", "log_softmax"):
        yield name, Case(randn(s.batch * s.heads * s.tokens, s.tokens), dim=-1)

    for name in ("mse_loss", "l1_loss"):
        yield name, Case(x, y)
    yield "binary_cross_entropy", Case(share, share)
    yield "binary_cross_entropy_with_logits", Case(x, share)
    yield "kl_div", Case(x, share, reduction="batchmean")
    yield "dropout", Case(x, 0.1, chance="p")


def _of_shapes(s: Size) -> Iterator[tuple[str, Case]]:
    shape = (s.rows, s.width)
    x, heads = randn(*shape), (s.batch, s.tokens, s.heads, s.head)
    for name in ("reshape", "view"):
        yield name, Case(randn(s.batch, s.tokens, s.heads * s.head), heads)
    yield "transpose", Case(randn(*heads), 1, 2)
    yield "permute", Case(randn(*heads), (2, 0, 1, 3))
    yield "movedim", Case(randn(*heads), 1, 2)
    yield "t", Case(x)
    for name in ("expand", "broadcast_to"):
        yield name, Case(randn(s.width), shape)
    yield "repeat", Case(x, (2, 1))
    yield "flatten", Case(randn(*heads), 2)
    yield "unflatten", Case(x, 1, (2, s.width // 2))
    yield "squeeze", Case(randn(s.rows, 1, s.width), 1)
    yield "unsqueeze", Case(x, 1)
    yield "narrow", Case(x, 1, 1, s.width // 2)
    yield "select", Case(x, 0, 1)
    yield "unbind", Case(randn(3, s.rows, s.width // 2), 0)
    yield "unbind", Case(randn(s.rows, s.width // 2, 3), -1)
    yield "split", Case(x, s.width // 2, 1)
    yield "chunk", Case(x, 4, 1)
    yield "cat", Case((x, randn(*shape)), 1)
    yield "stack", Case((x, randn(*shape)), 0)
    for name in ("tril", "triu"):
        yield name, Case(randn(s.batch * s.heads, s.tokens, s.tokens))
    yield "flip", Case(x, (1,))
    yield "roll", Case(x, 1, 1)
    yield "contiguous", Case(x)
    yield "clone", Case(x)

    yield "getitem", Case(x, (slice(None), slice(0, s.width // 2)))
    yield "getitem", Case(x, integers(s.rows, low=0, high=s.rows))
    yield "index_select", Case(x, 0, integers(s.rows, low=0, high=s.rows))
    index, half = integers(*shape, low=0, high=s.width), (s.rows, s.width // 2)
    yield "gather", Case(x, 1, index)
    yield "scatter", Case(x, 1, places(*half, n=s.width), randn(*half))
    yield "scatter_add", Case(x, 1, index, randn(*shape))
    yield "take_along_dim", Case(x, index, 1)
    yield "topk", Case(distinct(*shape), 5)
    for name in ("sort", "argsort"):
        yield name, Case(distinct(*shape))
    yield "one_hot", Case(integers(s.rows, low=0, high=s.ids), s.ids)
    yield "pad", Case(randn(s.images, s.channels, s.side, s.side), (1, 1, 1, 1))


def _of_products(s: Size) -> Iterator[tuple[str, Case, int]]:
    m, k, n = s.rows, s.inner, s.width
    flops = 2 * m * k * n
    x, w = randn(m, k), randn(k, n)
    yield "matmul", Case(x, w), flops
    batch = (s.batch * s.heads, s.tokens, s.head)
    by_batch = 2 * prod(batch) * s.tokens
    transposed = (s.batch * s.heads, s.head, s.tokens)
    yield "matmul", Case(randn(*batch), randn(*transposed)), by_batch
    yield "mm", Case(x, w), flops
    yield "bmm", Case(randn(*batch), randn(*transposed)), by_batch
    yield "mv", Case(randn(m, n), randn(n)), 2 * m * n
    yield "dot", Case(randn(m * n), randn(m * n)), 2 * m * n
    yield "outer", Case(randn(m), randn(n)), m * n
    yield "addmm", Case(randn(n), x, w), flops
    yield (
        "baddbmm",
        Case(randn(s.tokens, s.tokens), randn(*batch), randn(*transposed)),
        by_batch,
    )
    yield "einsum", Case("bid,bjd->bij", randn(*batch), randn(*batch)), by_batch
    yield "linear", Case(x, randn(n, k), randn(n)), flops
    attended = (s.batch, s.heads, s.tokens, s.head)
    attention = Case(randn(*attended), randn(*attended), randn(*attended), is_causal=True)
    yield "scaled_dot_product_attention", attention, by_batch  # of two products half, if skipped

    c, side = s.channels, s.side
    window = 2 * 9 * s.images
    series = Case(randn(s.batch, s.inner, s.tokens), randn(s.inner, s.inner, 3), padding=1)
    yield "conv1d", series, 2 * 3 * s.batch * s.inner**2 * s.tokens
    images = randn(s.images, c, side, side)
    single, first = randn(s.images, 1, 2 * side, 2 * side), randn(c, 1, 3, 3)
    flops = window * c * (2 * side) ** 2
    yield "conv2d", Case(single, first, randn(c), padding=1), flops
    convolved = Case(images, randn(2 * c, c, 3, 3), randn(2 * c), padding=1)
    yield "conv2d", convolved, window * 2 * c * c * side**2
    by_channel = Case(images, randn(c, 1, 3, 3), randn(c), padding=1, groups=c)
    yield "conv2d", by_channel, window * c * side**2


def _of_layers(s: Size) -> Iterator[tuple[str, Case]]:
    image = (s.images, s.channels, 2 * s.side, 2 * s.side)
    features = randn(s.rows, s.inner)
    for name, last in (("layer_norm", (randn(s.inner), randn(s.inner))), ("rms_norm", None)):
        yield name, Case(features, (s.inner,), *(last or (randn(s.inner),)))
    yield "group_norm", Case(randn(*image), 2, randn(s.channels), randn(s.channels))
    running = (constant(randn(s.channels)), constant(uniform(s.channels, low=0.5, high=2.0)))
    yield (
        "batch_norm",
        Case(randn(*image), *running, randn(s.channels), randn(s.channels), training=True),
    )
    tokens = integers(s.rows, low=0, high=s.ids)
    yield "embedding", Case(tokens, randn(s.ids, s.inner))
    yield "cross_entropy", Case(randn(s.rows, s.ids), tokens)
    yield "nll_loss", Case(randn(s.rows, s.ids), tokens)
    yield "max_pool2d", Case(randn(*image), 2)
    yield "avg_pool2d", Case(randn(*image), 2)
    yield "adaptive_avg_pool2d", Case(randn(*image), 1)
