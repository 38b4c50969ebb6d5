"""A kernel's source, rewritten as Python that shows the checker all it does.

An element is loaded and stored by functions of memory, which are told where in the source. Numbers
are NumPy's, their operators those of numbers. What follows `cuda` is looked up in operations; a
thread that waits yields, and so do device functions that wait, from inside their callers.
"""

from __future__ import annotations

import ast
import cmath
import copy
import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

import numpy as np
from numba.core import types
from numba.np.numpy_support import as_dtype

from ..emulator import printing
from ..emulator.names import CALLED, GRIDS, LOCAL, SHARED, cuda
from ..emulator.refusals import (
    ATTRIBUTES,
    NO_TARGET,
    REDUCTIONS,
    not_for_kernels,
    unusable,
    why_no_array,
    why_no_operator,
    why_no_value,
)
from ..emulator.source import NUMERIC, DeviceFunction, Source
from ..emulator.transform import UNDERSTOOD
from ..emulator.trees import assign
from ..emulator.wide import Access
from . import numbers, operations
from .memory import CONSTANT, Array, Storage, call_method, elements, load, store, type_of
from .places import Place
from .threads import WARP, now, round_begins

# By names that no kernel can have, as nothing reads them as Python.
HELPERS: dict[str, Any] = {
    "@elements": elements,
    "@load": load,
    "@round": round_begins,
    "@store": store,
    "@type_of": type_of,
    "@USub": numbers.negative,
    "@Invert": numbers.inverted,
    **{f"@{name}": operator for name, operator in numbers.OPERATORS.items()},
}
WHOLE = REDUCTIONS | {"fill"}  # methods of arrays that go over all of them


def call(helper: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(helper, ast.Load()), list(arguments), [])


class Function:
    """A kernel or a device function, as Python: a generator function if it waits."""

    under_way: ClassVar[list[Callable[..., Any]]] = []

    def __init__(self, function: Callable[..., Any], is_kernel: bool) -> None:
        self.source = Source(function)
        if function in self.under_way:
            self.source.refuse(self.source.line, "a device function cannot call itself")
        self.under_way.append(function)
        try:
            translator = Translator(self.source, is_kernel)
            self.python = translator.compiled()
        finally:
            self.under_way.pop()
        self.waits = translator.waits
        self.waits_for_grid = translator.waits_for_grid


@functools.cache
def translated(function: Callable[..., Any], is_kernel: bool = False) -> Function:
    return Function(function, is_kernel)


