"""Draw values that a graph already has, new leaves, dims and numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st

from .. import engines
from ..engines.adapter import Array
from ..spec.case import transform, variable
from .graph import Step, Value

Shape = tuple[int, ...]
Call = tuple[tuple[Any, ...], dict[str, Any]]
T = TypeVar("T")

SHAPES: tuple[Shape, ...] = (
    *((3,), (2, 3), (), (1,), (4,), (3, 1), (1, 4), (4, 2), (3, 3), (1, 1)),
    *((2, 3, 4), (2, 1, 3), (1, 3, 2), (4, 1, 1), (2, 2, 1, 3)),
)
GRIDS = (64, 4096)
# Values must stay within these bounds, where float32 is accurate, and where no value is merely the
# rounding error of numbers that cancel.
SIZE, LARGE, SMALL = 512, 1e2, 1e-5


class Drawing:
    """A growing graph, computed by torch. Calling it with arguments returns them as a Call."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.torch = engines.load("torch")
        self.values: list[Value] = []
        self.tensors: dict[Value, Any] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Call:
        return args, kwargs

    def step(self, op: str, arguments: Call) -> list[Value]:
        """Call an op, and return its outputs, or nothing if one of them is out of bounds."""
        args, kwargs = arguments
        given, named = transform(self.tensors.__getitem__, arguments, Value)
        result = self.torch.call(op, *given, **named)
        tensors = result if isinstance(result, tuple) else (result,)
        arrays = [self.torch.numpy(tensor) for tensor in tensors]
        if not all(map(tame, arrays)):
            return []
        step = Step(op, args, kwargs)
        outputs = [
            Value(array, tensor.requires_grad, step, i if isinstance(result, tuple) else None)
            for i, (array, tensor) in enumerate(zip(arrays, tensors, strict=True))
        ]
        self.tensors.update(zip(outputs, tensors, strict=True))
        self.values += outputs
        return outputs

    def leaf(self, array: Array) -> Value:
        live = variable(array)
        value = Value(np.asarray(array), live)
        self.tensors[value] = self.torch.tensor(value.array, requires_grad=live)
        if live:
            self.values.append(value)
        return value

    # Choices. hypothesis prefers the first option, False and the lowest number.

    def choice(self, options: Sequence[T]) -> T:
        return self.draw(st.sampled_from(options))

    def flag(self) -> bool:
        return self.draw(st.booleans())

    def number(self, low: int, high: int) -> float:
        return self.draw(st.integers(4 * low, 4 * high)) / 4

    def whole(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.whole(0, 999))

    def numbers(self, shape: Shape, low: float = -2, high: float = 2) -> Array:
        return numbers(self.rng(), shape, low, high)

    def existing(self, fits: Callable[[Value], bool]) -> Value | None:
        """A value that fits, most often the newest, or None."""
        fitting = [value for value in self.values if fits(value)]
        which = self.whole(0, 9)
        if not fitting or which == 9:
            return None
        return self.choice(fitting) if which > 6 else fitting[-1]

    def tensor(
        self,
        fits: Callable[[Shape], bool] = lambda shape: True,
        *shapes: Shape,
        low: float = -2,
        high: float = 2,
    ) -> Value:
        """A floating value whose shape fits: an existing one, or a leaf with one of the shapes.

        low, high: bounds of the numbers, checked for existing values if they are not the default.
        """
        anything = (low, high) == (-2, 2)

        def good(value: Value) -> bool:
            array = value.array
            within = anything or bool((array > low).all() and (array < high).all())
            return value.floating and fits(array.shape) and within

        known = self.existing(good)
        if known is not None:
            return known
        shape = self.choice([shape for shape in (*shapes, *SHAPES) if fits(shape)])
        return self.leaf(self.numbers(shape, low, high))

    def shaped(self, *shape: int, **bounds: float) -> Value:
        return self.tensor(lambda own: own == shape, shape, **bounds)

    def of_dims(self, low: int, high: int = 9) -> Value:
        return self.tensor(lambda shape: low <= len(shape) <= high)

    def like(self, *values: Value, **bounds: float) -> Value:
        """A floating value that broadcasts with values."""
        shape = values[0].array.shape
        return self.tensor(lambda own: broadcasts(own, *values), shape, **bounds)

    def mask(self, *values: Value) -> Value:
        """A boolean value that broadcasts with values."""
        known = self.existing(
            lambda value: value.array.dtype == np.bool_ and broadcasts(value.array.shape, *values)
        )
        shape = self.choice([shape for shape in SHAPES if broadcasts(shape, *values)])
        return known or self.leaf(self.rng().random(shape) < 0.5)

    def ids(self, shape: Shape, below: int) -> Value:
        return self.leaf(self.rng().integers(0, below, shape))

    def order(self, n: int) -> list[int]:
        return self.draw(st.permutations(range(n)))

    def dim(self, x: Value) -> int:
        n = max(1, x.array.ndim)
        return self.whole(-n, n - 1)

    def dims(self, x: Value) -> tuple[int, ...]:
        """Some of the dims, at least one if there is any."""
        order = self.order(x.array.ndim)
        return tuple(order[: self.whole(1, len(order))]) if order else ()

    def along(self, x: Value) -> int | tuple[int, ...] | None:
        """All dims, one, or some."""
        return self.choice([None, self.dim(x), self.dims(x)])


def numbers(rng: np.random.Generator, shape: Shape, low: float = -2, high: float = 2) -> Array:
    """Distinct numbers between low and high: odd multiples of 1 / 64, if there are enough."""
    for grid in GRIDS:
        every = np.arange(int(low * grid) | 1, high * grid, 2) / grid
        between = every[(every > low) & (every < high)]
        if len(between) >= math.prod(shape):
            break
    return np.asarray(rng.choice(between, shape, replace=False))


def tame(array: Array) -> bool:
    """Whether an array is within the bounds."""
    if not 0 < array.size <= SIZE:
        return False
    if array.dtype.kind != "f":
        return True
    size = np.abs(array[array != 0])
    return bool(array.dtype == np.float64 and ((size > SMALL) & (size < LARGE)).all())


def broadcasts(shape: Shape, *values: Value) -> bool:
    """Whether a shape broadcasts with those of values, to an array within the bounds."""
    try:
        together = np.broadcast_shapes(shape, *(value.array.shape for value in values))
    except ValueError:
        return False
    return math.prod(together) <= SIZE
