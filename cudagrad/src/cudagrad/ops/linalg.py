"""Products of matrices and vectors, nearly all of a GPT's arithmetic, and sums over any indices."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

from .. import arrays
from ..arguments import broadcast_shapes, factor, refuse_bool, same, tensors
from ..arrays import Array, Shape, apply
from ..dtypes import result_type
from ..engine import Operand, Output, Tensor, cast_for, op, require_tensors
from ..kernels import functions as f
from .elementwise import mul
from .reduction import sum
from .shape import permute, reshape

Label = str | int  # in einsum: a letter, or a dim of the dots, counted from their end


@op
def matmul(x: Operand, other: Operand) -> Output:
    """Matrix product: (..., n, k) @ (..., k, m) -> (..., n, m), the leading dims broadcast.

    A vector counts as a row on the left, as a column on the right; its dim of 1 is dropped again.
    """
    return _product("matmul", x, other)


@op
def mm(x: Operand, mat2: Operand) -> Output:
    """Product of two matrices: (n, k), (k, m) -> (n, m)."""
    _require_dims("mm", (2, 2), x, mat2)
    return _product("mm", x, mat2)


@op
def bmm(x: Operand, mat2: Operand) -> Output:
    """Products of b pairs of matrices: (b, n, k), (b, k, m) -> (b, n, m)."""
    _require_batches("bmm", x, mat2)
    return _product("bmm", x, mat2)


@op
def mv(x: Operand, vec: Operand) -> Output:
    """Product of a matrix and a vector: (n, k), (k) -> (n)."""
    _require_dims("mv", (2, 1), x, vec)
    return _product("mv", x, vec)


@op
def dot(x: Operand, tensor: Operand) -> Output:
    """Sum of the products of two vectors: (k), (k) -> ()."""
    _require_dims("dot", (1, 1), x, tensor)
    return _product("dot", x, tensor)


@op
def outer(x: Operand, vec2: Operand) -> Output:
    """Every product of an element of x and one of vec2: (n), (m) -> (n, m)."""
    _require_dims("outer", (1, 1), x, vec2)
    dtype = result_type(x, vec2)
    x, vec2 = arrays.cast(x, dtype), arrays.cast(vec2, dtype)
    column, row = arrays.reshape(x, (x.size, 1)), arrays.reshape(vec2, (1, vec2.size))
    return apply(f.mul, column, row), (
        lambda dout: arrays.flat(arrays.matmul(dout, row, b_swapped=True)),
        lambda dout: arrays.flat(arrays.matmul(column, dout, a_swapped=True)),
    )


@op
def addmm(x: Operand, mat1: Operand, mat2: Operand, *, beta: float = 1, alpha: float = 1) -> Output:
    """beta · x + alpha · mat1 mat2: (n, k), (k, m) -> (n, m), to which x broadcasts.

    If beta is 0, x is not read, so that a NaN in it does not propagate.
    """
    _require_dims("addmm", (2, 2), mat1, mat2)
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
        operands = tuple(operands[0])
    require_tensors("einsum", *operands)
    operands, _ = cast_for("einsum", *operands)
    same("einsum", *operands)
    refuse_bool("einsum", *operands)
    shapes = [operand.shape for operand in operands]
    inputs, output = _read(equation, shapes)
    lengths = _lengths(equation, inputs, shapes)
    terms = [_distinct(*term, lengths) for term in zip(operands, inputs, strict=True)]
    x, labels = terms[0]
    for i, (other, others) in enumerate(terms[1:], 2):
        wanted = {*output, *(label for _, later in terms[i:] for label in later)}
        x, labels = _contracted(x, labels, other, others, wanted)
    x, labels = _summed(x, labels, set(output))
    return permute(x, tuple(labels.index(label) for label in output))


@op
def linear(x: Operand, weight: Operand, bias: Operand | None = None) -> Output:
    """x weightᵀ + bias: (..., n_in) -> (..., n_out), weight (n_out, n_in), bias (n_out).

    A weight (n_in) gives one number per row: (..., n_in) -> (...), bias ().
    """
    tensors("linear", x, weight)
    same("linear", x, weight, bias)
    refuse_bool("linear", x)
    if weight.ndim not in (1, 2) or not x.ndim or x.shape[-1] != weight.shape[-1]:
        raise ValueError(f"linear: shapes {x.shape} and {weight.shape} do not multiply")
    if bias is not None and bias.shape != weight.shape[:-1]:
        raise ValueError(f"linear: bias of shape {bias.shape} for weight {weight.shape}")
    shape, n_in = (*x.shape[:-1], *weight.shape[:-1]), weight.shape[-1]
    n_rows, n_out = math.prod(x.shape[:-1]), math.prod(weight.shape[:-1])
    rows, matrix = arrays.reshape(x, (n_rows, n_in)), arrays.reshape(weight, (n_out, n_in))
    flat_bias = None if bias is None else arrays.flat(bias)
    out = arrays.matmul(rows, matrix, b_swapped=True, bias=flat_bias)  # (n_rows, n_out)

    def dx(dout):
        drows = arrays.reshape(dout, (n_rows, n_out))
        return arrays.reshape(arrays.matmul(drows, matrix), x.shape)

    def dweight(dout):
        dmatrix = arrays.matmul(arrays.reshape(dout, (n_rows, n_out)), rows, a_swapped=True)
        return arrays.reshape(dmatrix, weight.shape)

    return arrays.reshape(out, shape), (dx, dweight, lambda dout: dout)


def _product(name: str, x: Any, other: Any, dtype: Any = None) -> Any:
    """The value and the pullbacks of matmul, for the op called name; dtype: of the value."""
    tensors(name, x, other)
    same(name, x, other)
    refuse_bool(name, x)
    if not x.ndim or not other.ndim or x.shape[-1] != other.shape[-2:][0]:
        raise ValueError(f"{name}: shapes {x.shape} and {other.shape} do not multiply")
    if x.ndim == other.ndim == 1:
        return _product_of_vectors(x, other)
    a = x if x.ndim > 1 else arrays.reshape(x, (1, *x.shape))  # (..., n, k)
    b = other if other.ndim > 1 else arrays.reshape(other, (*other.shape, 1))  # (..., k, m)
    broadcast_shapes(name, a.shape[:-2], b.shape[:-2])
    product = arrays.matmul(a, b, dtype=dtype)  # (..., n, m)
    shape = product.shape
    dropped = [i for i, vector in ((-2, x), (-1, other)) if vector.ndim == 1]
    kept = tuple(n for i, n in enumerate(shape, -len(shape)) if i not in dropped)

    def dx(dout):
        return arrays.matmul(arrays.reshape(dout, shape), b, b_swapped=True)

    def dother(dout):
        grad = arrays.matmul(a, arrays.reshape(dout, shape), a_swapped=True)
        return grad if other.ndim > 1 else arrays.reshape(grad, grad.shape[:-1])

    return arrays.reshape(product, kept), (dx, dother)


def _product_of_vectors(x: Any, other: Any) -> Any:
    """A sum like any other; as a product of matrices it would be one thread's."""
    products = apply(f.mul, x, other, dtype=arrays.reckoned(x.dtype))
    return arrays.cast(arrays.total(products, (0,)), x.dtype), (
        lambda dout: apply(f.mul, dout, other),
        lambda dout: apply(f.mul, dout, x),
    )


