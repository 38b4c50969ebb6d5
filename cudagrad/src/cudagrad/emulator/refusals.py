"""What numba compiles for a CPU but numba-cuda refuses; so do the emulator and the checker.

Each why_no_… function says in words why something is refused, or returns "" if it is not. Names
alone decide some of it. The rest depends on types: a pass of numba's compiler looks at the typed
statements of every kernel and device function. A kernel on a GPU has no memory for a new array, so
`x + y` of arrays is refused, and every method that returns one.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import numba
import numpy as np
from numba.core import ir, types
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.errors import TypingError
from numba.core.registry import cpu_target
from numba.core.typed_passes import NoPythonSupportedFeatureValidation, NopythonTypeInference
from numba.np.numpy_support import as_dtype

from . import atomics, instructions, printing, runtime, warps
from .library import Compiler
from .runtime import OPTIONS
from .source import DeviceFunction

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
# What each atomic can change; those not named, any number of 32 or 64 bits.
UNSIGNED = ("uint32", "uint64")
INTEGERS = ("int32", "int64", *UNSIGNED)
NUMBERS = ("float32", "float64", *INTEGERS)
ATOMIC_DTYPES = {
    **dict.fromkeys(("and_", "or_", "xor", "exch", "cas", "compare_and_swap"), INTEGERS),
    **dict.fromkeys(("inc", "dec"), UNSIGNED),
}
ONE_AXIS = "the index of an atomic in an array with one axis is a number, not a tuple"
SHUFFLE_DTYPES = ("int32", "int64", "float32", "float64")
SELP_DTYPES = tuple(kind.name for kind in instructions.SELP_TYPES)
MISSING_DTYPES = (np.float16, np.longdouble, np.clongdouble)  # numba has none of them on a CPU
MOST_CONSTANT = 64 * 1024  # bytes of an array from around a kernel
NO_RECORDS = "the emulator has no records: use an array for each field"
NO_TARGET = "cannot be assigned in a kernel"
BY_ELEMENTS = "an array is assigned element by element"
CONSTANT = "is a constant of the kernel: write into an array that it is given"
# An error ends the thread, and the host hears of it only from kernels compiled for debugging.
UNHEARD = "a GPU ends the thread and tells nobody; write into an array what went wrong"
OUTSIDE = "define the function outside of them, with jit(device=True)"
STATEMENTS: dict[type[ast.AST], str] = {
    ast.Assert: f"assert is not for kernels: {UNHEARD}",
    ast.Raise: f"raise is not for kernels: {UNHEARD}",
    ast.JoinedStr: "an f-string is not for kernels: print takes texts and numbers as they are",
    ast.ListComp: "a list comprehension is not for kernels: they have no lists",
    ast.FunctionDef: f"a def is not for kernels: {OUTSIDE}",
    ast.Lambda: f"a lambda is not for kernels: {OUTSIDE}",
    ast.NamedExpr: ":= is not for kernels: assign in a statement of its own",
    ast.Delete: "del is not for kernels",
    ast.GeneratorExp: "a generator expression is not for kernels: write a loop",
}


def not_for_kernels(node: ast.AST) -> str:
    """Why there is no such piece of Python in a kernel."""
    default = f"{type(node).__name__.lower()} is not for kernels"
    return STATEMENTS.get(type(node), default)


def unusable(name: str, value: Any) -> str:
    """Why kernels cannot have a value from around them, which is of none of the kinds they can."""
    if value is print:
        return "print is a statement of its own"
    if isinstance(value, DeviceFunction):
        return f"a kernel can only call {name}, a device function"
    if inspect.isfunction(value):
        return f"a kernel cannot call {name}, a plain function: decorate it with jit(device=True)"
    return f"a kernel cannot use {name}, a {type(value).__name__}"


def why_no_value(value: Any) -> str:
    """Why a kernel cannot have a number, a function or an array that it names."""
    if type(value) is int and not -(2**63) <= value < 2**64:
        return f"{value} does not fit into 64 bits"
    if isinstance(value, np.ndarray):
        return why_no_constant(value)
    if value is math.gcd:
        return "numba knows math.gcd only on a CPU"
    if getattr(value, "__module__", "") == "math" and not is_known(value):
        return f"numba knows no math.{value.__name__}"
    if not isinstance(value, np.ufunc) or value.__name__ in UFUNCS:
        return ""
    name = {"absolute": "abs", "power": "pow", "fabs": "fabs"}.get(value.__name__, value.__name__)
    instead = f"; math.{name} is for kernels" if hasattr(math, name) else ""
    instead = "; abs(x) is for kernels" if name == "abs" else instead
    return f"numba knows np.{value.__name__} only on a CPU{instead}"


def is_known(function: Any) -> bool:
    """Whether numba knows a function of math."""
    cpu_target.typing_context.refresh()
    try:
        return cpu_target.typing_context.resolve_value_type(function) is not None
    except ValueError:
        return False


def why_no_operator(operator: ast.operator) -> str:
    """Why a kernel cannot have an operator between two numbers or arrays."""
    is_product = isinstance(operator, ast.MatMult)
    return "@ multiplies whole arrays, which is not for kernels" if is_product else ""


def why_no_atomic(name: str, dtype: np.dtype[Any]) -> str:
    """Why the atomic of a name cannot change elements of a dtype."""
    known = ATOMIC_DTYPES.get(name, NUMBERS)
    return "" if dtype.name in known else f"atomic.{name} is for {', '.join(known)}, not {dtype}"


def why_no_shuffle(dtype: str) -> str:
    """Why a shuffle does not take a value of a dtype."""
    if dtype in SHUFFLE_DTYPES:
        return ""
    near = "np.int64" if dtype == "uint64" else "np.int32"
    return f"a shuffle is for {', '.join(SHUFFLE_DTYPES)}, not {dtype}: say {near}(…)"


def why_no_lane(dtype: str) -> str:
    """Why a number of a dtype cannot be the lane of a shuffle."""
    return "" if dtype in INTEGERS else f"a lane is an int32, say, not {dtype}: say np.int32(…)"


def why_no_mask(dtype: str) -> str:
    """Why a number of a dtype cannot be a mask of lanes."""
    return "" if dtype in INTEGERS else f"a mask of lanes is an int64, say, not {dtype}"


def why_no_hint(dtype: str, axes: int, index: Sequence[str]) -> str:
    """Why an element of an array of this dtype, and so many axes, has no load with a cache hint.

    index: the dtypes of its parts. Stores are alike.
    """
    if dtype == "bool":
        return "a hint for the cache is for integers and floats, not bool"
    if len(index) != axes:
        return f"a hint for the cache is for one element: of {axes} indices, not {len(index)}"
    if len(set(index)) > 1:
        return f"a hint for the cache takes indices of the same type, not {' and '.join(index)}"
    return ""


def why_no_ffs(dtype: str) -> str:
    """Why cuda.ffs does not take a number of a dtype."""
    return "" if dtype in INTEGERS else f"cuda.ffs is for {', '.join(INTEGERS)}, not {dtype}"


def why_no_selp(test: str, first: str, second: str) -> str:
    """Why cuda.selp(test, first, second) does not take these dtypes."""
    if test != "bool":
        return f"cuda.selp chooses by a bool, not {test}: say x != 0"
    if first != second:
        return f"cuda.selp chooses between two of the same type, not {first} and {second}"
    known = ", ".join(sorted(SELP_DTYPES))
    return "" if first in SELP_DTYPES else f"cuda.selp chooses between two {known}, not {first}"


def why_no_vote(dtype: str) -> str:
    """Why the threads of a warp cannot vote by values of a dtype."""
    known = "int" in dtype or dtype == "bool"
    return "" if known else f"a warp votes by integers and bools, not {dtype}: say x != 0"


def why_no_vote_of_block(dtype: str) -> str:
    """Why the threads of a block cannot."""
    return "" if "int" in dtype else f"a block votes by integers, not {dtype}: say int(x > 0)"


def why_no_index(dtype: str) -> str:
    """Why a number of a dtype cannot be an index."""
    return "" if "int" in dtype else f"an index is an integer, not {dtype}: say int(…)"


def why_no_constant(array: np.ndarray[Any, Any]) -> str:
    """Why an array from around a kernel cannot be a constant of it."""
    if array.dtype.kind not in "biufc":
        return f"a constant array is one of numbers, not of {array.dtype}"
    if array.nbytes > MOST_CONSTANT:
        most = f"{MOST_CONSTANT} bytes at most, not {array.nbytes}"
        return f"a constant array has {most}: give it to the kernel as an argument"
    return ""


HINTED = (runtime.load_hinted.py_func, runtime.store_hinted.py_func)
# Of functions of warps, and of instructions: what looks at the dtypes of their arguments.
ARGUMENT_CHECKS: dict[str, Callable[..., str]] = {
    **{"give": why_no_shuffle, "vote": why_no_vote, "vote_of_block": why_no_vote_of_block},
    "wait_for": why_no_mask,
    **{"ffs": why_no_ffs, "selp": why_no_selp},
}


def why_no_dtype(kind: Any) -> str:
    """Why the emulator has no numbers of one of NumPy's types."""
    if kind is np.void:
        return NO_RECORDS
    if not any(kind is other for other in MISSING_DTYPES):
        return ""
    return (
        f"the emulator has no {np.dtype(kind)}: it has bools, integers, float32, float64, "
        "complex64, complex128, and bfloat16 as its bits, in uint16"
    )


