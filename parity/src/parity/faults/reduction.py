"""Faults of sums, products, extremes and variances."""

from __future__ import annotations

from typing import Any

import numpy as np

from .catalogue import fault, right


@fault("sum", "backward", "differences", rule=2)
def spreads_along_the_wrong_dim(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Repeats its gradient in the order of memory: on a square, the transpose."""
    value, _ = right.sum(x, dim, keepdim)
    return value, lambda dout: np.resize(dout, x.shape)


@fault("mean", "forward", "backward", "rejects")
def forgets_keepdim(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Drops the dims that it was asked to keep; the numbers are right."""
    return right.mean(x, dim)


@fault("prod", "backward", "differences", rule=5)
def divides_by_each_element(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Divides the whole product by each element: 0 / 0 where that is 0."""
    value, _ = right.prod(x, dim, keepdim)

    def wrong(dout):
        gone = dim is not None and not keepdim and x.ndim
        whole, back = (np.expand_dims(a, dim) if gone else a for a in (value, dout))
        return back * whole / x

    return value, wrong


@fault("var", "forward", "backward", "differences")
def ignores_correction(x: Any, dim: Any = None, *, keepdim: bool = False, **kwargs: Any) -> Any:
    """Divides by n - 1 whatever the correction."""
    return right.var(x, dim, keepdim=keepdim)


@fault("var", "forward", "backward")
def subtracts_squares(
    x: Any, dim: Any = None, *, correction: float = 1, keepdim: bool = False
) -> Any:
    """Takes the mean of the squares less the square of the mean, which cancel far from 0."""
    _, pullback = right.var(x, dim, correction=correction, keepdim=keepdim)
    mean, _ = right.mean(x, dim, keepdim)
    squares, _ = right.mean(np.asarray(x * x), dim, keepdim)
    n = x.size // max(np.size(mean), 1)
    return (squares - mean * mean) * np.divide(n, n - correction, dtype=x.dtype), pullback


@fault("std", "backward", "differences", rule=5)
def divides_by_a_deviation_of_zero(x: Any, dim: Any = None, **kwargs: Any) -> Any:
    """Multiplies an infinite slope by 0 where all numbers are equal."""
    value, _ = right.std(x, dim, **kwargs)
    _, of_variance = right.var(x, dim, **kwargs)
    return value, lambda dout: of_variance(dout / (2 * value))


@fault("amax", "backward")
def gives_the_first_of_equals_everything(x: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Does as max does along a dim; torch's amax shares the gradient among equals."""
    value, pullback = right.amax(x, dim, keepdim)
    if not isinstance(dim, int) or not x.ndim:
        return value, pullback
    return value, right.max(x, dim, keepdim)[1]


@fault("max", "backward")
def shares_among_equals_along_a_dim(
    x: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None
) -> Any:
    """Spreads the gradient over all that are largest, though it returned the index of one."""
    value, pullback = right.max(x, dim, keepdim, other=other)
    if not isinstance(dim, int) or not x.ndim:
        return value, pullback
    ties = x == x.max(axis=dim, keepdims=True)
    shares = ties / ties.sum(axis=dim, keepdims=True, dtype=x.dtype)
    return value, lambda dout: (dout if keepdim else np.expand_dims(dout, dim)) * shares


@fault("argmax", "forward")
def takes_the_last_of_equals(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Searches from the end."""
    value, pullback = right.argmax(x, dim, keepdim)  # which refuses a wrong dim in its own name
    if not x.ndim:
        return value, pullback
    value, _ = right.argmax(np.flip(x, dim), dim, keepdim)
    length = x.size if dim is None else x.shape[dim]
    return length - 1 - value, pullback


@fault("logsumexp", "forward", "backward", "differences")
def adds_exponentials_as_they_are(x: Any, dim: Any, keepdim: bool = False) -> Any:
    """Takes exp(1000), with no maximum subtracted."""
    value, _ = right.logsumexp(x, dim, keepdim)
    total = np.exp(x).sum(axis=dim if x.ndim else None, keepdims=True)
    spread = np.exp(x) / total
    shape = total.shape
    return np.log(total).reshape(value.shape).astype(value.dtype), (
        lambda dout: dout.reshape(shape) * spread
    )


@fault("all", "forward")
def is_false_of_nothing(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Is False where there are no elements, and torch's is True."""
    value, pullback = right.all(x, dim, keepdim)
    return value & np.asarray(x.size > 0), pullback


@fault("cumsum", "backward", "differences")
def adds_up_its_gradient_from_the_start(x: Any, dim: int) -> Any:
    """Sends back the gradients of those before, in place of those after."""
    value, _ = right.cumsum(x, dim)
    return value, lambda dout: np.cumsum(dout, dim).reshape(x.shape)
