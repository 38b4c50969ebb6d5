"""cuda.libdevice: of NVIDIA's functions of numbers those that C's library has, and simple ones.

Their types are NVIDIA's: a name that ends in f is of float32, and what it is given is converted.
Last bits may differ from those of a GPU, and more of them from the functions that are called fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.typing import signature

from .instructions import of_library, teach

# Of C's library, by how many numbers they take.
OF_ONE = (
    *("acos", "acosh", "asin", "asinh", "atan", "atanh", "cbrt", "ceil", "cos", "cosh", "erf"),
    *("erfc", "exp", "exp2", "expm1", "fabs", "floor", "lgamma", "log", "log10", "log1p", "log2"),
    *("nearbyint", "rint", "round", "sin", "sinh", "sqrt", "tan", "tanh", "tgamma", "trunc"),
)
OF_TWO = (
    *("atan2", "copysign", "fdim", "fmax", "fmin", "fmod", "hypot", "nextafter", "pow"),
    "remainder",
)
FAST = ("cos", "exp", "log", "log10", "log2", "sin", "tan")  # fast_cosf and so on, of float32


def _one(name: str) -> Callable[..., Any]:
    return lambda builder, x: of_library(builder, name, x)


def _two(name: str) -> Callable[..., Any]:
    return lambda builder, x, y: of_library(builder, name, x, y)


def _fused() -> Callable[..., Any]:
    return lambda builder, x, y, z: builder.fma(x, y, z)


def _exp10() -> Callable[..., Any]:
    return lambda builder, x: of_library(builder, "pow", x.type(10), x)


def _reciprocal(root: str = "") -> Callable[..., Any]:
    """One divided by x, or by a root of it."""

    def made(builder, x):
        return builder.fdiv(x.type(1), of_library(builder, root, x) if root else x)

    return made


def _rounded(operation: str) -> Callable[..., Any]:
    """fadd, say, rounded to nearest: on a GPU no part of an fma, as nothing is here."""
    return lambda builder, x, y: getattr(builder, operation)(x, y)


def _saturated(builder, x):
    """x, but at least 0 and at most 1; NaN becomes 0."""
    least, most = x.type(0), x.type(1)
    x = builder.select(builder.fcmp_ordered(">", x, least), x, least)
    return builder.select(builder.fcmp_ordered("<", x, most), x, most)


def _bits(kind: ir.Type) -> Callable[..., Any]:
    return lambda builder, x: builder.bitcast(x, kind)


def _table() -> Iterator[tuple[str, Callable[..., Any], Any, Any]]:
    """A name, what makes the code, the type that it takes, and that of the result."""
    single, double = types.float32, types.float64
    for kind, f, prefix in ((double, "", "d"), (single, "f", "f")):
        for name in OF_ONE:
            yield name + f, _one(name), kind, kind
        for name in OF_TWO:
            yield name + f, _two(name), kind, kind
        yield f"fma{f}", _fused(), kind, kind
        yield f"fma{f}_rn", _fused(), kind, kind
        yield f"exp10{f}", _exp10(), kind, kind
        yield f"rsqrt{f}", _reciprocal("sqrt"), kind, kind
        yield f"rcbrt{f}", _reciprocal("cbrt"), kind, kind
        for name in ("add", "mul", "div"):
            yield f"{prefix}{name}_rn", _rounded(f"f{name}"), kind, kind
        yield f"{prefix}rcp_rn", _reciprocal(), kind, kind
        yield f"{prefix}sqrt_rn", _one("sqrt"), kind, kind
    for name in FAST:
        yield f"fast_{name}f", _one(name), single, single
    yield "fast_exp10f", _exp10(), single, single
    yield "fast_powf", _two("pow"), single, single
    yield "fast_fdividef", _rounded("fdiv"), single, single
    yield "fsub_rn", _rounded("fsub"), single, single
    yield "frsqrt_rn", _reciprocal("sqrt"), single, single
    yield "saturatef", _saturated, single, single
    yield "float_as_int", _bits(ir.IntType(32)), single, types.int32
    yield "int_as_float", _bits(ir.FloatType()), types.int32, single
    yield "double_as_longlong", _bits(ir.IntType(64)), double, types.int64
    yield "longlong_as_double", _bits(ir.DoubleType()), types.int64, double


LIBDEVICE: dict[tuple[str, ...], Callable[..., Any]] = {}  # by the names behind that of cuda
for _name, _code, _kind, _result in _table():
    _code.__name__ = _name
    teach(_code, _code, signature(_result, *[_kind] * (_code.__code__.co_argcount - 1)))
    LIBDEVICE["libdevice", _name] = globals()[_name] = _code
