"""Faults of indexing, gathering, scattering and sorting."""

from __future__ import annotations

from typing import Any

import numpy as np

from .catalogue import fault, right


@fault("getitem", "backward", "differences", rule=7)
def loses_repeated_indices(x: Any, index: Any) -> Any:
    """Assigns gradients where it should add them."""
    value, _ = right.getitem(x, index)
    places, _ = right.getitem(np.arange(x.size).reshape(x.shape), index)

    def pullback(dout):
        dx = np.zeros_like(x)
        dx.reshape(-1)[places] = dout
        return dx

    return value, pullback


@fault("index_select", "rejects")
def takes_a_negative_index_from_the_end(x: Any, dim: int, index: Any) -> Any:
    """Counts negative indices from the end, as NumPy does; torch refuses them."""
    if isinstance(index, np.ndarray) and index.dtype.kind == "i" and x.ndim > abs(dim):
        index = np.where(index < 0, index + x.shape[dim], index)
    return right.index_select(x, dim, index)


@fault("gather", "backward", "differences", rule=7)
def keeps_the_last_of_repeated_gradients(x: Any, dim: int, index: Any) -> Any:
    """Puts gradients where they came from, one over the other."""
    value, pullback = right.gather(x, dim, index)
    if not index.size:
        return value, pullback

    def wrong(dout):
        dx = np.zeros_like(np.atleast_1d(x))
        at: list[Any] = list(np.indices(np.atleast_1d(index).shape, sparse=True))
        at[dim] = np.atleast_1d(index)
        dx[tuple(at)] = dout
        return dx.reshape(x.shape)

    return value, wrong


@fault("scatter", "backward", "differences")
def sends_back_what_was_replaced(
    x: Any, dim: int, index: Any, src: Any = None, *, value: Any = None
) -> Any:
    """Gives x a gradient at places that were overwritten."""
    out, pullback = right.scatter(x, dim, index, src, value=value)
    return out, (lambda dout: dout, *pullback[1:])


@fault("scatter_add", "forward", "backward", "differences")
def adds_each_place_once(x: Any, dim: int, index: Any, src: Any) -> Any:
    """Keeps only one of several numbers to be added to one place."""
    value, pullback = right.scatter_add(x, dim, index, src)
    if not index.size:
        return value, pullback
    out = np.atleast_1d(x).copy()
    wanted = np.atleast_1d(index)
    at: list[Any] = list(np.indices(wanted.shape, sparse=True))
    at[dim] = wanted
    out[tuple(at)] += np.atleast_1d(src)[tuple(map(slice, wanted.shape))]
    return out.reshape(x.shape), pullback


@fault("topk", "forward", "backward", rule=5)
def takes_nan_for_the_smallest(
    x: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> Any:
    """Leaves NaN out of the largest, which hides it."""
    if x.dtype.kind != "f":
        return right.topk(x, k, dim, largest, sorted)
    (_, order), pullback = right.topk(np.nan_to_num(x, nan=-np.inf), k, dim, largest, sorted)
    return (np.take_along_axis(x, order, dim) if x.ndim else x, order), pullback


@fault("sort", "forward", "backward")
def turns_equals_around(
    x: Any, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Any:
    """Sorts downwards by reading an upward order from its end, equals with it."""
    if not descending or not x.ndim:
        return right.sort(x, dim, descending, stable=stable)
    (_, order), _ = right.sort(x, dim, stable=stable)
    order = np.flip(order, dim)

    def pullback(dout):
        dx = np.zeros_like(x)
        np.put_along_axis(dx, order, dout, dim)
        return dx

    return (np.take_along_axis(x, order, dim), order), pullback


@fault("one_hot", "forward")
def counts_the_classes_that_occur(x: Any, num_classes: int = -1) -> Any:
    """Makes as many classes as there are different ids, in place of one more than the last id."""
    value, pullback = right.one_hot(x, num_classes)
    return value[..., : len(np.unique(x))] if num_classes == -1 else value, pullback