def why_no_array(dtype: Any, alignment: int = 8) -> str:
    """Why cuda.shared.array and cuda.local.array do not take a dtype and an alignment."""
    if any(dtype is kind for kind in (bool, complex, float, int)):
        return f"{dtype.__name__} is no dtype to numba: say np.float32 or np.int64"
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        return f"an alignment is a power of two, not {alignment}"
    if alignment < 8:
        return f"an alignment is a multiple of 8, the size of a pointer, not {alignment}"
    return ""


class Refused(Exception):  # noqa: N818 -- launch makes an UnsupportedError of it
    """A statement that numba's CUDA target refuses. origin: its function, and its line there."""

    def __init__(self, origin: str, why: str) -> None:
        super().__init__(why)
        self.origin = origin
        self.why = why


def untyped(error: TypingError) -> Refused | None:
    """numba's complaint about the types in a statement, in one sentence; None for any other.

    What it says of the statement comes first, before what it says of all that calls it.
    """
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # colours
    origin = re.search(r"  # (\w+, line \d+)\n *\^", text)
    why = re.search(r"raised a specific error:\s*\w+: (.*)", text)
    missing = re.search(r">>> (.*)", text)
    other = re.search(r"^(?!Failed in )(\S.*)$", text, re.MULTILINE)
    found = why or missing or other
    if origin is None or found is None:
        return None
    said = f"numba knows no {found[1]}" if found is missing else found[1][0].lower() + found[1][1:]
    # Not Literal[int](2) for a type, x.2 for a variable, and its place in the rewritten kernel.
    for odd, plain in ((r"Literal\[(\w+)\]\([^)]*\)", r"\1"), (r"'(\w+)\.\d+', .*", r"\1")):
        said = re.sub(odd, plain, said)
    return Refused(origin[1], said)


