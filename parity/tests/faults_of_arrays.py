"""Faults of arithmetic, reductions, shapes and products; faults.py says what a fault is."""

from __future__ import annotations

from typing import Any

import numpy as np
from faults import fault, gradients, right

from minigrad import op


@fault("add", "backward", "differences")
@op
def drops_unbroadcast(x: Any, other: Any) -> Any:
    """Takes the first part of a broadcast gradient instead of the sum of all."""

    def first(dout, shape):
        dout = dout[(0,) * (dout.ndim - len(shape))]
        return dout[tuple(slice(n) for n in shape)]

    value, _ = right.add(x, other)
    return value, lambda dout: (first(dout, np.shape(x)), first(dout, np.shape(other)))


@fault("sub", "backward", "differences")
@op
def accumulates_in_place(x: Any, other: Any) -> Any:
    """Writes into dout, which is x's gradient as well."""
    value, _ = right.sub(x, other)
    return value, lambda dout: (dout, np.negative(dout, out=dout))


@fault("mul", "backward", "differences")
@op
def swaps_its_gradients(x: Any, other: Any) -> Any:
    """Gives each factor the gradient of the other: right for squares."""
    value, _ = right.mul(x, other)
    return value, lambda dout: (dout * x, dout * other)


@fault("div", "forward", "backward")
@op
def guards_its_denominator(x: Any, other: Any) -> Any:
    """Adds a small number for stability, which changes the maths."""
    return right.div(x, other + 1e-8)


@fault("neg", "forward", "backward", "differences")
@op
def ends_in_nan(x: Any) -> Any:
    """Leaves a NaN, which a check written `if difference > tolerance` would let pass."""
    y = np.negative(x)
    if y.dtype.kind == "f" and y.ndim and y.size:
        y[..., -1] = np.nan
    return y, lambda dout: -dout


@fault("exp", "forward", "backward")
@op
def returns_float64(x: Any) -> Any:
    """Has one dtype for everything."""
    return right.exp(x.astype(np.float64))


@fault("log", "forward", "backward")
@op
def keeps_away_from_zero(x: Any) -> Any:
    """Has a floor under its input, which hides infinities."""
    return right.log(np.maximum(x, 1e-12))


@fault("pow", "backward", "differences")
@op
def takes_every_exponent_for_a_constant(x: Any, exponent: Any) -> Any:
    """Has no gradient for a tensor in the exponent."""
    value, pullback = right.pow(x, exponent)
    return value, lambda dout: (gradients(pullback, dout)[0], np.zeros_like(dout))


@fault("pow", "backward", "differences")
@op
def divides_by_its_base(x: Any, exponent: Any) -> Any:
    """Takes the slope from the value, y · exponent / x: NaN at 0."""
    value, pullback = right.pow(x, exponent)
    return value, lambda dout: (dout * value * exponent / x, gradients(pullback, dout)[-1])


@fault("where", "backward", "differences")
@op
def multiplies_by_the_condition(condition: Any, x: Any, other: Any) -> Any:
    """Lets all of the gradient through to other, taken or not."""
    value, _ = right.where(condition, x, other)
    return value, lambda dout: (None, dout * condition, dout)


@fault("masked_fill", "forward", "backward", "differences")
@op
def fills_its_input(x: Any, mask: Any, value: Any) -> Any:
    """Writes the value into x itself."""
    filled, pullback = right.masked_fill(x, mask, value)
    if filled.shape == x.shape:
        x[...] = filled
    return filled, pullback


@fault("maximum", "backward", "differences")
@op
def gives_each_of_equals_everything(x: Any, other: Any) -> Any:
    """Counts the gradient twice at a tie."""
    value, _ = right.maximum(x, other)
    return value, lambda dout: (dout * ~(x < other), dout * ~(other < x))


