"""A kernel's source as Python functions, which stop where threads wait for one another.

`cuda` and `math` become ours; a barrier becomes a `yield`, and so does an operation of a warp; a
function that may wait is then a generator, and is called by `yield from`. Nothing else changes:
line numbers are those of the file.

Numbers are NumPy's and Python's. That is not numba's typing: a product of int32 stays int32, where
numba has int64, and no float64 shows that a kernel computes with by mistake. The emulator and the
compiler look at types; this looks at memory.
"""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numba.core import types

from ..emulator.names import cuda
from ..emulator.source import DeviceFunction, Source
from ..emulator.wide import Access
from .names import CUDA, MATH, cast, dtype_of

BARRIERS = ("syncthreads", "syncthreads_count", "syncthreads_and", "syncthreads_or")
SHUFFLES = ("shfl_sync", "shfl_up_sync", "shfl_down_sync", "shfl_xor_sync")
VOTES = ("all_sync", "any_sync", "eq_sync", "ballot_sync", "syncwarp", "activemask")
GRID = "grid.sync"
WAITS = (*BARRIERS, *SHUFFLES, *VOTES)


def python_function(kernel: Any) -> Callable[..., Any]:
    """The plain function of a kernel, whatever has been made of it."""
    for name in ("py_func", "function"):  # numba's, ours
        if inspect.isfunction(found := getattr(kernel, name, None)):
            return found
    if not inspect.isfunction(kernel):
        raise TypeError(f"a kernel is a function or what jit made of one, not {kernel!r}")
    return kernel


def is_cuda(value: Any) -> bool:
    """Whether a name in a kernel stands for `cuda`: ours, or a numba.cuda of whatever make."""
    return value is cuda or (isinstance(value, ModuleType) and value.__name__ == "numba.cuda")


class Program:
    """All functions that a kernel calls, each as it runs under the checker."""

    def __init__(self, kernel: Callable[..., Any]) -> None:
        self._made: dict[Any, Callable[..., Any]] = {}
        self._waits: dict[Any, bool] = {}
        self.source = Source(kernel)
        self.run = self.checked(self.source)
        self.waits = self.may_wait(self.source)

    def callee(self, value: Any) -> Source | None:
        """The source of a device function: ours, or numba's."""
        if isinstance(value, DeviceFunction):
            return value.source
        function = getattr(value, "py_func", None)
        return Source(function) if inspect.isfunction(function) else None

    def wait(self, source: Source, node: ast.Call) -> str | None:
        """What a call waits at, if it does."""
        name = ast.unparse(node.func)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "sync" and "grid" in name:
            return GRID
        path = dotted(source, node.func)
        return path if path in WAITS else None

    def may_wait(self, source: Source) -> bool:
        key = source.function
        if key not in self._waits:
            self._waits[key] = False  # while it is looked at: a call of itself adds nothing
            calls = [node for node in ast.walk(source.definition) if isinstance(node, ast.Call)]
            callees = [self.callee((source.resolve(c.func) or (None,))[0]) for c in calls]
            self._waits[key] = any(self.wait(source, call) for call in calls) or any(
                callee is not None and self.may_wait(callee) for callee in callees
            )
        return self._waits[key]

    def checked(self, source: Source) -> Callable[..., Any]:
        """The function as it runs here: a generator function if it may wait."""
        if source.function in self._made:
            return self._made[source.function]
        namespace: dict[str, Any] = {"_cast": cast, "_type_in": type_in, "_file": source.file}
        definition = Rewriter(self, source, namespace).visit(copied(source.definition))
        definition.decorator_list = []
        module = ast.fix_missing_locations(ast.Module([definition], []))
        names = {**source.function.__globals__, **source.closure}
        for name in {node.id for node in ast.walk(definition) if isinstance(node, ast.Name)}:
            if name in names and name not in source.locals:
                namespace[name] = self.meaning(names[name])
        exec(compile(module, source.file, "exec"), namespace)
        self._made[source.function] = made = namespace[source.name]
        return made

    def meaning(self, value: Any) -> Any:
        """What stands for a value that a kernel knows by name."""
        if is_cuda(value):
            return CUDA
        if value is math:
            return MATH
        if isinstance(value, types.Number | types.Boolean):
            return dtype_of(value).type
        return value