def _plus_product(name: str, x: Any, a: Any, b: Any, beta: float, alpha: float) -> Any:
    same(name, x, a, b)
    factor(name, "beta", beta, x.dtype)
    factor(name, "alpha", alpha, x.dtype)
    product, (da, db) = _product(name, a, b, arrays.reckoned(x.dtype))
    shape = product.shape
    if broadcast_shapes(name, x.shape, shape) != shape:
        raise ValueError(f"{name}: shape {x.shape} does not expand to {shape}")
    y = _times(product, alpha)
    if beta:
        y = apply(f.add_multiple, y, x, beta)
    return arrays.cast(y, x.dtype), (
        lambda dout: _times(dout, beta),
        lambda dout: da(_times(dout, alpha)),
        lambda dout: db(_times(dout, alpha)),
    )


def _times(x: Array, number: float) -> Array:
    return x if number == 1 else apply(f.mul, x, number)


def _require_dims(name: str, ndims: tuple[int, int], a: Any, b: Any) -> None:
    tensors(name, a, b)
    if (a.ndim, b.ndim) != ndims:
        raise ValueError(
            f"{name}: expected {ndims[0]} and {ndims[1]} dims, not shapes {a.shape} and {b.shape}"
        )


def _require_batches(name: str, a: Any, b: Any) -> None:
    _require_dims(name, (3, 3), a, b)
    if a.shape[0] != b.shape[0]:
        raise ValueError(f"{name}: {a.shape[0]} and {b.shape[0]} matrices do not pair up")


