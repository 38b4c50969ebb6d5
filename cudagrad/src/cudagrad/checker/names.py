"""The `cuda` of kernels that are checked: it answers for the thread that is running now.

What a thread waits at (barriers, operations of its warp) is not here: functions turns it into a
`yield`, and launch answers.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.np.numpy_support import as_dtype

WARP = 32


class Dim3(NamedTuple):
    x: int
    y: int
    z: int


class Warp:
    """syncs: the lanes, as bits, of each operation that the warp has done together."""

    def __init__(self) -> None:
        self.syncs: list[int] = []


class Block:
    """epoch: how many barriers its threads have passed. shared: its arrays, by where they are."""

    def __init__(self, index: Dim3, grid: Any) -> None:
        self.index, self.grid = index, grid
        self.epoch = 0
        self.shared: dict[Any, Any] = {}


class Thread:
    """One thread; waiting, answer: what it has stopped at, and what it goes on with."""

    def __init__(self, index: Dim3, number: int, block: Block, warp: Warp) -> None:
        self.index, self.block, self.warp = index, block, warp
        self.lane = number % WARP
        self.bit = 1 << self.lane
        self.waiting: Any = None
        self.answer: Any = None
        self.done = False

    def __str__(self) -> str:
        return f"thread {tuple(self.index)} of block {tuple(self.block.index)}"


class Now:
    """The thread that is running, and the sizes it runs in."""

    thread: Thread
    block_dim: Dim3
    grid_dim: Dim3
    shared_array: Callable[..., Any]
    local_array: Callable[..., Any]


now = Now()


class Shared:
    @staticmethod
    def array(
        shape: Any, dtype: Any, alignment: Any = None, name: str = "shared", site: Any = None
    ) -> Any:
        return now.shared_array(shape, dtype_of(dtype), name, site)


class Local:
    @staticmethod
    def array(
        shape: Any, dtype: Any, alignment: Any = None, name: str = "local", site: Any = None
    ) -> Any:
        return now.local_array(shape, dtype_of(dtype), name)


def _atomic(change: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def atomic(array: Any, index: Any, value: Any) -> Any:
        return array.atomic(index, lambda old: change(old, value))

    return atomic


def _wrapping_up(old: Any, top: Any) -> Any:
    return 0 if old >= top else old + 1


def _wrapping_down(old: Any, top: Any) -> Any:
    return top if old == 0 or old > top else old - 1


class Atomic:
    add = staticmethod(_atomic(operator.add))
    sub = staticmethod(_atomic(operator.sub))
    max = staticmethod(_atomic(max))
    min = staticmethod(_atomic(min))
    and_ = staticmethod(_atomic(operator.and_))
    or_ = staticmethod(_atomic(operator.or_))
    xor = staticmethod(_atomic(operator.xor))
    exch = staticmethod(_atomic(lambda old, value: value))
    inc = staticmethod(_atomic(_wrapping_up))
    dec = staticmethod(_atomic(_wrapping_down))

    @staticmethod
    def cas(array: Any, index: Any, old: Any, value: Any) -> Any:
        return array.atomic(index, lambda found: value if found == old else found)

    @staticmethod
    def compare_and_swap(array: Any, old: Any, value: Any) -> Any:
        return Atomic.cas(array, 0, old, value)


class Cuda:
    """What a kernel finds under the name cuda."""

    warpsize = WARP
    shared, local, atomic = Shared, Local, Atomic

    threadIdx = property(lambda self: now.thread.index)  # noqa: N815 -- CUDA's names
    blockIdx = property(lambda self: now.thread.block.index)  # noqa: N815
    blockDim = property(lambda self: now.block_dim)  # noqa: N815
    gridDim = property(lambda self: now.grid_dim)  # noqa: N815
    laneid = property(lambda self: now.thread.lane)

    def grid(self, ndim: int) -> Any:
        places = zip(self.blockIdx, self.blockDim, self.threadIdx, strict=True)
        found = tuple(block * size + thread for block, size, thread in places)
        return found[0] if ndim == 1 else found[:ndim]

    def gridsize(self, ndim: int) -> Any:
        found = tuple(n * size for n, size in zip(self.gridDim, self.blockDim, strict=True))
        return found[0] if ndim == 1 else found[:ndim]

    def threadfence(self) -> None:
        """It orders what one thread writes, not the threads: here nothing comes late."""

    threadfence_block = threadfence_system = threadfence


CUDA = Cuda()


def dtype_of(kind: Any) -> np.dtype[Any]:
    """A NumPy dtype, of that or one of numba's types."""
    return as_dtype(kind) if isinstance(kind, types.Type) else np.dtype(kind)


def cast(kind: Any, value: Any) -> Any:
    """A number as an integer type has it: too large a one wraps around, as on a GPU."""
    dtype = dtype_of(kind)
    if isinstance(value, float | np.floating):
        value = int(value) if math.isfinite(value) else 0
    bits = 8 * dtype.itemsize
    value = int(value) & (2**bits - 1)
    if dtype.kind == "i" and value >> (bits - 1):
        value -= 2**bits
    return dtype.type(value)


class Math:
    """Python's math, as a GPU has it: in the type of the argument, with inf and nan for errors."""

    pi, e, inf, nan, tau = math.pi, math.e, math.inf, math.nan, math.tau

    def __getattr__(self, name: str) -> Any:
        other = {"pow": "power", "acos": "arccos", "asin": "arcsin", "atan": "arctan"}
        other |= {"atan2": "arctan2", "acosh": "arccosh", "asinh": "arcsinh", "atanh": "arctanh"}
        function = getattr(np, other.get(name, name), None)
        if function is None:
            function = _by_python(getattr(math, name))
        elif name in ("floor", "ceil", "trunc"):
            function = _to_whole(function)
        setattr(self, name, function)
        return function


def _by_python(function: Callable[[float], float]) -> Callable[[Any], Any]:
    """A function of one number that NumPy does not have."""

    def computed(x: Any) -> Any:
        try:
            found = function(x)
        except (OverflowError, ValueError):
            found = math.inf if x > 0 else math.nan
        return x.dtype.type(found) if isinstance(x, np.floating) else np.float64(found)

    return computed


def _to_whole(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: int(function(x)) if math.isfinite(x) else x


MATH = Math()
