"""A function of every element: what one launch makes of arrays that broadcast."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..device import Array, Shape
from ..kernels import functions as f
from ..kernels import map, storage
from ..storage import BFLOAT16
from . import tracing
from .launching import launch
from .making import FLOAT32, constant, empty
from .rearranging import expand, flat, stillness

MAPS = {1: map.map1, 2: map.map2, 3: map.map3, 4: map.map4}
NUMBERS = (int, float, np.generic)  # which stand for an array in arithmetic
STORED = {1: storage.stored1, 2: storage.stored2, 3: storage.stored3, 4: storage.stored4}


def apply(
    function: Callable[..., Any], *operands: Any, dtype: Any = None, into: Array = None
) -> Array:
    """function of every element of the operands, broadcast; numbers take the arrays' dtype.

    dtype: of the result; without one, that of the first array. With bfloat16 among them it is that,
    or float32 if an array with dimensions is (one without may be a number).
    into: where to write the result, which may be an operand, of the result's shape.
    """
    arrays: Sequence[Any] = operands
    if any(isinstance(operand, NUMBERS) for operand in operands):
        first = next(operand for operand in operands if hasattr(operand, "dtype"))
        arrays = [constant(x, first.dtype) if isinstance(x, NUMBERS) else x for x in operands]
    if into is not None:
        dtype = into.dtype
    forms = [(array.shape, array.dtype) for array in arrays]
    shape, dtype, function, still = _planned(function, dtype, *forms)
    tracer = tracing.tracer.get()
    if tracer is not None:
        return tracer.apply(function, arrays, shape, dtype)
    out = empty(shape, dtype) if into is None else into
    args: list[Any] = []
    for array, inner in zip(arrays, still, strict=True):
        args += (flat(expand(array, shape)), 1) if inner is None else (flat(array), inner)
    launch(MAPS[len(arrays)](function), out.size, *args, flat(out))
    return out


@functools.lru_cache(maxsize=4096)
def _planned(
    function: Callable[..., Any], dtype: Any, *forms: tuple[Shape, np.dtype[Any]]
) -> tuple[Shape, np.dtype[Any], Callable[..., Any], tuple[int | None, ...]]:
    """What apply does with arrays of these shapes and dtypes; the same comes back in every step.

    The result's shape and dtype; the function, which reads and writes numbers as they are stored;
    of each operand, how often its elements repeat (see stillness).
    """
    shape = np.broadcast_shapes(*(own for own, _ in forms))
    small = [own == BFLOAT16 for _, own in forms]
    if dtype is None:
        dtype = forms[0][1]
        if any(small):
            dtype = FLOAT32 if any(own and of == FLOAT32 for own, of in forms) else BFLOAT16
    dtype = np.dtype(dtype)
    if any(small) or dtype == BFLOAT16:
        loads = (storage.widen if each else f.same for each in small)
        store = storage.narrow if dtype == BFLOAT16 else f.same
        function = STORED[len(forms)](function, *loads, store)
    return shape, dtype, function, tuple(stillness(own, shape) for own, _ in forms)


def repeated(x: Array, shape: Shape) -> tuple[Array, int]:
    """x flat, and its stillness in shape; if it has none, x is expanded first."""
    inner = 1 if x.shape == shape else stillness(x.shape, shape)
    return (flat(expand(x, shape)), 1) if inner is None else (flat(x), inner)


def copy(x: Array, into: Array = None) -> Array:
    return apply(f.same, x, into=into)


def cast(x: Array, dtype: Any) -> Array:
    """x in dtype: x itself if it has it already."""
    return x if x.dtype == dtype else apply(f.same, x, dtype=dtype)


def assign(out: Array, x: Array) -> None:
    """Write x over out, which has its shape and dtype."""
    launch(map.map1(f.same), out.size, flat(x), 1, flat(out))


def band(x: Array, low: int, high: int) -> Array:
    """x where low <= column - row <= high in its last two dims, else zero."""
    out = empty(x.shape, x.dtype)
    launch(map.band, x.size, flat(x), flat(out), *x.shape[-2:], low, high)
    return out
