"""Products of matrices and vectors, nearly all of a GPT's arithmetic, and sums over any indices."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import broadcast_shapes, refuse_bool, same, tensors
from ..dtypes import promote
from ..engine import Operand, Output, Tensor, op
from ..rows import BLOCK, sum_of_rows
from .elementwise import factor, scaled

Label = str | int  # in einsum: a letter, or a dim of the dots, counted from their end
Term = tuple[Any, list[Label]]  # an array, and the labels of its dims


@op
def matmul(x: Operand, other: Operand) -> Output:
    """Matrix product: (..., n, k) @ (..., k, m) -> (..., n, m), the leading dims broadcast.

    A vector counts as a row on the left, as a column on the right; its dim of 1 is dropped again.
    """
    return _product("matmul", x, other)


@op
def mm(x: Operand, mat2: Operand) -> Output:
    """Product of two matrices: (n, k), (k, m) -> (n, m)."""
    _require_dims("mm", (x, 2), (mat2, 2))
    return _product("mm", x, mat2)


@op
def bmm(x: Operand, mat2: Operand) -> Output:
    """Products of b pairs of matrices: (b, n, k), (b, k, m) -> (b, n, m)."""
    _require_batches("bmm", x, mat2)
    return _product("bmm", x, mat2)


@op
def mv(x: Operand, vec: Operand) -> Output:
    """Product of a matrix and a vector: (n, k), (k) -> (n)."""
    _require_dims("mv", (x, 2), (vec, 1))
    return _product("mv", x, vec)


@op
def dot(x: Operand, tensor: Operand) -> Output:
    """Sum of the products of two vectors: (k), (k) -> ()."""
    _require_dims("dot", (x, 1), (tensor, 1))
    product, _ = _product("dot", x, tensor)
    return product, (lambda dout: dout * tensor, lambda dout: dout * x)


@op
def outer(x: Operand, vec2: Operand) -> Output:
    """Every product of an element of x and one of vec2: (n), (m) -> (n, m)."""
    _require_dims("outer", (x, 1), (vec2, 1))
    x, vec2 = promote(x, vec2)
    return x[:, None] * vec2, (lambda dout: dout @ vec2, lambda dout: x @ dout)


@op
def addmm(x: Operand, mat1: Operand, mat2: Operand, *, beta: float = 1, alpha: float = 1) -> Output:
    """beta · x + alpha · mat1 mat2: (n, k), (k, m) -> (n, m), to which x broadcasts.

    If beta is 0, x is not read, so that a NaN in it does not propagate.
    """
    _require_dims("addmm", (mat1, 2), (mat2, 2))
    return _plus_product("addmm", x, mat1, mat2, beta, alpha)


@op
def baddbmm(
    x: Operand, batch1: Operand, batch2: Operand, *, beta: float = 1, alpha: float = 1
) -> Output:
    """beta · x + alpha · batch1 batch2: (b, n, k), (b, k, m) -> (b, n, m), to which x broadcasts.

    If beta is 0, x is not read, so that a NaN in it does not propagate.
    """
    _require_batches("baddbmm", batch1, batch2)
    return _plus_product("baddbmm", x, batch1, batch2, beta, alpha)


def einsum(equation: str, *operands: Any) -> Tensor:
    """Products of the operands' elements, summed over each index that is not in the output.

    equation: a letter for each dim of each operand, then "->" and those of the output, as in
    "bij,bjk->bik". A letter twice in one operand takes its diagonal; "..." stands for dims that
    broadcast, as any dim of length 1 does. Without "->", the output has the dims of "...", then the
    letters that occur once, in alphabetical order, capitals first.
    """
    if not isinstance(equation, str):
        raise TypeError(f"einsum: the equation must be a str, not {type(equation).__name__}")
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        (operands,) = operands
    return _einsum(equation, *operands)


@op
def linear(x: Operand, weight: Operand, bias: Operand | None = None) -> Output:
    """x weightᵀ + bias: (..., n_in) -> (..., n_out), weight (n_out, n_in), bias (n_out).

    A weight (n_in) gives one number per row: (..., n_in) -> (...), bias ().
    """
    same("linear", x, weight, bias)
    refuse_bool("linear", x)
    if weight.ndim not in (1, 2) or not x.ndim or x.shape[-1] != weight.shape[-1]:
        raise ValueError(f"linear: shapes {x.shape} and {weight.shape} do not multiply")
    if bias is not None and bias.shape != weight.shape[:-1]:
        raise ValueError(f"linear: bias of shape {bias.shape} for weight {weight.shape}")
    matrix = weight if weight.ndim == 2 else weight[None]
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    if len(rows) == 1 and matrix.size > BLOCK and matrix.flags.c_contiguous:
        out = np.vecdot(rows[:, None], matrix)  # dots read memory at twice the speed of BLAS's gemv
    else:
        out = rows.dot(matrix.T)
    if bias is not None:
        out += bias
    shape = out.shape  # (rows, n_out)
    return out.reshape((*x.shape[:-1], *weight.shape[:-1])), (
        lambda dout: dout.reshape(shape).dot(matrix).reshape(x.shape),
        lambda dout: dout.reshape(shape).T.dot(rows),
        lambda dout: sum_of_rows(dout.reshape(shape)),
    )


@op
def _einsum(equation: str, *operands: Operand) -> Output:
    same("einsum", *operands)
    refuse_bool("einsum", *operands)
    shapes = [operand.shape for operand in operands]
    inputs, output = _read(equation, shapes)
    _require_lengths(equation, inputs, shapes)
    if operands[0].dtype.kind in "iu" and _sums_alone(inputs, output):
        operands = tuple(operand.astype(np.int64) for operand in operands)
    factors = list(zip(operands, inputs, strict=True))

    def pullback_of(i):
        operand, labels = factors[i]
        others = [*factors[:i], *factors[i + 1 :]]
        return lambda dout: _share_of(operand, labels, [(dout, output), *others])

    return _contracted(factors, output), (None, *map(pullback_of, range(len(factors))))


def _sums_alone(inputs: list[list[Label]], output: list[Label]) -> bool:
    """Whether a dim of one operand alone is summed, which makes int64 of integers, as in sum."""
    found = [label for labels in inputs for label in set(labels)]
    return any(found.count(label) == 1 for label in set(found) - set(output))


def _contracted(factors: list[Term], output: list[Label]) -> Any:
    """np.einsum of arrays, each with the labels of its dims, which are numbered for it."""
    numbers: dict[Label, int] = {}
    for _array, labels in factors:
        for label in labels:
            numbers.setdefault(label, len(numbers))
    arguments = [part for array, own in factors for part in (array, [numbers[a] for a in own])]
    return np.einsum(*arguments, [numbers[label] for label in output], optimize=True)


def _share_of(operand: Any, labels: list[Label], factors: list[Term]) -> Any:
    """The gradient of operand: dout times the other operands, summed over the labels it lacks."""
    lengths = {label: operand.shape[i] for i, label in enumerate(labels)}
    given = {label for _array, others in factors for label in others}
    kept = [label for label, n in lengths.items() if n != 1 and label in given]
    # A label that no other factor has, or that was broadcast, comes back with a length of 1.
    share = _contracted(factors, kept)[tuple(slice(None) if a in kept else None for a in lengths)]
    share = np.broadcast_to(share, tuple(lengths.values()))
    if len(lengths) == len(labels):
        return share
    dx = np.zeros_like(operand)
    places = list(lengths)
    diagonal = np.einsum(dx, [places.index(a) for a in labels], list(range(len(places))))  # a view
    diagonal[...] = share
    return dx


def _read(
    equation: str, shapes: Sequence[tuple[int, ...]]
) -> tuple[list[list[Label]], list[Label]]:
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


def _require_lengths(
    equation: str, inputs: list[list[Label]], shapes: list[tuple[int, ...]]
) -> None:
    """Raise unless a label has one length in each operand, and across them one length or 1."""
    lengths: dict[Label, int] = {}
    for labels, shape in zip(inputs, shapes, strict=True):
        own: dict[Label, int] = {}
        for label, n in zip(labels, shape, strict=True):
            if own.setdefault(label, n) != n or (n != 1 and lengths.setdefault(label, n) != n):
                text = " and ".join(map(str, shapes))
                raise ValueError(f"einsum: shapes {text} do not fit {equation!r}")


def _product(name: str, x: Any, other: Any) -> Any:
    """The value and the pullbacks of matmul, for the op called name."""
    same(name, x, other)
    refuse_bool(name, x)
    if not x.ndim or not other.ndim or x.shape[-1] != other.shape[-2:][0]:
        raise ValueError(f"{name}: shapes {x.shape} and {other.shape} do not multiply")
    a = x if x.ndim > 1 else x[None, :]  # (..., n, k)
    b = other if other.ndim > 1 else other[:, None]  # (..., k, m)
    broadcast_shapes(name, a.shape[:-2], b.shape[:-2])
    product = a @ b  # (..., n, m)
    shape = product.shape
    dropped = tuple(i for i, vector in ((-2, x), (-1, other)) if vector.ndim == 1)

    # x[i, p] reaches each product[i, j] with the slope other[p, j]: dx is dout otherᵀ.
    def dx(dout):
        return times(dout.reshape(shape), b.mT)

    def dother(dout):
        grad = times(a.mT, dout.reshape(shape))
        return grad if other.ndim > 1 else grad[..., 0]

    return product.squeeze(dropped), (dx, dother)


def times(a: Any, b: Any) -> Any:
    """a @ b; where each sum has a single term, the plain product is faster than BLAS."""
    return a * b if a.shape[-1] == 1 else a @ b


def _plus_product(name: str, x: Any, left: Any, right: Any, beta: float, alpha: float) -> Any:
    same(name, x, left)
    product, (dleft, dright) = _product(name, left, right)
    if broadcast_shapes(name, x.shape, product.shape) != product.shape:
        raise ValueError(f"{name}: shape {x.shape} does not expand to {product.shape}")
    alpha, beta = factor(name, "alpha", alpha, x.dtype), factor(name, "beta", beta, x.dtype)
    value = scaled(alpha, product)
    if beta != 0:
        value = value + scaled(beta, x)
    return value, (
        lambda dout: scaled(beta, dout),
        lambda dout: scaled(alpha, dleft(dout)),
        lambda dout: scaled(alpha, dright(dout)),
    )


def _require_dims(name: str, *expected: tuple[Any, int]) -> None:
    for array, ndim in expected:
        tensors(name, array)
        if array.ndim != ndim:
            raise ValueError(f"{name}: expected {ndim} dims, not shape {array.shape}")


def _require_batches(name: str, left: Any, right: Any) -> None:
    _require_dims(name, (left, 3), (right, 3))
    if left.shape[0] != right.shape[0]:
        raise ValueError(f"{name}: {left.shape[0]} and {right.shape[0]} matrices do not pair up")