@register_pass(mutates_CFG=False, analysis_only=True)
class Refuse(FunctionPass):
    """Refuses statements of a function whose types have been inferred."""

    _name = "cudagrad_refuse"

    def __init__(self) -> None:
        pass  # numba's is abstract

    def run_pass(self, state: Any) -> bool:
        for block in state.func_ir.blocks.values():
            for statement in block.body:
                for why in filter(None, reasons(statement, state.typemap)):
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
            yield BY_ELEMENTS
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
    key: Any = getattr(function, "typing_key", None)
    if isinstance(function, types.BoundFunction) and is_new:
        name = key.removeprefix("array.") if isinstance(key, str) else key[-1]
        if isinstance(function.this, types.Array) and name not in VIEWS:
            yield f".{name} makes a new array, for which a kernel has no memory"
    elif is_new and isinstance(key, np.ufunc):
        yield f"np.{key.__name__} is for the elements of arrays, not for whole ones"
    elif isinstance(function, types.Dispatcher):
        python = function.dispatcher.py_func
        given = list(map(kind, made.args))
        if python.__module__ == atomics.__name__:
            if isinstance(given[0], types.Array):
                yield why_no_atomic(python.__name__, as_dtype(given[0].dtype))
        elif python in HINTED:
            index = given[1] if isinstance(given[1], types.BaseTuple) else [given[1]]
            if isinstance(given[0], types.Array):
                yield why_no_hint(str(given[0].dtype), given[0].ndim, list(map(name_of, index)))
        elif python.__module__ == warps.__name__:
            yield from reasons_of_exchange(python.__name__, given)
    elif getattr(key, "__module__", "") == instructions.__name__:
        if key.__name__ in ARGUMENT_CHECKS:
            yield ARGUMENT_CHECKS[key.__name__](*map(name_of, map(kind, made.args)))
    elif key is runtime.checked:
        array, index = map(kind, made.args[:2])
        if isinstance(array, types.Array):
            parts = index if isinstance(index, types.BaseTuple) else [index]
            yield from map(why_no_index, map(name_of, filter(runtime.is_number, parts)))
    elif key is printing.printed:
        yield from map(printing.why_no_print, kind(made.args[1]))


def reasons_of_exchange(name: str, given: list[Any]) -> Iterator[str]:
    """Why a shuffle or a vote is refused, of a function of warps and the types it is given."""
    if name.startswith("shfl"):
        yield why_no_lane(name_of(given[3]))
    elif name in ARGUMENT_CHECKS:
        yield ARGUMENT_CHECKS[name](name_of(given[1]))


def name_of(kind: Any) -> str:
    """numba's name for a type, without the value of a constant."""
    return str(types.unliteral(kind))


def is_mask(kind: Any) -> bool:
    return isinstance(kind, types.Array) and isinstance(kind.dtype, types.Boolean)


def without_validation(passes: list[Any]) -> list[Any]:
    """numba's passes but for one, which refuses x.view(np.int32) of a number, as no GPU's does."""
    return [each for each in passes if each[0] is not NoPythonSupportedFeatureValidation]


class RefusingCompiler(Compiler):
    """The same with the pass Refuse in it."""

    def passes(self) -> Any:
        passes = super().passes()
        passes.add_pass_after(Refuse, NopythonTypeInference)
        passes.passes = without_validation(passes.passes)
        passes.finalize()
        return passes


compiled = numba.njit(**OPTIONS, pipeline_class=RefusingCompiler)
slicing = numba.njit(**OPTIONS | {"boundscheck": True}, pipeline_class=RefusingCompiler)