@fault("sum", "backward", "differences")
@op
def spreads_along_the_wrong_dim(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Repeats its gradient in the order of memory: on a square, the transpose."""
    value, _ = right.sum(x, dim, keepdim)
    return value, lambda dout: np.resize(dout, x.shape)


@fault("mean", "forward", "backward")
@op
def forgets_keepdim(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Drops the dims that it was asked to keep; the numbers are right."""
    return right.mean(x, dim)


@fault("max", "backward")
@op
def shares_among_equals_along_a_dim(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Spreads the gradient over all that are largest, though it returned the index of one."""
    value, pullback = right.max(x, dim, keepdim)
    if dim is None or not x.ndim:
        return value, pullback
    ties = x == x.max(axis=dim, keepdims=True)
    shares = ties / ties.sum(axis=dim, keepdims=True, dtype=x.dtype)
    return value, lambda dout: (dout if keepdim else np.expand_dims(dout, dim)) * shares


@fault("argmax", "forward")
@op
def takes_the_last_of_equals(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Searches from the end."""
    value, pullback = right.argmax(np.flip(x, dim), dim, keepdim)
    length = x.shape[dim] if dim is not None and x.ndim else x.size
    return length - 1 - value, pullback


@fault("var", "forward", "backward", "differences")
@op
def ignores_correction(
    x: Any, dim: Any = None, *, correction: float = 1, keepdim: bool = False
) -> Any:
    """Divides by n - 1 whatever the correction."""
    return right.var(x, dim, keepdim=keepdim)


@fault("var", "forward", "backward")
@op
def subtracts_squares(
    x: Any, dim: Any = None, *, correction: float = 1, keepdim: bool = False
) -> Any:
    """Takes the mean of the squares less the square of the mean, which cancel far from 0."""
    _, pullback = right.var(x, dim, correction=correction, keepdim=keepdim)
    mean, _ = right.mean(x, dim, keepdim)
    squares, _ = right.mean(x * x, dim, keepdim)
    n = x.size // max(np.size(mean), 1)
    return (squares - mean * mean) * np.divide(n, n - correction, dtype=x.dtype), pullback


@fault("reshape", "forward", "backward", "differences")
@op
def counts_columns_first(x: Any, shape: Any) -> Any:
    """Reads its input in Fortran's order, and hands the gradient back in C's."""
    value, pullback = right.reshape(x, shape)
    return x.reshape(value.shape, order="F"), pullback


@fault("permute", "backward", "differences")
@op
def permutes_the_gradient_the_same_way(x: Any, dims: Any) -> Any:
    """Forgets to invert the permutation: right for every exchange of two dims."""
    value, _ = right.permute(x, dims)
    return value, lambda dout: dout.transpose(dims)


@fault("squeeze", "forward", "backward")
@op
def squeezes_every_dim(x: Any, dim: Any = None) -> Any:
    """Pays no attention to dim."""
    right.squeeze(x, dim)
    return right.squeeze(x)


@fault("getitem", "backward", "differences")
@op
def loses_repeated_indices(x: Any, index: Any) -> Any:
    """Assigns gradients where it should add them."""
    value, _ = right.getitem(x, index)
    places, _ = right.getitem(np.arange(x.size).reshape(x.shape), index)

    def pullback(dout):
        dx = np.zeros_like(x)
        dx.reshape(-1)[places] = dout
        return dx

    return value, pullback


@op
def _stacked(*arrays: Any) -> Any:
    return np.stack(arrays), lambda dout: tuple(dout[::-1])


@fault("stack", "backward", "differences")
def swaps_the_gradients_of_its_parts(tensors: Any, dim: int = 0) -> Any:
    """Hands the first part the gradient of the last."""
    stacked = right.stack(tensors, dim)
    one_dtype = len({tensor.dtype for tensor in tensors}) == 1
    return _stacked(*tensors) if dim == 0 and one_dtype else stacked


@fault("split", "forward", "backward")
def drops_the_last_piece(x: Any, split_size_or_sections: Any, dim: int = 0) -> Any:
    """Forgets what is left over."""
    pieces = right.split(x, split_size_or_sections, dim)
    return pieces[:-1] if pieces[-1].shape != pieces[0].shape else pieces


@fault("chunk", "forward", "backward")
def cuts_as_evenly_as_it_can(x: Any, chunks: int, dim: int = 0) -> Any:
    """Makes 3 + 2 + 2 of 7, as NumPy's array_split; torch makes 3 + 3 + 1."""
    if not x.ndim or not isinstance(chunks, int) or chunks < 1 or chunks > max(x.shape[dim], 1):
        return right.chunk(x, chunks, dim)
    short, more = divmod(x.shape[dim], chunks)
    return right.split(x, [short + (i < more) for i in range(chunks)], dim)


@fault("tril", "backward", "differences")
@op
def lets_the_other_triangle_through(x: Any, diagonal: int = 0) -> Any:
    """Does not cut its gradient."""
    value, _ = right.tril(x, diagonal)
    return value, lambda dout: dout


@fault("matmul", "backward", "differences")
@op
def transposes_one_gradient(x: Any, other: Any) -> Any:
    """Computes the right factor's gradient in transposed order: right for symmetric ones."""
    value, pullback = right.matmul(x, other)

    def wrong(dout):
        dx, dother = gradients(pullback, dout)
        return dx, dother.swapaxes(-1, -2).reshape(dother.shape) if dother.ndim > 1 else dother

    return value, wrong


@fault("matmul", "forward", "backward", "differences")
@op
def multiplies_in_float32(x: Any, other: Any) -> Any:
    """Loses half of the digits of float64 on the way."""
    _, pullback = right.matmul(x, other)
    value, _ = right.matmul(x.astype(np.float32), other.astype(np.float32))
    return value.astype(x.dtype), pullback


@fault("linear", "backward", "differences")
@op
def averages_the_gradient_of_its_bias(x: Any, weight: Any, bias: Any = None) -> Any:
    """Takes the mean over rows in place of the sum."""
    value, pullback = right.linear(x, weight, bias)

    def wrong(dout):
        dx, dweight, dbias = gradients(pullback, dout)
        return dx, dweight, dbias * dbias.shape[-1] / dbias.size

    return value, wrong
