"""What numba knows on a CPU and not on a GPU: the emulator and the checker refuse it, too.

Of names that can be told as they stand. The rest hangs on types: a pass of numba's compiler looks
at the typed statements of every kernel and device function. A kernel of numba's CUDA target has no
memory to make a new array in, so `x + y` of arrays is refused, and every method that returns one.
"""

from __future__ import annotations

import linecache
import math
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numba
import numpy as np
from numba.core import ir, types
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.typed_passes import NopythonTypeInference
from numba.np.numpy_support import as_dtype

from . import atomics
from .runtime import OPTIONS

# The ufuncs that numba-cuda compiles; of the others `math` has the most usual ones.
UFUNCS = frozenset(
    (
        *("arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "bitwise_and"),
        *("bitwise_or", "bitwise_xor", "conjugate", "cos", "cosh", "deg2rad", "degrees", "divide"),
        *("equal", "fmax", "fmin", "greater", "greater_equal", "hypot", "invert", "isnan"),
        *("left_shift", "less", "less_equal", "log", "log10", "log2", "logical_and"),
        *("logical_not", "logical_or", "logical_xor", "maximum", "minimum", "not_equal"),
        *("rad2deg", "radians", "right_shift", "sin", "sinh", "tan", "tanh"),
    )
)
ABOUT_ARRAYS = frozenset(
    (
        *("T", "ctypes", "dtype", "flat", "itemsize", "nbytes"),
        *("ndim", "real", "shape", "size", "strides"),
    )
)
VIEWS = frozenset(("reshape", "transpose", "view"))
REDUCTIONS = frozenset(
    ("all", "any", "argmax", "argmin", "item", "mean", "prod", "std", "sum", "var")
)
ATTRIBUTES = ABOUT_ARRAYS | VIEWS | REDUCTIONS | {"fill"}
# What atomics change: by their names, and all others any number of 32 or 64 bits.
UNSIGNED = ("uint32", "uint64")
INTEGERS = ("int32", "int64", *UNSIGNED)
NUMBERS = ("float32", "float64", *INTEGERS)
CHANGED = {
    **dict.fromkeys(("and_", "or_", "xor", "exch", "cas", "compare_and_swap"), INTEGERS),
    **dict.fromkeys(("inc", "dec"), UNSIGNED),
}


def unknown(value: Any) -> str:
    """Why numba's CUDA target does not take a function that the CPU's takes; "" if it does."""
    if value is math.gcd:
        return "numba knows math.gcd only on a CPU"
    if not isinstance(value, np.ufunc) or value.__name__ in UFUNCS:
        return ""
    name = {"absolute": "abs", "power": "pow", "fabs": "fabs"}.get(value.__name__, value.__name__)
    instead = f"; math.{name} is for kernels" if hasattr(math, name) else ""
    instead = "; abs(x) is for kernels" if name == "abs" else instead
    return f"numba knows np.{value.__name__} only on a CPU{instead}"


def misplaced(name: str, dtype: np.dtype[Any]) -> str:
    """Why an atomic cannot change elements of a dtype; "" if it can."""
    known = CHANGED.get(name, NUMBERS)
    return "" if dtype.name in known else f"atomic.{name} is for {', '.join(known)}, not {dtype}"


def not_for_arrays(dtype: Any, alignment: int = 8) -> str:
    """Why cuda.shared.array and cuda.local.array do not take these; "" if they do."""
    if dtype in (bool, complex, float, int):
        return f"{dtype.__name__} is no dtype to numba: say np.float32, say, or np.int64"
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        return f"an alignment is a power of two, not {alignment}"
    return ""


class Refused(Exception):  # noqa: N818 -- becomes an UnsupportedError, when it is known of what
    """A statement that numba's CUDA target refuses. origin: its function, and its line there."""

    def __init__(self, origin: str, why: str) -> None:
        super().__init__(why)
        self.origin = origin
        self.why = why


@register_pass(mutates_CFG=False, analysis_only=True)
class Refuse(FunctionPass):
    """Looks at a function whose types are known."""

    _name = "cudagrad_refuse"

    def __init__(self) -> None:
        pass  # numba's is abstract

    def run_pass(self, state: Any) -> bool:
        for block in state.func_ir.blocks.values():
            for statement in block.body:
                for why in reasons(statement, state.typemap):
                    refuse(statement, why)
        return False


def refuse(statement: ir.Stmt, why: str) -> NoReturn:
    line = linecache.getline(statement.loc.filename, statement.loc.line)
    raise Refused(line.rpartition("  # ")[2].strip(), why)  # as module.annotated has noted it


def reasons(statement: ir.Stmt, types_of: Any) -> Iterator[str]:
    """Why a statement is refused."""

    def kind(part: Any) -> Any:
        return types_of.get(getattr(part, "name", ""))

    if isinstance(statement, ir.SetItem | ir.StaticSetItem):
        if isinstance(kind(statement.value), types.Array):
            yield "an array is assigned element by element"
        if isinstance(statement, ir.SetItem) and is_mask(kind(statement.index)):
            yield "an index cannot be an array of bools"
        return
    if not isinstance(statement, ir.Assign) or not isinstance(statement.value, ir.Expr):
        return
    made, result = statement.value, kind(statement.target)
    is_new = isinstance(result, types.Array)
    match made.op:
        case "binop" | "inplace_binop" | "unary" if is_new:
            yield "arithmetic is for the elements of arrays, not for whole ones"
        case "getattr" if isinstance(kind(made.value), types.Array):
            if made.attr not in ATTRIBUTES:
                yield f"numba knows no .{made.attr} of arrays on a GPU"
        case "getitem":
            if isinstance(kind(made.index), types.Array):
                yield "an index cannot be an array"
        case "call":
            yield from reasons_of_call(made, kind, is_new)


def reasons_of_call(made: ir.Expr, kind: Callable[[Any], Any], is_new: bool) -> Iterator[str]:
    function = kind(made.func)
    if isinstance(function, types.BoundFunction) and is_new:
        name = function.typing_key[len("array.") :] if isinstance(function.typing_key, str) else ""
        if isinstance(function.this, types.Array) and name not in VIEWS:
            yield f".{name} makes a new array, for which a kernel has no memory"
    elif is_new and isinstance(getattr(function, "typing_key", None), np.ufunc):
        yield f"np.{function.typing_key.__name__} is for the elements of arrays, not for whole ones"
    elif isinstance(function, types.Dispatcher):
        python = function.dispatcher.py_func
        if python.__module__ == atomics.__name__:
            array = kind(made.args[0])
            if isinstance(array, types.Array):
                yield from filter(None, [misplaced(python.__name__, as_dtype(array.dtype))])


def is_mask(kind: Any) -> bool:
    return isinstance(kind, types.Array) and isinstance(kind.dtype, types.Boolean)


class Looking(CompilerBase):
    """numba's compiler, with that pass in it."""

    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(Refuse, NopythonTypeInference)
        passes.finalize()
        return [passes]


compiled = numba.njit(**OPTIONS, pipeline_class=Looking)
slicing = numba.njit(**OPTIONS | {"boundscheck": True}, pipeline_class=Looking)
