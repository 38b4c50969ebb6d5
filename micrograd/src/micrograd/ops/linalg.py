"""Products of matrices: every element is one dot product, and one Value."""

from __future__ import annotations

import math
import operator
import string
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle
from typing import Any

from .. import rowwise, scalar
from ..arguments import alike, broadcast_shapes, no_plain_floats
from ..lists import Shape, Tensor, is_integer, nest, spans, stretch, unnest, walk
from .elementwise import choose, elementwise, scaled
from .shape import unsqueeze

Label = str | int  # in einsum: a letter, or a dim of the dots, counted from their end
Term = tuple[Sequence[Any], dict[Label, Sequence[int]]]  # items, and the offsets along each label


def matmul(x: Tensor, other: Tensor) -> Tensor:
    """The matrix product, as torch.matmul.

    (..., n, k) and (..., k, m) -> (..., n, m), the leading dims broadcast; (k,) on the left is a
    row, on the right a column, and its dim does not appear in the result. Ints give ints.
    """
    return _matmul("matmul", x, other)


def mm(x: Tensor, mat2: Tensor) -> Tensor:
    """matmul of two matrices: (n, k), (k, m) -> (n, m)."""
    return _matmul("mm", x, mat2, ndims=(2, 2))


def bmm(x: Tensor, mat2: Tensor) -> Tensor:
    """matmul of two batches of matrices: (b, n, k), (b, k, m) -> (b, n, m)."""
    return _matmul("bmm", x, mat2, ndims=(3, 3))


def mv(x: Tensor, vec: Tensor) -> Tensor:
    """matmul of a matrix and a vector: (n, k), (k,) -> (n,)."""
    return _matmul("mv", x, vec, ndims=(2, 1))


def dot(x: Tensor, tensor: Tensor) -> Tensor:
    """matmul of two vectors: (k,), (k,) -> ()."""
    return _matmul("dot", x, tensor, ndims=(1, 1))


def outer(x: Tensor, vec2: Tensor) -> Tensor:
    """Each element of one vector times each of the other: (n,), (m,) -> (n, m)."""
    no_plain_floats("outer", x, vec2)
    shapes = unnest(x, "outer")[1], unnest(vec2, "outer")[1]
    if tuple(map(len, shapes)) != (1, 1):
        raise ValueError("outer: shapes {} and {} are not of two vectors".format(*shapes))
    return elementwise("outer", scalar.mul, unsqueeze(x, 1), vec2, integers=operator.mul)


