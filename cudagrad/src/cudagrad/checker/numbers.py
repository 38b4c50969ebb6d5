"""Numbers as kernels have them: NumPy's scalars, with the types that numba gives to results.

NumPy and numba differ where both operands have less than 64 bits: int32 + int32 is int32 to the
one and int64 to the other. And Python's own numbers are int64 and float64 to numba, whatever they
meet: so they are made NumPy's before a kernel sees them, and x * 0.5 is float64 for x of float32.
Only a variable differs: it has the type of what it holds, not one type for the whole function.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

WIDE: dict[type, type[np.generic]] = {
    **dict.fromkeys((bool, np.bool_, int, np.int8, np.int16, np.int32), np.int64),
    **dict.fromkeys((np.uint8, np.uint16, np.uint32), np.uint64),
    float: np.float64,
}
UNSIGNED = (np.uint8, np.uint16, np.uint32, np.uint64)


def strong(value: Any) -> Any:
    """A number of Python's as NumPy's; anything else, and a bool, as it is."""
    if type(value) is int:
        return np.int64(value) if value < 2**63 else np.uint64(value)
    return np.float64(value) if type(value) is float else value


def arithmetic(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """An operator of two numbers that widens them first."""

    def widened(a: Any, b: Any) -> Any:
        wide = WIDE.get(type(a))
        if wide is not None:
            a = wide(a)
        wide = WIDE.get(type(b))
        if wide is not None:
            b = wide(b)
        return operation(a, b)

    return widened


def bitwise(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """An operator on bits: what is signed, or shifted, decides the type."""

    def on_bits(a: Any, b: Any) -> Any:
        if type(a) is type(b) is np.bool_:
            return operation(a, b)
        a, b = WIDE.get(type(a), type(a))(a), WIDE.get(type(b), type(b))(b)
        if type(a) is not type(b):
            kind = type(a) if operation in SHIFTS else np.int64
            a, b = kind(a), kind(b)
        return operation(a, b)

    return on_bits


SHIFTS = (operator.lshift, operator.rshift)
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": arithmetic(operator.add),
    "Sub": arithmetic(operator.sub),
    "Mult": arithmetic(operator.mul),
    "Div": arithmetic(operator.truediv),
    "FloorDiv": arithmetic(operator.floordiv),
    "Mod": arithmetic(operator.mod),
    "Pow": arithmetic(operator.pow),
    "LShift": bitwise(operator.lshift),
    "RShift": bitwise(operator.rshift),
    "BitAnd": bitwise(operator.and_),
    "BitOr": bitwise(operator.or_),
    "BitXor": bitwise(operator.xor),
}


def power(x: Any, n: int) -> Any:
    """x to the power of a number in the source, in the type of x."""
    x = WIDE.get(type(x), type(x))(x)
    return type(x)(x ** (type(x)(n) if n >= 0 else np.float64(n)))


def negative(x: Any) -> Any:
    return -WIDE.get(type(x), type(x))(x)


def magnitude(x: Any) -> Any:
    wide: Any = WIDE.get(type(x), type(x))
    return abs(wide(x))


def inverted(x: Any) -> Any:
    return ~WIDE.get(type(x), type(x))(x)


# The functions of Python's and of math


def common(*values: Any) -> Callable[[Any], Any]:
    """The type that all values fit into."""
    kinds = {type(value) for value in values}
    return kinds.pop() if len(kinds) == 1 else np.result_type(*kinds).type


def least(*values: Any) -> Any:
    values = values[0] if len(values) == 1 else values
    found = values[0]
    for value in values[1:]:
        found = found if found < value else value
    return common(*values)(found)


def greatest(*values: Any) -> Any:
    values = values[0] if len(values) == 1 else values
    found = values[0]
    for value in values[1:]:
        found = found if found > value else value
    return common(*values)(found)


def numbers(*bounds: Any) -> Iterator[np.int64]:
    return map(np.int64, range(*map(int, bounds)))


def integer(x: Any = 0) -> Any:
    return x if type(x) in UNSIGNED else np.int64(x)


def length(x: Any) -> np.int64:
    return np.int64(len(x))


def rounded(x: Any, digits: Any = None) -> Any:
    return np.int64(np.rint(x)) if digits is None else type(x)(round(float(x), int(digits)))


def numbered(values: Any, start: Any = 0) -> Iterator[tuple[np.int64, Any]]:
    return ((np.int64(i), value) for i, value in enumerate(values, int(start)))


BUILTINS: dict[Any, Any] = {
    abs: magnitude,
    bool: bool,
    enumerate: numbered,
    float: np.float64,
    int: integer,
    len: length,
    max: greatest,
    min: least,
    pow: OPERATORS["Pow"],
    range: numbers,
    round: rounded,
    type: type,
    zip: zip,
}
WHOLE = {"floor", "ceil", "trunc"}  # whose results are integers


@functools.cache
def of_math(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of math, of float32 if all it gets is; as on a GPU, it raises nothing."""
    name = function.__name__
    of_numpy = getattr(np, name, None)

    def computed(*values: Any) -> Any:
        single = all(type(value) is np.float32 for value in values)
        real = np.float32 if single else np.float64
        if isinstance(of_numpy, np.ufunc):
            result = of_numpy(*map(real, values))
            return np.int64(result) if name in WHOLE else result
        try:
            result = function(*map(float, values))
        except OverflowError:
            result = math.inf
        except ValueError:
            result = math.nan
        return result if isinstance(result, bool | tuple) else real(result)

    return computed
