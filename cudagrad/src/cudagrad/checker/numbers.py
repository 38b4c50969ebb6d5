"""Numbers as kernels have them: NumPy's scalars, with the types that numba gives to results.

NumPy and numba differ: int32 + int32 is int32 in NumPy and int64 in numba. And to numba Python's
numbers are int64 and float64, whatever they meet, so they are converted to NumPy's before a kernel
sees them; x * 0.5 is then float64 for x of float32. numba itself is asked for the type of each
operation's result, once for each combination of types. One difference remains: a variable has the
type of the value that it holds, not one type for the whole function.
"""

from __future__ import annotations

import contextlib
import functools
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.core.errors import NumbaNotImplementedError, TypingError
from numba.core.registry import cpu_target
from numba.np.numpy_support import as_dtype, from_dtype

from ..emulator import instructions, runtime

PLAIN = (np.float32, np.float64, np.int64)  # two of the same type meet as they are


def strong(value: Any) -> Any:
    """A number of Python's as NumPy's; anything else, and a bool, as it is."""
    if type(value) is int:
        return np.int64(value) if value < 2**63 else np.uint64(value)
    if type(value) is float:
        return np.float64(value)
    return np.complex128(value) if type(value) is complex else value


def kind_of(value: Any) -> str:
    """The dtype of a number; of anything else its type."""
    is_number = isinstance(value, bool | np.generic)
    return np.dtype(type(value)).name if is_number else type(value).__name__


def types_of(kinds: Sequence[type]) -> tuple[Any, ...]:
    return tuple(from_dtype(np.dtype(kind)) for kind in kinds)


@functools.cache
def is_known(dtype: np.dtype[Any]) -> bool:
    """Whether numba has arrays of a dtype: not of objects, nor in another machine's byte order."""
    with contextlib.suppress(NumbaNotImplementedError):
        return from_dtype(dtype) is not types.pyobject
    return False


@functools.cache
def common(*kinds: type) -> Any:
    """The type of a variable that holds one of these."""
    return as_dtype(cpu_target.typing_context.unify_types(*types_of(kinds))).type


def signature(function: Callable[..., Any], *kinds: type) -> Any:
    """numba's, of a function for arguments of these types; raises TypeError if there is none."""
    cpu_target.typing_context.refresh()
    try:
        found = cpu_target.typing_context.resolve_function_type(function, types_of(kinds), {})
    except TypingError:
        found = None
    if found is None:
        names = ", ".join(kind.__name__ for kind in kinds)
        whole = ": a kernel goes over elements one by one" if "Array" in names else ""
        raise TypeError(f"{function.__name__} is not for {names}{whole}")
    return found


@functools.cache
def typed(function: Callable[..., Any], *kinds: type) -> tuple[list[Any], Any]:
    """The types to which numba converts arguments of these types, and the result's.

    For a result that is a tuple, what converts each of its parts. Raises TypeError if the function
    does not take these types.
    """
    found = signature(function, *kinds)
    made = found.return_type
    result = tuple_of(made) if isinstance(made, types.BaseTuple) else as_dtype(made).type
    return [as_dtype(kind).type for kind in found.args], result


def tuple_of(kinds: Iterable[Any]) -> Callable[[Iterable[Any]], tuple[Any, ...]]:
    """A function that converts a tuple of numbers to these types, one by one."""
    parts = [as_dtype(kind).type for kind in kinds]
    return lambda made: tuple(kind(part) for kind, part in zip(parts, made, strict=True))


def as_numba(function: Callable[..., Any], compute: Callable[..., Any]) -> Callable[..., Any]:
    """compute, with the types that numba's function has."""

    def computed(*values: Any) -> Any:
        kinds, result = typed(function, *map(type, values))
        return result(compute(*[kind(value) for kind, value in zip(kinds, values, strict=True)]))

    return computed


@functools.cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that numba knows, in machine code, with its types.

    NumPy's and Python's may round otherwise: np.sin of an int8 is a float16 there.
    """
    known = instructions.WHOLE.get(function, function)

    @numba.njit
    def called(*values: Any) -> Any:
        return known(*values)

    return as_numba(known, called)


def binary(
    operation: Callable[[Any, Any], Any], compute: Callable[[Any, Any], Any] | None = None
) -> Callable[[Any, Any], Any]:
    """An operator of two numbers; compute: what it does, if NumPy's is not alike."""
    compute = compute or operation
    as_they_are = (np.int64,) if operation in OF_BITS.values() else PLAIN

    @functools.cache
    def kinds_of(*kinds: Any) -> Any:
        """What a and b become before they meet, and what they become then."""
        given, result = typed(operation, *kinds)
        if np.result_type(*kinds) == result:
            return (*kinds, result)
        return (result, result, result) if issubclass(result, np.integer) else (*given, result)

    def operated(a: Any, b: Any) -> Any:
        kind: Any = type(a)
        if kind is tuple and type(b) is tuple:
            return operation(a, b)  # + alone; NumPy's numbers know no other
        other: Any = type(b)
        if kind is other and kind in as_they_are:
            return compute(a, b)
        first, second, result = kinds_of(kind, other)
        made = compute(a if kind is first else first(a), b if other is second else second(b))
        return made if type(made) is result else result(made)

    return operated


