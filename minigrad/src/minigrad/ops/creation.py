"""New tensors: filled with one number, evenly spaced, or random."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import NUMBERS, Shape, fitting, sizes
from ..dtypes import DEFAULT, as_array, is_floating, result_type
from ..engine import Operand, Tensor, require_tensors, unwrap
from ..random import draw


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
def zeros(size: Shape, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros; size: ints or a tuple, dtype None: float32."""
    return _filled("zeros", _shape("zeros", size), 0.0, dtype, requires_grad)


@_lengths
def ones(size: Shape, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones; size: ints or a tuple, dtype None: float32."""
    return _filled("ones", _shape("ones", size), 1.0, dtype, requires_grad)


def full(size: Shape, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of one number; dtype None: the number's, which is float32 for a float."""
    return _filled("full", _shape("full", size), fill_value, dtype, requires_grad)


def arange(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, start + 2 step … as long as end is not reached; arange(n) starts at 0.

    dtype None: int64 if all three are integers, else float32. If dtype is of integers, the three
    lose their fractions first.
    """
    if end is None:
        start, end = 0, start
    start, end, step = (_number("arange", value) for value in (start, end, step))
    dtype = _dtype("arange", dtype, result_type(start, end, step), requires_grad)
    if dtype == np.bool_:
        raise TypeError("arange: there is no range of booleans")
    if not is_floating(dtype):
        bounds = (("start", start), ("end", end), ("step", step))
        start, end, step = (fitting("arange", *bound, np.dtype(int)).item() for bound in bounds)
    if step == 0 or not math.isfinite(end - start) or not (end - start) / step >= 0:
        raise ValueError(f"arange: steps of {step} do not lead from {start} to {end}")
    numbers = np.arange(math.ceil((end - start) / step))
    numbers = numbers if step == 1 else numbers * step  # a pass costs as much as arange
    numbers = numbers if start == 0 else numbers + start
    return Tensor(numbers, dtype, requires_grad)


@_lengths
def randn(size: Shape, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Standard normal numbers; size: ints or a tuple, dtype None: float32."""
    dtype = _dtype("randn", dtype, DEFAULT)
    if not is_floating(dtype):
        raise TypeError(f"randn: random numbers are floating, not {dtype}")
    numbers = np.asarray(draw("standard_normal", _shape("randn", size)))
    return Tensor(numbers.astype(dtype), requires_grad=requires_grad)


def zeros_like(x: Operand, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros in the shape of x; dtype None: x's."""
    return _filled_like("zeros_like", x, 0, dtype, requires_grad)


def ones_like(x: Operand, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones in the shape of x; dtype None: x's."""
    return _filled_like("ones_like", x, 1, dtype, requires_grad)


def full_like(
    x: Operand, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """One number in the shape of x; dtype None: x's."""
    return _filled_like("full_like", x, fill_value, dtype, requires_grad)


def _filled_like(name: str, x: Any, value: Any, dtype: Any, requires_grad: bool) -> Tensor:
    require_tensors(name, x)
    x = unwrap(x)
    return _filled(name, x.shape, value, x.dtype if dtype is None else dtype, requires_grad)


def _filled(
    name: str, shape: tuple[int, ...], value: Any, dtype: Any, requires_grad: bool
) -> Tensor:
    value = _number(name, value)
    dtype = _dtype(name, dtype, result_type(value), requires_grad)
    number = fitting(name, "fill_value", value, dtype)
    return Tensor(np.full(shape, number), requires_grad=requires_grad)


def _dtype(name: str, dtype: Any, default: Any, requires_grad: bool = False) -> np.dtype[Any]:
    """The dtype of a new tensor, default for None; it must be floating to require a gradient."""
    try:
        found = np.dtype(default) if dtype is None else as_array((), dtype).dtype
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    if requires_grad and not is_floating(found):
        raise TypeError(f"{name}: only floating tensors can require a gradient, not {found}")
    return found


def _shape(name: str, size: Shape) -> tuple[int, ...]:
    shape = sizes(name, size)
    if min(shape, default=0) < 0:
        raise ValueError(f"{name}: a length is negative in {shape}")
    return shape


def _number(name: str, value: Any) -> Any:
    """value, a number or a tensor of one, as a Python number."""
    value = unwrap(value)
    if not isinstance(value, (*NUMBERS, np.ndarray)) or np.ndim(value):
        raise TypeError(f"{name}: expected a number, not {type(value).__name__}")
    return value.item() if isinstance(value, np.ndarray | np.generic) else value
