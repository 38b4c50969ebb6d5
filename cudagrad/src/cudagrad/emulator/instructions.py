"""cuda.popc, cuda.fma and the like, as numba compiles them, with the types of its CUDA target.

Each function here makes the code of an instruction, from LLVM's values; what has been compiled
calls it, by the same name, with numbers. Of the types it may be given, numba takes those that fit a
number best and converts it, as it does on a GPU: fma of float32 and an int64 is one of float64.
"""
# ruff: noqa: ANN201 -- LLVM's builder and values

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.cgutils import get_or_insert_function
from numba.core.errors import TypingError
from numba.core.imputils import lower_builtin
from numba.core.typing import signature
from numba.core.typing.templates import ConcreteTemplate, infer_global
from numba.extending import overload

SIGNED = (types.int8, types.int16, types.int32, types.int64)
INTEGERS = (*SIGNED, types.uint8, types.uint16, types.uint32, types.uint64)
REALS = (types.float32, types.float64)
SELP_TYPES = (
    *(types.float64, types.float32, types.int16, types.uint16),
    *(types.int32, types.uint32, types.int64, types.uint64),
)


def teach(function: Callable[..., Any], generate: Callable[..., Any], *cases: Any) -> None:
    """Teach numba a function: what makes its code, and signatures, the first that fits best."""
    template = type(function.__name__, (ConcreteTemplate,), {"key": function, "cases": cases})
    infer_global(function, types.Function(template))
    lower_builtin(function, *[types.Any] * len(cases[0].args))(
        lambda context, builder, signature, args: generate(builder, *args)
    )


def instruction(*cases: Any) -> Callable[..., Any]:
    """A function that makes code becomes known by its own name."""

    def known(generate: Callable[..., Any]) -> Callable[..., Any]:
        teach(generate, generate, *cases)
        return generate

    return known


def parameters(function: Callable[..., Any]) -> list[str]:
    """What an instruction takes, of the function that makes its code."""
    return list(inspect.signature(function).parameters)[1:]


def of_library(builder, name, *args):
    """A function of C's library for the numbers that are given: cbrt, or cbrtf for float32."""
    kind = args[0].type
    function = ir.FunctionType(kind, [kind] * len(args))
    name = f"{name}f" if kind == ir.FloatType() else name
    return builder.call(get_or_insert_function(builder.module, function, name), args)


def nothing():
    return ir.IntType(8).as_pointer()(None)


# Bits


@instruction(*(signature(kind, kind) for kind in INTEGERS))
def popc(builder, x):
    """How many bits are set."""
    return builder.ctpop(x)


@instruction(*(signature(kind, kind) for kind in INTEGERS))
def clz(builder, x):
    """How many bits are clear above the highest that is set; of 0 all."""
    return builder.ctlz(x, ir.IntType(1)(0))


@instruction(*(signature(types.uint32, kind) for kind in INTEGERS))
def ffs(builder, x):
    """The place of the lowest bit that is set, from 1 on; of 0 it is 0."""
    behind = builder.add(builder.cttz(x, ir.IntType(1)(0)), x.type(1))
    place = builder.select(builder.icmp_unsigned("==", x, x.type(0)), x.type(0), behind)
    word = ir.IntType(32)
    return builder.trunc(place, word) if x.type.width > word.width else builder.zext(place, word)


@instruction(*(signature(kind, kind) for kind in (types.uint32, types.uint64)))
def brev(builder, x):
    """The bits in reverse."""
    return builder.bitreverse(x)


@instruction(
    signature(types.int32, types.int32),
    signature(types.int64, types.int64),
    signature(types.int32, types.float32),
    signature(types.int64, types.float64),
)
def bits(builder, x):
    """What a match compares: -0.0 is not 0.0, and NaN may be the same NaN."""
    width = {ir.FloatType(): 32, ir.DoubleType(): 64}
    return builder.bitcast(x, ir.IntType(width[x.type])) if x.type in width else x


# Numbers


@instruction(*(signature(kind, kind, kind, kind) for kind in REALS))
def fma(builder, a, b, c):
    """a b + c, rounded once."""
    return builder.fma(a, b, c)