# The steps of einsum. A term is a tensor with a label for each of its dims.


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


def _lengths(equation: str, inputs: list[list[Label]], shapes: list[Shape]) -> dict[Label, int]:
    """The length of each label; of one that broadcasts, not the 1."""
    lengths: dict[Label, int] = {}
    for labels, shape in zip(inputs, shapes, strict=True):
        own: dict[Label, int] = {}
        for label, n in zip(labels, shape, strict=True):
            if lengths.setdefault(label, n) == 1:
                lengths[label] = n
            if own.setdefault(label, n) != n or n not in (1, lengths[label]):
                text = " and ".join(map(str, shapes))
                raise ValueError(f"einsum: shapes {text} do not fit {equation!r}")
    return lengths


def _distinct(x: Any, labels: list[Label], lengths: dict[Label, int]) -> tuple[Any, list[Label]]:
    """The term with every label once, and without the dims of length 1 that broadcast."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            x = _diagonal(x, first, second)
            labels = labels[:second] + labels[second + 1 :]
    kept = [label for label, n in zip(labels, x.shape, strict=True) if n == lengths[label]]
    return reshape(x, tuple(lengths[label] for label in kept)), kept


@op
def _diagonal(x: Operand, first: int, second: int) -> Output:
    """The elements whose two dims, of one length, have the same index; dim first stays."""
    shape = x.shape
    steps = list(arrays.strides(shape))
    steps[first] += steps.pop(second)

    def pullback(dout):
        dx = arrays.zeros(shape, dout.dtype)
        arrays.copy_into(dout, dx, 0, tuple(steps))
        return dx

    kept = (*shape[:second], *shape[second + 1 :])
    return arrays.copy_from(x, 0, kept, tuple(steps)), pullback


def _summed(x: Any, labels: list[Label], wanted: set[Label]) -> tuple[Any, list[Label]]:
    """The term without the dims that nobody wants."""
    gone = tuple(i for i, label in enumerate(labels) if label not in wanted)
    kept = [label for label in labels if label in wanted]
    return (sum(x, gone) if gone else x), kept


def _contracted(
    x: Any, labels: list[Label], other: Any, others: list[Label], wanted: set[Label]
) -> tuple[Any, list[Label]]:
    """The product of two terms, summed over the dims that nobody wants."""
    x, labels = _summed(x, labels, wanted | set(others))
    other, others = _summed(other, others, wanted | set(labels))
    lengths = dict(zip([*labels, *others], [*x.shape, *other.shape], strict=True))
    both = [label for label in labels if label in others]
    batch = [label for label in both if label in wanted]
    inner = [label for label in both if label not in wanted]
    rows = [label for label in labels if label not in others]
    columns = [label for label in others if label not in labels]

    def arranged(term, own, *groups):
        order = tuple(own.index(label) for group in groups for label in group)
        shape = (math.prod(lengths[label] for label in group) for group in groups)
        return reshape(permute(term, order), tuple(shape))

    a, b = arranged(x, labels, batch, rows, inner), arranged(other, others, batch, inner, columns)
    product = bmm(a, b) if inner else mul(a, b)  # (batch, rows, columns)
    result = [*batch, *rows, *columns]
    return reshape(product, tuple(lengths[label] for label in result)), result