def raised(x: Any, n: Any) -> Any:
    """x to the power of n; of integers, where n is negative, 1 divided by a power, without a rest.

    For 0 numba has the least integer then.
    """
    if n < 0 and isinstance(n, np.integer) and not isinstance(x, np.inexact):
        return np.int64({0: -(2**63), 1: 1, -1: -1 if n % 2 else 1}.get(int(x), 0))
    return x**n


OF_BITS = {
    "LShift": operator.lshift,
    "RShift": operator.rshift,
    "BitAnd": operator.and_,
    "BitOr": operator.or_,
    "BitXor": operator.xor,
}
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": binary(operator.add),
    "Sub": binary(operator.sub),
    "Mult": binary(operator.mul),
    "Div": binary(operator.truediv),
    "FloorDiv": binary(operator.floordiv),
    "Mod": binary(operator.mod),
    "Pow": binary(operator.pow, raised),
    **{name: binary(operation) for name, operation in OF_BITS.items()},
}
negative = as_numba(operator.neg, lambda x: -int(x) if isinstance(x, np.bool_) else -x)
inverted = as_numba(operator.invert, operator.invert)


# Arrays as a whole


@functools.cache
def _reduction(name: str) -> Any:
    """A method that makes a number of an array, compiled: it adds in numba's order."""
    namespace: dict[str, Any] = {}
    exec(f"def reduced(array):\n    return array.{name}()", namespace)
    return numba.njit(error_model="numpy")(namespace["reduced"])


def reduced(name: str, memory: np.ndarray[Any, Any]) -> Any:
    """array.sum(), say, of the type that it has there."""
    function = _reduction(name)
    value, kind = function(memory), (numba.typeof(memory),)
    return as_dtype(function.overloads[kind].signature.return_type).type(value)


# The functions of Python's


def extreme(
    extreme_of: Callable[..., Any], of_floats: Callable[[Any, Any], Any]
) -> Callable[..., Any]:
    """min or max; of two floats a GPU has an instruction, which leaves out NaN."""

    def found(*values: Any) -> Any:
        if len(values) == 2 and all(isinstance(value, np.floating) for value in values):
            return of_floats(*values)
        values = values[0] if len(values) == 1 else values
        of_bools = [isinstance(value, bool | np.bool_) for value in values]
        known = [isinstance(value, np.integer | np.floating) for value in values]
        if not (all(known) or of_bools == [True, True]):
            kinds = " and ".join(map(kind_of, values))
            raise TypeError(f"{extreme_of.__name__} is not for {kinds}")
        return common(*map(type, values))(extreme_of(values))

    return found


@functools.cache
def _counter(*kinds: type) -> Any:
    """The type of the numbers in a range between numbers of these types."""
    return as_dtype(signature(range, *kinds).return_type.dtype).type


def numbas_range(*bounds: Any) -> Iterator[Any]:
    return map(_counter(*map(type, bounds)), range(*map(int, bounds)))


def int64_len(x: Any) -> np.int64:
    return np.int64(len(x))


def rounded(x: Any, digits: Any = None) -> Any:
    return np.rint(x) if digits is None else runtime.rounded.py_func(x, int(digits))


def int64_enumerate(values: Any, start: Any = 0) -> Iterator[tuple[np.int64, Any]]:
    return ((np.int64(i), value) for i, value in enumerate(values, int(start)))


BUILTINS: dict[Any, Any] = {
    abs: as_numba(abs, abs),
    bool: bool,
    complex: as_numba(complex, complex),
    divmod: as_numba(divmod, divmod),
    enumerate: int64_enumerate,
    float: as_numba(float, lambda x: x),
    int: as_numba(int, np.trunc),
    len: int64_len,
    max: extreme(max, np.fmax),
    min: extreme(min, np.fmin),
    pow: OPERATORS["Pow"],
    math.pow: as_numba(math.pow, operator.pow),  # compiled it refuses 0 to the power of -1
    range: numbas_range,
    round: as_numba(round, rounded),
    type: type,
    zip: zip,
}
