"""Making arrays, and reading them."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np

from .. import device, launches
from ..device import Array, Shape
from ..kernels import map
from ..storage import BFLOAT16, rounded, widened
from . import tracing
from .launching import launch

INT = np.dtype(np.int64)
FLOAT32 = np.dtype(np.float32)
BOOL = np.dtype(np.bool_)
KEPT = 1024  # constants, and layouts
COUNTABLE = 2**31  # elements are too many for kernels, which count in 32 bits

# Each stream has its own: another would have to wait for the launch that fills a constant, and may
# still be reading one that has been dropped from here and whose memory is in use again.
_constants: dict[Any, Array] = {}


def reckoned(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which operations on this one are computed: float32 for bfloat16."""
    return FLOAT32 if dtype == BFLOAT16 else dtype


def require_countable(shape: Shape) -> None:
    """Raise ValueError for more elements than kernels can tell apart."""
    if math.prod(shape) >= COUNTABLE:
        raise ValueError(f"shape {shape} has 2**31 elements or more: kernels count in 32 bits")


def empty(shape: Shape, dtype: Any) -> Array:
    require_countable(shape)
    return device.empty(shape, dtype)


def full(shape: Shape, value: Any, dtype: Any) -> Array:
    dtype = np.dtype(dtype)
    number = (rounded(value) if dtype == BFLOAT16 else np.asarray(value).astype(dtype))[()]
    tracer = tracing.tracer.get()
    if tracer is not None:
        return tracer.full(shape, number)
    out = empty(shape, dtype)
    launch(map.fill, out.size, out.reshape((out.size,)), number)
    return out


def zeros(shape: Shape, dtype: Any) -> Array:
    return full(shape, 0, dtype)


def arange(start: Any, step: Any, count: int, dtype: Any) -> Array:
    """start, start + step, …: count numbers; integers that do not fit wrap around."""
    out = empty((count,), dtype)
    launch(map.arange, count, *np.array((start, step)).astype(dtype), out)
    return out


def constant(value: Any, dtype: Any) -> Array:
    """A 0-d array that holds a number; the same one again while it is kept, by the very bits.

    For operations with bfloat16 it is of float32, in which they are done.
    """
    dtype = reckoned(np.dtype(dtype))
    if isinstance(value, int):  # an integer that does not fit wraps around, as in torch
        try:
            value = np.asarray(value).astype(dtype)
        except OverflowError:
            raise ValueError(f"{value} does not fit into {dtype}") from None
    with np.errstate(over="ignore"):  # and a floating number becomes inf
        number = dtype.type(value)
    tracer = tracing.tracer.get()
    if tracer is not None:
        return tracer.full((), number)
    key = device.executor.stream, dtype, number.tobytes()
    found = _constants.get(key)
    if found is None:
        found = full((), number, dtype)
        if launches.recorder.get() is None:  # else a graph's own, without its number until a replay
            if len(_constants) == KEPT:
                del _constants[next(iter(_constants))]
            _constants[key] = found
    return found


def layout_of(offset: int, shape: Shape, strides: Shape) -> Array:
    """What kernels.index.place reads; kept, because the same ones come back in every step."""
    return _layout(device.executor.stream, offset, shape, strides)


@functools.lru_cache(maxsize=KEPT)
def _layout(stream: int, offset: int, shape: Shape, strides: Shape) -> Array:
    last_first = reversed(list(zip(shape, strides, strict=True)))
    return device.to_device(np.array([offset, *itertools.chain(*last_first)], INT))


def item(x: Array) -> Any:
    """The one element, as a Python number."""
    return to_host(x).item()


def to_host(x: Array) -> np.ndarray[Any, Any]:
    """A copy as a NumPy array, which for bfloat16 is of float32."""
    host = device.to_host(x)
    return widened(host) if x.dtype == BFLOAT16 else host
