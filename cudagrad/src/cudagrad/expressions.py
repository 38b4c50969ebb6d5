"""Arrays that are not computed, but known by the expression that would compute them; for fusion.

While a thread's tracer is a Trace, arrays.apply returns Expressions of Expressions instead of
launching. The ops, their pullbacks and the engine's sweep take those for arrays. Asking for a
number, a view, or any kernel but a map raises RefusedError. A Fusion is one kernel that computes
some Expressions.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from . import arrays, launches
from .arrays import Array, Shape, tracing
from .kernels import fused
from .kernels.fused import APART, ONCE, TOGETHER, Chain, Step


class RefusedError(Exception):
    """Something was asked of an Expression that its elements cannot answer one by one."""


class Expression:
    """Takes an array's place: a function of other Expressions, a number, or an operand.

    function: of kernels.functions, None for a number or an operand; number: None but for a number.
    """

    __slots__ = ("dtype", "function", "ndim", "number", "operands", "shape", "size")
    memory = keep = None  # where executors look for an array's lease: there is none

    def __init__(
        self,
        shape: Shape,
        dtype: np.dtype[Any],
        function: Any = None,
        operands: tuple[Expression, ...] = (),
        number: Any = None,
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self.ndim = len(shape)
        self.size = math.prod(shape)
        self.function = function
        self.operands = operands
        self.number = number

    def __getattr__(self, name: str) -> NoReturn:
        raise RefusedError


class Trace:
    """All Expressions of a function, equal ones once, in the order in which they were made.

    operands: of them those that stand for an array; and that array, if it came from elsewhere.
    """

    def __init__(self) -> None:
        self.made: list[Expression] = []
        self.operands: list[tuple[Expression, Array | None]] = []
        self._known: dict[Any, Expression] = {}

    @contextlib.contextmanager
    def tracing(self) -> Iterator[None]:
        """Inside, nothing is launched."""
        token = tracing.tracer.set(self)
        try:
            with launches.recording(self):
                yield
        finally:
            tracing.tracer.reset(token)

    def operand(self, shape: Shape, dtype: np.dtype[Any], array: Array | None = None) -> Expression:
        made = self._new(shape, dtype)
        self.operands.append((made, array))
        return made

    def full(self, shape: Shape, number: np.generic) -> Expression:
        key = shape, number.dtype, number.tobytes()
        return self._once(key, lambda: self._new(shape, number.dtype, number=number))

    def apply(
        self, function: Any, given: Sequence[Any], shape: Shape, dtype: np.dtype[Any]
    ) -> Expression:
        """What arrays.apply returns; an array that is no Expression becomes an operand."""
        operands = tuple([x if isinstance(x, Expression) else self._elsewhere(x) for x in given])
        key = function, *map(id, operands), shape, dtype
        return self._once(key, lambda: self._new(shape, dtype, function, operands))

    def has_made(self, data: Any) -> bool:
        """Whether data is what the function itself computes, and not an array or an argument."""
        return isinstance(data, Expression) and all(data is not made for made, _ in self.operands)

    def _elsewhere(self, array: Array) -> Expression:
        return self._once(id(array), lambda: self.operand(array.shape, array.dtype, array))

    def _once(self, key: Any, make: Callable[[], Expression]) -> Expression:
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = make()
        return found

    def _new(self, *args: Any, **kwargs: Any) -> Expression:
        self.made.append(Expression(*args, **kwargs))
        return self.made[-1]

    def _refuse(self, *_: Any) -> NoReturn:
        raise RefusedError

    # What else may be asked of a launches.Recorder.
    launched = allocating = copying = live = late = refuse = _refuse


class Fusion:
    """A kernel that computes Expressions of one shape; called with arrays, it launches.

    operands: the numbers, among those of the Trace, of the arrays that it reads.
    """

    def __init__(
        self,
        trace: Trace,
        name: str,
        names: Sequence[str],
        shape: Shape,
        results: Sequence[tuple[str, Expression]],
    ) -> None:
        """names: of the Trace's operands."""
        wanted = {id(made) for _, made in results}
        for made in reversed(trace.made):  # in which operands come before what is made of them
            if id(made) in wanted:
                wanted.update(map(id, made.operands))
        self.operands = [k for k, (made, _) in enumerate(trace.operands) if id(made) in wanted]
        read = [trace.operands[k][0] for k in self.operands]
        chosen = [made for made in trace.made if id(made) in wanted]
        numbers = [made for made in chosen if made.number is not None]
        steps = [made for made in chosen if made.function is not None]
        place = {id(made): k for k, made in enumerate((*read, *numbers, *steps))}
        called = fused.distinct([names[k] for k in self.operands] + [own for own, _ in results])
        self.chain = Chain(
            fused.distinct([name])[0],
            called[: len(read)],
            len(numbers),
            tuple(
                Step(made.function, tuple(place[id(x)] for x in made.operands), made.dtype)
                for made in steps
            ),
            tuple(zip(called[len(read) :], (place[id(x)] for _, x in results), strict=True)),
        )
        self.shape = shape
        self.numbers = [made.number for made in numbers]
        self.dtypes = [made.dtype for _, made in results]
        self.ways = _ways(shape, read, self.dtypes)
        self.threads = math.prod(shape) // (4 if self.ways else 1)

    @functools.cached_property
    def kernel(self) -> Any:
        return fused.kernel(self.chain, self.ways)

    @property
    def source(self) -> str:
        return fused.source(self.chain, self.ways)

    def __call__(self, operands: Mapping[int, Array]) -> list[Array]:
        """The results, from the arrays that the Trace's operands stand for."""
        args: list[Any] = []
        for k in self.operands:
            args += arrays.repeated(operands[k], self.shape)
        out = [arrays.empty(self.shape, dtype) for dtype in self.dtypes]
        arrays.launch(self.kernel, self.threads, *args, *self.numbers, *map(arrays.flat, out))
        return out


def _ways(
    shape: Shape, operands: Sequence[Expression], results: Sequence[np.dtype[Any]]
) -> tuple[str, ...]:
    """How four neighbours of each are read, and written; () if for some there is no such way."""
    if math.prod(shape) % 4:
        return ()
    ways = []
    for x in operands:
        inner = arrays.stillness(x.shape, shape)
        if inner is None or (x.size % 4 == 0 and inner == 1):  # if None, x will be expanded
            ways.append(_of_four(x.dtype))
        elif x.size == 1 or inner % 4 == 0:
            ways.append(ONCE)
        else:
            return ()
    return (*ways, *map(_of_four, results))


def _of_four(dtype: np.dtype[Any]) -> str:
    """Together, if four numbers are 64 bits, 128, or twice as many."""
    return TOGETHER if dtype.itemsize in (2, 4, 8) else APART
