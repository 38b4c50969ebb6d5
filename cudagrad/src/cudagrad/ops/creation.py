"""New tensors: filled with one number, evenly spaced, or random."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import arrays, random
from ..arguments import Shape, fitting, sizes
from ..arrays import BOOL, INT
from ..dtypes import DEFAULT, as_dtype, is_floating, result_type
from ..engine import Operand, Tensor, require_tensors


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
    return _filled("zeros", size, 0, dtype, DEFAULT, requires_grad)


@_lengths
def ones(size: Shape, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones; size: ints or a tuple, dtype None: float32."""
    return _filled("ones", size, 1, dtype, DEFAULT, requires_grad)


def full(size: Shape, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of one number; dtype None: the number's, which is float32 for a float."""
    number = _number("full", fill_value)
    return _filled("full", size, number, dtype, result_type(number), requires_grad)


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
    if dtype == BOOL:
        raise TypeError("arange: there is no range of booleans")
    if not is_floating(dtype):
        for name, bound in (("start", start), ("end", end), ("step", step)):
            fitting("arange", name, bound, INT)
        start, end, step = int(start), int(end), int(step)
    if step == 0 or not math.isfinite(end - start) or not (end - start) / step >= 0:
        raise ValueError(f"arange: steps of {step} do not lead from {start} to {end}")
    count = math.ceil((end - start) / step)
    numbers = arrays.arange(start, step, count, arrays.reckoned(dtype))
    return Tensor(arrays.cast(numbers, dtype), requires_grad)


@_lengths
def randn(size: Shape, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Standard normal numbers; size: ints or a tuple, dtype None: float32."""
    dtype = _dtype("randn", dtype, DEFAULT)
    if not is_floating(dtype):
        raise TypeError(f"randn: random numbers are floating, not {dtype}")
    return Tensor(random.normal(_shape("randn", size), 0.0, 1.0, dtype), requires_grad)


def zeros_like(x: Operand, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros in the shape of x; dtype None: x's."""
    require_tensors("zeros_like", x)
    return _filled("zeros_like", x.shape, 0, dtype, x.dtype, requires_grad)


def ones_like(x: Operand, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones in the shape of x; dtype None: x's."""
    require_tensors("ones_like", x)
    return _filled("ones_like", x.shape, 1, dtype, x.dtype, requires_grad)


def full_like(
    x: Operand, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """One number in the shape of x; dtype None: x's."""
    require_tensors("full_like", x)
    number = _number("full_like", fill_value)
    return _filled("full_like", x.shape, number, dtype, x.dtype, requires_grad)


def _filled(
    name: str, size: Shape, number: Any, dtype: Any, default: Any, requires_grad: bool
) -> Tensor:
    dtype = _dtype(name, dtype, default, requires_grad)
    fitting(name, "fill_value", number, dtype)
    return Tensor(arrays.full(_shape(name, size), number, dtype), requires_grad)


def _dtype(name: str, dtype: Any, default: Any, requires_grad: bool = False) -> np.dtype[Any]:
    """The dtype of a new tensor, default for None; it must be floating to require a gradient."""
    try:
        found = as_dtype(dtype, default)
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
    if isinstance(value, bool | int | float):
        return value
    if not isinstance(value, Tensor | np.ndarray | np.generic) or value.ndim:
        raise TypeError(f"{name}: expected a number, not {type(value).__name__}")
    return value.item()
