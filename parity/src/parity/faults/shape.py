"""Faults of views, copies, pieces and joins."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import op

from .catalogue import fault, right


@fault("reshape", "forward", "backward", "differences")
def counts_columns_first(x: Any, shape: Any) -> Any:
    """Reads its input in Fortran's order, and hands the gradient back in C's."""
    value, pullback = right.reshape(x, shape)
    return x.reshape(value.shape, order="F"), pullback


@fault("permute", "backward", "differences", rule=2, raises=True)
def permutes_the_gradient_the_same_way(x: Any, dims: Any) -> Any:
    """Forgets to invert the permutation: right for every exchange of two dims."""
    value, _ = right.permute(x, dims)
    return value, lambda dout: dout.transpose(dims)


@fault("repeat", "backward", "differences")
def takes_the_gradient_of_one_copy(x: Any, repeats: Any) -> Any:
    """Returns the gradient of the first copy alone."""
    value, _ = right.repeat(x, repeats)
    new = (0,) * (value.ndim - x.ndim)
    return (
        value,
        lambda dout: dout[(*new, *(slice(n) for n in x.shape))] if value.size else np.zeros_like(x),
    )


@fault("squeeze", "forward", "backward", rule=2)
def squeezes_every_dim(x: Any, dim: Any = None) -> Any:
    """Ignores dim."""
    right.squeeze(x, dim)
    return right.squeeze(x)


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
    pieces = right.chunk(x, chunks, dim)  # which refuses a wrong dim in its own name
    if chunks > max(x.shape[dim], 1):
        return pieces
    short, more = divmod(x.shape[dim], chunks)
    return right.split(x, [short + (i < more) for i in range(chunks)], dim)


@fault("tril", "backward", "differences")
def lets_the_other_triangle_through(x: Any, diagonal: int = 0) -> Any:
    """Lets the gradient through where the value was set to 0."""
    value, _ = right.tril(x, diagonal)
    return value, lambda dout: dout


@fault("flip", "forward", "backward", "differences", "rejects", rule=8, raises=True)
def is_not_there(*args: Any, **kwargs: Any) -> Any:
    """Is not written yet: an op that is missing fails, and is not skipped."""
    raise NotImplementedError("flip")


@fault("roll", "backward", "differences")
def rolls_its_gradient_on(x: Any, shifts: Any, dims: Any = None) -> Any:
    """Moves the gradient the same way as the numbers."""
    value, _ = right.roll(x, shifts, dims)
    return value, lambda dout: right.roll(dout, shifts, dims)[0]


@fault("contiguous", "forward", "backward")
def copies_in_the_order_of_memory(x: Any) -> Any:
    """Takes the elements as they lie, whatever the strides say."""
    value, pullback = right.contiguous(x)
    if x.flags.c_contiguous:
        return value, pullback
    return x.ravel(order="K").reshape(x.shape), pullback