class Translator(ast.NodeTransformer):
    """Rewrites one function."""

    def __init__(self, source: Source, is_kernel: bool) -> None:
        self.source = source
        self.is_kernel = is_kernel
        self.namespace = dict(HELPERS)
        self.waits = self.waits_for_grid = False
        self.name = ""  # of the variable that is being assigned

    def compiled(self) -> Callable[..., Any]:
        definition = copy.deepcopy(self.source.definition)
        body = self.block(definition.body)
        parameters = [ast.arg(name) for name in self.source.parameters]
        arguments = ast.arguments([], parameters, None, [], [], None, [])
        new = ast.FunctionDef(self.source.name, arguments, body or [ast.Pass()], [])
        ast.copy_location(new, definition)
        module = ast.fix_missing_locations(ast.Module([new], []))
        exec(compile(module, self.source.file, "exec"), self.namespace)
        python: Callable[..., Any] = self.namespace[self.source.name]
        return python

    def refuse(self, node: ast.AST, why: str) -> NoReturn:
        self.source.refuse(node, why)

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, UNDERSTOOD):
            self.refuse(node, not_for_kernels(node))
        new = super().visit(node)
        for part in new if isinstance(new, list) else [new]:
            if part is not None and hasattr(node, "lineno"):
                ast.copy_location(part, node)
        return new

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        done: list[ast.stmt] = []
        for new in filter(None, map(self.visit, statements)):
            done += new if isinstance(new, list) else [new]
        return done

    def keep(self, value: Any = None) -> ast.Name:
        """A new name, in the new function, of a value of ours, or of one that it will assign."""
        name = f"@{len(self.namespace)}"
        self.namespace[name] = value
        return ast.Name(name, ast.Load())

    def place(self, node: ast.expr) -> ast.expr:
        """Where a node stands; to be asked before it is visited, which may change its parts."""
        return self.keep(Place(self.source.file, node, self.name))

    # Statements

    def visit_Expr(self, node: ast.Expr) -> Any:
        if isinstance(node.value, ast.Constant):
            return None
        if not printing.is_print(node.value, self.source):
            return self.generic_visit(node)
        template, values = printing.pieces(self.source, node.value)
        place = self.place(node.value)
        shown = ast.Tuple(list(map(self.visit, values)), ast.Load())
        return ast.Expr(
            ast.Call(self.keep(operations.show), [place, ast.Constant(template), shown], [])
        )

    def visit_Assign(self, node: ast.Assign) -> Any:
        if isinstance(node.targets[0], ast.Tuple):
            self.source.refuse_parts(node.value)
        if isinstance(node.targets[0], ast.Name):
            self.name = node.targets[0].id
        value = self.visit(node.value)
        self.name = ""
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Subscript):
            return self.stored(value, node.targets[0])
        after: list[ast.stmt] = []
        return [ast.Assign([self.target(t, after) for t in node.targets], value), *after]

    def target(self, node: ast.expr, after: list[ast.stmt]) -> ast.expr:
        """What takes the place of a target; an element is stored afterwards."""
        if isinstance(node, ast.Name):
            return node
        if isinstance(node, ast.Tuple):
            return ast.Tuple([self.target(part, after) for part in node.elts], ast.Store())
        if not isinstance(node, ast.Subscript):
            self.refuse_target(node)
        name = self.keep()
        after.append(self.stored(name, node))
        return ast.Name(name.id, ast.Store())

    def refuse_target(self, node: ast.expr) -> NoReturn:
        why = f"{ast.unparse(node)} {NO_TARGET}"
        if isinstance(node, ast.Attribute) and node.attr not in ATTRIBUTES:
            # On a GPU it can, if it is a field.
            field = f"{ast.unparse(node.value)}[{node.attr!r}]"
            why = f"the checker assigns to no attributes: if {node.attr} is a field, say {field}"
        self.refuse(node, why)

    def stored(self, value: ast.expr, node: ast.Subscript) -> ast.stmt:
        place = self.place(node)
        return ast.Expr(
            call("@store", value, self.visit(node.value), self.index(node.slice), place)
        )

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        return self.visit_Assign(ast.Assign([node.target], node.value)) if node.value else None

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        operator = f"@{type(node.op).__name__}"
        self.no_product(node)
        if isinstance(node.target, ast.Name):
            old = ast.Name(node.target.id, ast.Load())
            return ast.Assign([node.target], call(operator, old, self.visit(node.value)))
        if not isinstance(node.target, ast.Subscript):
            self.refuse_target(node.target)
        place = self.place(node.target)
        array, index = self.keep(), self.keep()
        new = call(operator, call("@load", array, index, place), self.visit(node.value))
        return [
            assign(array, self.visit(node.target.value)),
            assign(index, self.index(node.target.slice)),
            ast.Expr(call("@store", new, array, index, place)),
        ]

    def visit_For(self, node: ast.For) -> Any:
        place = self.place(node.iter)
        over = call("@elements", self.visit(node.iter), place)
        after: list[ast.stmt] = []
        target = self.target(node.target, after)
        body = self.block(node.body)
        return ast.For(target, over, [*after, *body] or [ast.Pass()], self.block(node.orelse))

    def visit_While(self, node: ast.While) -> Any:
        place = self.keep(Place(self.source.file, node.test))
        test = call("@round", self.visit(node.test), place)
        return ast.While(test, self.block(node.body) or [ast.Pass()], self.block(node.orelse))

    def visit_Return(self, node: ast.Return) -> Any:
        if self.is_kernel:
            self.source.refuse_result(node)
        return ast.Return(self.visit(node.value) if node.value else None)

    # Expressions

    def visit_Constant(self, node: ast.Constant) -> Any:
        if why := why_no_value(node.value):
            self.refuse(node, why)
        value = numbers.strong(node.value)
        return node if value is node.value else self.keep(value)

    def visit_Name(self, node: ast.Name) -> Any:
        return node if node.id in self.source.locals else self.outer(node)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        if self.source.resolve(node):
            return self.outer(node)
        return ast.Attribute(self.visit(node.value), node.attr, ast.Load())

    def outer(self, node: ast.expr) -> ast.expr:
        """A name, dotted or not, from around the function."""
        value, path = self.source.resolve(node) or (None, ())
        if value is cuda:
            if path == ("warpsize",):
                return self.keep(np.int32(WARP))
            if path in CALLED:
                self.refuse(node, f"{ast.unparse(node)} can only be called, by this name")
            if not path or path[0] not in operations.COORDINATES:
                self.refuse(node, f"the checker knows no {ast.unparse(node)}")
            value, path = now, ("thread", *path)
        elif why := why_no_value(value):
            self.refuse(node, why)
        elif value is None:
            return ast.Constant(None)
        new = value if value is now else adapted(value, ast.unparse(node))
        if new is None:
            self.refuse(node, unusable(ast.unparse(node), value))
        found: ast.expr = self.keep(new)
        for name in path:
            found = ast.Attribute(found, name, ast.Load())
        return found

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        self.source.refuse_parts(node.value)
        place = self.place(node)
        return call("@load", self.visit(node.value), self.index(node.slice), place)

    def index(self, node: ast.expr) -> ast.expr:
        """An index; a negative number in the source stays Python's, and counts from the end."""
        if isinstance(node, ast.Constant) and type(node.value) is str:
            return node  # of a record
        self.source.refuse_odd_index(node)
        if isinstance(node, ast.Tuple):
            return ast.Tuple([self.index(part) for part in node.elts], ast.Load())
        if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
            return node
        new: ast.expr = self.visit(node)
        return new

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        self.no_product(node)
        if isinstance(node.op, ast.Pow) and all(isinstance(n, NUMERIC) for n in ast.walk(node)):
            folded = ast.Constant(self.source.constant(node))  # as Python does it
            return self.visit_Constant(ast.copy_location(folded, node))
        return call(f"@{type(node.op).__name__}", self.visit(node.left), self.visit(node.right))

    def no_product(self, node: ast.BinOp | ast.AugAssign) -> None:
        if why := why_no_operator(node.op):
            self.refuse(node, why)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        operand = self.visit(node.operand)
        if isinstance(node.op, ast.Not):
            return ast.UnaryOp(node.op, operand)
        return (
            operand
            if isinstance(node.op, ast.UAdd)
            else call(f"@{type(node.op).__name__}", operand)
        )

    # Calls

    def visit_Call(self, node: ast.Call) -> Any:
        value, path = self.source.resolve(node.func) or (None, ())
        if value is type and len(node.args) == 1 and isinstance(node.args[0], ast.Subscript):
            # Nothing is read: numba knows the type of an element without.
            element = node.args[0]
            return call("@type_of", self.visit(element.value), self.index(element.slice))
        if self.is_grid_sync(node):
            self.waits = self.waits_for_grid = True
            return ast.Yield(ast.Call(self.keep(operations.sync_grid), [self.place(node)], []))
        if value is cuda:
            return self.cuda_call(path, node)
        place = self.place(node)
        if isinstance(value, Access | DeviceFunction) and value.function in operations.ACCESSES:
            function = operations.ACCESSES[value.function]
            given, _ = self.arguments(node)
            return ast.Call(self.keep(function), [place, *given], [])
        if isinstance(value, DeviceFunction) and not path:
            return self.device_call(value.function, node)
        given, words = self.arguments(node)
        of_array = value is None or isinstance(value, np.ndarray)
        if of_array and isinstance(node.func, ast.Attribute) and node.func.attr in WHOLE:
            name, array = ast.Constant(node.func.attr), self.visit(node.func.value)
            return ast.Call(self.keep(call_method), [name, array, place, *given], words)
        if value is enumerate or value is zip:
            given = [call("@elements", values, place) for values in given]
        return ast.Call(self.visit(node.func), given, words)

    def arguments(self, node: ast.Call) -> tuple[list[ast.expr], list[ast.keyword]]:
        given = [self.visit(argument) for argument in node.args]
        return given, [ast.keyword(word.arg, self.visit(word.value)) for word in node.keywords]

    def is_grid_sync(self, node: ast.Call) -> bool:
        """Whether a call is g.sync(), of a g that cuda.cg.this_grid() gave."""
        func = node.func
        return (
            isinstance(func, ast.Attribute)
            and func.attr == "sync"
            and not node.args
            and self.source.resolve(func) is None
        )

    def cuda_call(self, path: tuple[str, ...], node: ast.Call) -> ast.expr:
        waits = path in operations.WAITS
        function = operations.WAITS.get(path) or operations.FUNCTIONS.get(path)
        if function is None:
            self.refuse(node, f"the checker knows no {ast.unparse(node.func)}")
        self.bind(function, node)
        place, name = self.place(node), self.name
        self.name = ""
        if path in GRIDS:
            self.source.ndim(node)
        if path in (SHARED, LOCAL):
            node = self.with_shape(node, path)
        given, words = self.arguments(node)
        self.name = name
        new = ast.Call(self.keep(function), [place, *given], words)
        self.waits = self.waits or waits
        return ast.Yield(new) if waits else new

    def bind(self, function: Callable[..., Any], node: ast.Call) -> None:
        """Refuse a call of cuda with other arguments than it takes."""
        takes = inspect.signature(function)
        try:
            takes.bind(None, *node.args, **{str(word.arg): word for word in node.keywords})
        except TypeError:
            names = list(takes.parameters)[1:]
            self.refuse(node, f"{ast.unparse(node.func)} takes ({', '.join(names)})")

    def with_shape(self, node: ast.Call, path: tuple[str, ...]) -> ast.Call:
        """A call that makes an array, with a shape that is known now."""
        words = {str(word.arg): word.value for word in node.keywords}
        given = dict(zip(("shape", "dtype", "alignment"), node.args, strict=False)) | words
        shape = self.source.shape(given["shape"], path)
        value, _ = self.source.resolve(given["dtype"]) or (None, ())
        aligned = self.source.constant(given["alignment"]) if "alignment" in given else 8
        if why := why_no_array(value, 8 if aligned is None else aligned):
            self.refuse(node, why)
        given["shape"] = ast.Tuple([ast.Constant(size) for size in shape], ast.Load())
        return ast.Call(node.func, [], [ast.keyword(*word) for word in given.items()])

    def device_call(self, device: Callable[..., Any], node: ast.Call) -> ast.expr:
        function = translated(device)
        self.source.bind(function.source.parameters, node)
        new = ast.Call(self.keep(function.python), *self.arguments(node))
        self.waits = self.waits or function.waits
        self.waits_for_grid = self.waits_for_grid or function.waits_for_grid
        return ast.YieldFrom(new) if function.waits else new


def adapted(value: Any, name: str) -> Any:
    """What stands for a value from around a kernel; None if kernels cannot have it."""
    if isinstance(value, bool | int | float | complex | str | np.generic | np.dtype):
        return numbers.strong(value)
    if isinstance(value, tuple):
        parts = tuple(adapted(part, name) for part in value)
        return None if any(part is None for part in parts) else parts
    if isinstance(value, np.ndarray):
        return Array(name, value.copy(), Storage(CONSTANT))
    if isinstance(value, types.Number | types.Boolean):
        return as_dtype(value).type
    if isinstance(value, type) and issubclass(value, np.generic):
        return value
    for old, new in numbers.BUILTINS.items():
        if old is value:
            return new
    own = getattr(value, "__name__", "")
    of_math = callable(value) and any(value is vars(m).get(own) for m in (math, cmath))
    return numbers.compiled(value) if of_math or isinstance(value, np.ufunc) else None
