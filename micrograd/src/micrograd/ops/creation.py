"""New tensors: filled with one number, evenly spaced, or random."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

from ..arguments import cast, sizes
from ..lists import Shape, Tensor, is_integer, kind, nest, numbers, tensor
from ..random import generator

Dtype = type[float] | type[int] | type[bool]


def _lengths(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Allow zeros(2, 3) as well as zeros((2, 3))."""
    signature = inspect.signature(function)
    first, *options = signature.parameters.values()

    @functools.wraps(function)
    def made(*size: Any, **named: Any) -> Tensor:
        if not size and "size" not in named:
            raise TypeError(f"{function.__name__}: expected a size")
        return function(*([size] if len(size) > 1 else size), **named)

    several = [first.replace(kind=first.VAR_POSITIONAL), *options]
    vars(made)["__signature__"] = signature.replace(parameters=several)
    return made


@_lengths
def zeros(
    size: int | Sequence[int], *, dtype: Dtype | None = None, requires_grad: bool = False
) -> Tensor:
    """Zeros in the shape size; dtype is one of Python's float, int and bool, and None is float."""
    return _filled("zeros", _shape("zeros", size), 0, dtype or float, requires_grad)


@_lengths
def ones(
    size: int | Sequence[int], *, dtype: Dtype | None = None, requires_grad: bool = False
) -> Tensor:
    """Ones; dtype as in zeros."""
    return _filled("ones", _shape("ones", size), 1, dtype or float, requires_grad)


def full(
    size: int | Sequence[int],
    fill_value: float,
    *,
    dtype: Dtype | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """fill_value, a number, everywhere; dtype None is the number's own."""
    dtype = dtype or kind([fill_value])
    return _filled("full", _shape("full", size), fill_value, dtype, requires_grad)


def arange(
    start: float = 0,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Dtype | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers start, start + step, … before end; arange(5) is arange(0, 5).

    dtype None is int if all three are, else float; for int, the three lose their fractions first.
    Raises ValueError where step is 0 or leads away from end.
    """
    start, end = (0, start) if end is None else (start, end)
    dtype = dtype or (int if is_integer([start, end, step]) else float)
    if dtype is bool:
        raise TypeError("arange: there is no range of booleans")
    start = cast("arange", "start", start, dtype)
    end = cast("arange", "end", end, dtype)
    step = cast("arange", "step", step, dtype)
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ValueError(f"arange: there is no range from {start} to {end}")
    if not (step > 0 and start <= end) and not (step < 0 and start >= end):
        raise ValueError(f"arange: steps of {step} do not lead from {start} to {end}")
    count = math.ceil((end - start) / step)
    found = [start + i * step for i in range(count)]
    return _made("arange", found, (count,), dtype, requires_grad)


@_lengths
def randn(
    size: int | Sequence[int], *, dtype: Dtype | None = None, requires_grad: bool = False
) -> Tensor:
    """Numbers drawn from the normal distribution of mean 0 and variance 1."""
    if dtype not in (None, float):
        raise TypeError(f"randn: dtype must be float, not {dtype!r}")
    shape = _shape("randn", size)
    drawn = [generator.gauss(0.0, 1.0) for _ in range(math.prod(shape))]
    return _made("randn", drawn, shape, float, requires_grad)


def zeros_like(x: Tensor, *, dtype: Dtype | None = None, requires_grad: bool = False) -> Tensor:
    """Zeros in the shape of x; dtype None is x's."""
    shape, own = _like("zeros_like", x)
    return _filled("zeros_like", shape, 0, dtype or own, requires_grad)


def ones_like(x: Tensor, *, dtype: Dtype | None = None, requires_grad: bool = False) -> Tensor:
    """Ones in the shape of x; dtype None is x's."""
    shape, own = _like("ones_like", x)
    return _filled("ones_like", shape, 1, dtype or own, requires_grad)


def full_like(
    x: Tensor, fill_value: float, *, dtype: Dtype | None = None, requires_grad: bool = False
) -> Tensor:
    """fill_value everywhere in the shape of x; dtype None is x's."""
    shape, own = _like("full_like", x)
    return _filled("full_like", shape, fill_value, dtype or own, requires_grad)


def _shape(op: str, size: int | Sequence[int]) -> Shape:
    shape = sizes(op, size)
    if min(shape, default=0) < 0:
        raise ValueError(f"{op}: a length is negative in {size}")
    return shape


def _like(op: str, x: Tensor) -> tuple[Shape, Dtype]:
    """The shape and the dtype of x."""
    if isinstance(x, tuple):
        raise TypeError(f"{op}: expected a tensor, not a tuple: a shape is for {op[:-5]}")
    [(items, shape)] = numbers(op, x)
    return shape, kind(items)


def _filled(op: str, shape: Shape, fill_value: float, dtype: Dtype, requires_grad: bool) -> Tensor:
    found = [cast(op, "fill_value", fill_value, dtype)] * math.prod(shape)
    return _made(op, found, shape, dtype, requires_grad)


def _made(
    op: str, found: Sequence[float], shape: Shape, dtype: Dtype, requires_grad: bool
) -> Tensor:
    """A tensor of the numbers found, which are of dtype."""
    if requires_grad and dtype is not float:
        raise TypeError(f"{op}: only floats can require a gradient, not {dtype.__name__}s")
    nested = nest(found, shape)
    return tensor(nested, requires_grad) if dtype is float else nested