class Rewriter(ast.NodeTransformer):
    """Rewrites one function."""

    def __init__(self, program: Program, source: Source, namespace: dict[str, Any]) -> None:
        self.program, self.source, self.namespace = program, source, namespace
        self.target = "shared"

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.target = ast.unparse(node.targets[0])
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if value_of_type := asked_type(self.source, node):
            # Nothing is read: numba knows the type of an element without.
            array, index = map(self.visit, (value_of_type.value, value_of_type.slice))
            name = ast.Name("_type_in", ast.Load())
            return ast.copy_location(ast.Call(name, [array, index], []), node)
        wait = self.program.wait(self.source, node)
        array = dotted(self.source, node.func) in ("shared.array", "local.array")
        value, path = self.source.resolve(node.func) or (None, ())
        self.generic_visit(node)
        if wait is not None:
            where = tuple_of(ast.Name("_file", ast.Load()), ast.Constant(node.lineno))
            request = tuple_of(ast.Constant(wait), where, tuple_of(*node.args))
            return ast.copy_location(ast.Yield(request), node)
        if array:
            line, column = ast.Constant(node.lineno), ast.Constant(node.col_offset)
            site = tuple_of(ast.Name("_file", ast.Load()), line, column)
            node.keywords.append(ast.keyword("name", ast.Constant(self.target)))
            node.keywords.append(ast.keyword("site", site))
            return node
        if is_integer_type(value) and not path and len(node.args) == 1:
            name = ast.Name("_cast", ast.Load())
            return ast.copy_location(ast.Call(name, [node.func, *node.args], []), node)
        if isinstance(value, Access):
            return self.calling(value.function.py_func, node)
        callee = self.program.callee(value)
        if callee is None:
            return node
        made = self.calling(self.program.checked(callee), node)
        return (
            ast.copy_location(ast.YieldFrom(made), node) if self.program.may_wait(callee) else made
        )

    def calling(self, function: Callable[..., Any], node: ast.Call) -> ast.Call:
        """The call, of this function."""
        name = f"_function_{len(self.namespace)}"
        self.namespace[name] = function
        node.func = ast.copy_location(ast.Name(name, ast.Load()), node.func)
        return node


def asked_type(source: Source, node: ast.Call) -> ast.Subscript | None:
    """The x[i] of a type(x[i]), if the call is one."""
    is_type = isinstance(node.func, ast.Name) and source.resolve(node.func) == (type, ())
    argument = node.args[0] if is_type and len(node.args) == 1 else None
    return argument if isinstance(argument, ast.Subscript) else None


def type_in(container: Any, index: Any) -> Any:
    """The type of an element of an array, or of a tuple."""
    dtype = getattr(container, "dtype", None)
    return type(container[index]) if dtype is None else dtype.type


def tuple_of(*parts: ast.expr) -> ast.Tuple:
    return ast.Tuple(list(parts), ast.Load())


def is_integer_type(value: Any) -> bool:
    if isinstance(value, types.Integer):
        return True
    return isinstance(value, type) and issubclass(value, np.integer)


def dotted(source: Source, node: ast.expr) -> str:
    """What follows `cuda` in a name that begins with it; "" for any other."""
    path: list[str] = []
    while isinstance(node, ast.Attribute):
        path.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id in source.locals:
        return ""
    names = {**source.function.__globals__, **source.closure}
    return ".".join(path) if is_cuda(names.get(node.id)) else ""


def copied(definition: ast.FunctionDef) -> ast.FunctionDef:
    """A tree of its own, at the same lines."""
    module = ast.parse(ast.unparse(definition))
    for old, new in zip(ast.walk(definition), ast.walk(module.body[0]), strict=True):
        ast.copy_location(new, old)
    found = module.body[0]
    assert isinstance(found, ast.FunctionDef)
    return found