@instruction(*(signature(kind, kind) for kind in REALS))
def cbrt(builder, x):
    """The cube root, which negative numbers have, too."""
    return of_library(builder, "cbrt", x)


# math.floor and its like: floats on a GPU, which hold NaN, infinities and large numbers, too.

ROUNDINGS = [signature(kind, kind) for kind in (types.float64, types.float32)]  # of ints the first


@instruction(*ROUNDINGS)
def floor(builder, x):
    """The largest whole number that is not above x."""
    return of_library(builder, "floor", x)


@instruction(*ROUNDINGS)
def ceil(builder, x):
    """The smallest whole number that is not below x."""
    return of_library(builder, "ceil", x)


@instruction(*ROUNDINGS)
def trunc(builder, x):
    """x without what is behind its point."""
    return of_library(builder, "trunc", x)


def power(x, n):
    """x to the power of n, a number in the source that is less than 0.

    For a float numba would raise an error of Python's where x is 0, also when told to raise none.
    """


@overload(power, prefer_literal=True, jit_options={"error_model": "numpy"})
def _power(x, n):
    if not isinstance(n, types.IntegerLiteral):
        return None
    exponent = n.literal_value
    if isinstance(x, types.Float):
        return lambda x, n: type(x)(1) / x**-exponent
    return lambda x, n: x**exponent


# max and min of two numbers: of two floats a GPU has an instruction, which leaves out NaN.


@instruction(*(signature(kind, kind, kind) for kind in REALS))
def fmax(builder, x, y):
    return of_library(builder, "fmax", x, y)


@instruction(*(signature(kind, kind, kind) for kind in REALS))
def fmin(builder, x, y):
    return of_library(builder, "fmin", x, y)


def larger(x, y):
    """max(x, y)"""


def smaller(x, y):
    """min(x, y)"""


@overload(larger)
def _larger(x, y):
    return (lambda x, y: fmax(x, y)) if are_floats("max", x, y) else (lambda x, y: max(x, y))


@overload(smaller)
def _smaller(x, y):
    return (lambda x, y: fmin(x, y)) if are_floats("min", x, y) else (lambda x, y: min(x, y))


def are_floats(name, first, second):
    of_bools = [isinstance(kind, types.Boolean) for kind in (first, second)]
    known = [isinstance(kind, types.Integer | types.Float) for kind in (first, second)]
    if not (all(known) or all(of_bools)):
        raise TypingError(f"{name} is not for {first} and {second}")
    return all(isinstance(kind, types.Float) for kind in (first, second))


WHOLE = {math.floor: floor, math.ceil: ceil, math.trunc: trunc}


@instruction(*(signature(kind, types.boolean, kind, kind) for kind in SELP_TYPES))
def selp(builder, a, b, c):
    """b where a is true, else c; both are evaluated."""
    return builder.select(a, b, c)


# What takes time, or orders memory: not where one thread runs after the other


@instruction(signature(types.none, types.uint32))
def nanosleep(builder, ns):
    return nothing()


@instruction(signature(types.none))
def threadfence(builder):
    return nothing()


@instruction(signature(types.none))
def threadfence_block(builder):
    return nothing()


@instruction(signature(types.none))
def threadfence_system(builder):
    return nothing()


# Of math, what numba knows on a GPU and not on a CPU


def parted(builder, x):
    """The fractional and the integral part of x, each with its sign."""
    whole = of_library(builder, "trunc", x)
    behind = builder.fsub(x, whole)
    behind = builder.select(builder.fcmp_ordered("==", x, whole), x.type(0), behind)  # of inf, too
    pair = ir.ArrayType(x.type, 2)(ir.Undefined)
    pair = builder.insert_value(pair, of_library(builder, "copysign", behind, x), 0)
    return builder.insert_value(pair, whole, 1)


teach(math.modf, parted, *(signature(types.UniTuple(kind, 2), kind) for kind in REALS))
teach(
    math.fmod,
    lambda builder, x, y: builder.frem(x, y),
    *(signature(kind, kind, kind) for kind in REALS),
)
teach(
    math.remainder,
    lambda builder, x, y: of_library(builder, "remainder", x, y),
    *(signature(kind, kind, kind) for kind in REALS),
)