def addmm(x: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta · x + alpha · mm(mat1, mat2), to whose shape x broadcasts; x is ignored if beta is 0."""
    return _plus("addmm", x, _matmul("addmm", mat1, mat2, ndims=(2, 2)), beta, alpha)


def baddbmm(
    x: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta · x + alpha · bmm(batch1, batch2), as addmm."""
    return _plus("baddbmm", x, _matmul("baddbmm", batch1, batch2, ndims=(3, 3)), beta, alpha)


def einsum(equation: str, *operands: Tensor) -> Tensor:
    """Products of elements, one of each operand, summed as the equation says.

    "ij,jk->ik" is mm: for every i and k the sum over j, which is not behind the arrow, of x[i][j]
    times y[j][k]. A letter twice in one operand takes its diagonal; "..." stands for any number of
    dims, which broadcast, as lengths of 1 do. Without an arrow, the result has the letters that
    appear once, in alphabetical order. Operands are contracted from left to right; two or more may
    come as one list.
    """
    if not isinstance(equation, str):
        raise TypeError(f"einsum: the equation must be a str, not {type(equation).__name__}")
    if len(operands) == 1 and "," in equation and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    flat, integers = alike("einsum", *operands)
    inputs, output = _read(equation, [shape for _, shape in flat])
    terms = [_term(labels, *operand) for labels, operand in zip(inputs, flat, strict=True)]
    while len(terms) > 2:
        needed = {*output, *(label for _, steps in terms[2:] for label in steps)}
        both = [label for label in {**terms[0][1], **terms[1][1]} if label in needed]
        terms = [_contracted(terms[:2], both, integers), *terms[2:]]
    items, steps = _contracted(terms, output, integers)
    return nest(items, tuple(len(steps[label]) for label in output))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x weightᵀ + bias: (..., n), (m, n), (m,) -> (..., m); ints give ints.

    A weight of shape (n,), with a bias of shape (), gives (...).
    """
    given = (x, weight) if bias is None else (x, weight, bias)
    ((xs, shape), (ws, weight_shape), *biases), integers = alike("linear", *given)
    if not shape or len(weight_shape) not in (1, 2) or shape[-1] != weight_shape[-1]:
        raise ValueError(f"linear: shapes {shape} and {weight_shape} do not multiply")
    add: Callable[..., Any] = operator.add if integers else scalar.add
    result = _dots(xs, ws, math.prod(shape[:-1]), math.prod(weight_shape[:-1]), integers)
    for bs, bias_shape in biases:
        if bias_shape != weight_shape[:-1]:
            raise ValueError(f"linear: bias of shape {bias_shape} for weight {weight_shape}")
        result = list(map(add, result, cycle(bs)))
    return nest(result, (*shape[:-1], *weight_shape[:-1]))


def _matmul(op: str, x: Tensor, other: Tensor, ndims: tuple[int, int] | None = None) -> Tensor:
    """matmul; with ndims, how many dims the two must have, nothing broadcasts."""
    ((xs, left), (ys, right)), integers = alike(op, x, other)
    fits = left and right and left[-1] == right[-2:][0]
    if ndims is not None:
        fits = fits and (len(left), len(right)) == ndims and left[:-2] == right[:-2]
    if not fits:
        raise ValueError(f"{op}: shapes {left} and {right} do not multiply")
    kept = left[-2:-1] + (right[-1:] if len(right) > 1 else ())
    left = left if len(left) > 1 else (1, *left)
    right = right if len(right) > 1 else (*right, 1)
    batch = broadcast_shapes(op, left[:-2], right[:-2])
    (n, k), m = left[-2:], right[-1]
    xs = stretch(xs, left, (*batch, *left[-2:]))
    ys = stretch(ys, right, (*batch, *right[-2:]))
    products: list[Any] = []
    for b in range(math.prod(batch)):
        own = ys[b * k * m : (b + 1) * k * m]
        columns = [y for j in range(m) for y in own[j::m]]
        products += _dots(xs[b * n * k : (b + 1) * n * k], columns, n, m, integers)
    return nest(products, (*batch, *kept))


def _dots(xs: Sequence[Any], ys: Sequence[Any], n: int, m: int, integers: bool) -> list[Any]:
    """The dot product of each of the n rows of xs with each of the m rows of ys."""
    if integers:
        rows = rowwise.in_rows(ys, m)
        return [integer_dot(x, y) for x in rowwise.in_rows(xs, n) for y in rows]
    return rowwise.dots(xs, ys, n, m)


def _plus(op: str, x: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    items, shape = unnest(x, op)
    products, target = unnest(product, op)
    if items and products and is_integer(items) != is_integer(products):
        raise TypeError(f"{op}: expected tensors of one dtype")
    if broadcast_shapes(op, shape, target) != target:
        raise ValueError(f"{op}: shape {shape} does not expand to {target}")
    product = scaled(op, "alpha", alpha, product, product)
    if beta == 0:
        return choose(op, ([True], ()), product, x)
    x = scaled(op, "beta", beta, x, x)
    return elementwise(op, scalar.add, x, product, integers=operator.add)


def _read(equation: str, shapes: Sequence[Shape]) -> tuple[list[list[Label]], list[Label]]:
    """The labels of each operand's dims, and of the result's."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    texts = left.split(",")
    if len(texts) != len(shapes):
        raise ValueError(f"einsum: {len(shapes)} operands for {equation!r}")
    inputs: list[list[Label]] = []
    for text, shape in zip(texts, shapes, strict=True):
        before, dots, behind = _letters(equation, text)
        width = len(shape) - len(before + behind)
        if width < 0 or (width and not dots):
            raise ValueError(f"einsum: {text!r} in {equation!r} for an operand of shape {shape}")
        inputs.append([*before, *range(-width, 0), *behind])
    found = [label for labels in inputs for label in labels]
    dims = sorted({label for label in found if isinstance(label, int)})
    if not arrow:
        once = (label for label in found if isinstance(label, str) and found.count(label) == 1)
        return inputs, [*dims, *sorted(once)]
    before, dots, behind = _letters(equation, right)
    output: list[Label] = [*before, *(dims if dots else ()), *behind]
    if len(set(output)) < len(output) or not set(output) <= set(found):
        raise ValueError(f"einsum: the output of {equation!r} takes labels of operands, each once")
    return inputs, output


def _letters(equation: str, text: str) -> tuple[str, str, str]:
    """What stands before the dots, the dots if there are any, and what stands behind them."""
    before, dots, behind = text.partition("...")
    for letter in before + behind:
        if letter not in string.ascii_letters:
            raise ValueError(f"einsum: {letter!r} is not a letter in {equation!r}")
    return before, dots, behind


def _term(labels: Sequence[Label], items: Sequence[Any], shape: Shape) -> Term:
    """An operand with its offsets by label; a label that comes twice runs along the diagonal."""
    steps: dict[Label, Sequence[int]] = {}
    for label, offsets in zip(labels, spans(shape), strict=True):
        known = steps.get(label, [0] * len(offsets))
        if len(known) != len(offsets):
            raise ValueError(f"einsum: {label!r} is of two lengths in shape {shape}")
        steps[label] = list(map(operator.add, known, offsets))
    return items, steps


def _lengths(terms: Iterable[Term]) -> dict[Label, int]:
    """The length of each label; a length of 1 broadcasts."""
    lengths: dict[Label, int] = {}
    for _, steps in terms:
        for label, offsets in steps.items():
            known = lengths.get(label, 1)
            if 1 not in (known, len(offsets)) and known != len(offsets):
                raise ValueError(f"einsum: {label!r} is of lengths {known} and {len(offsets)}")
            lengths[label] = len(offsets) if known == 1 else known
    return lengths


def _contracted(terms: Sequence[Term], kept: Sequence[Label], integers: bool) -> Term:
    """One or two terms multiplied, and summed along the labels that are not kept."""
    lengths = _lengths(terms)
    summed = [label for label in lengths if label not in kept]

    def positions(steps: dict[Label, Sequence[int]], labels: Sequence[Label]) -> list[int]:
        return walk(
            offsets if len(offsets) == lengths[label] else [0] * lengths[label]
            for label, offsets in ((label, steps.get(label, [0])) for label in labels)
        )

    rows_of_terms = []
    for items, steps in terms:
        along = positions(steps, summed)
        rows_of_terms.append(
            [[items[start + offset] for offset in along] for start in positions(steps, kept)]
        )
    if len(terms) == 2:
        dot: Callable[..., Any] = integer_dot if integers else scalar.dot
        results = list(map(dot, *rows_of_terms))
    elif summed:
        results = list(map(sum if integers else scalar.total, *rows_of_terms))
    else:
        results = [item for row in rows_of_terms[0] for item in row]
    shape = tuple(lengths[label] for label in kept)
    return results, dict(zip(kept, spans(shape), strict=True))


def integer_dot(xs: Sequence[int], ys: Sequence[int]) -> int:
    return sum(map(operator.mul, xs, ys))
