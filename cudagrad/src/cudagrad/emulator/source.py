"""What the transform reads: the syntax tree of a Python function and what its free names mean."""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import linecache
from collections.abc import Callable, Sequence
from enum import Enum, EnumType, IntEnum
from types import CodeType, ModuleType
from typing import Any, NoReturn

import numpy as np

from .errors import UnsupportedError
from .names import COORDINATES, DYNAMIC, SHARED, Names, cuda, in_numba
from .places import line_at
from .trees import parts

NAMESPACES = (ModuleType, EnumType, Enum)
NUMERIC = (ast.BinOp, ast.UnaryOp, ast.Constant, ast.operator, ast.unaryop)


class DeviceFunction:
    """A function that kernels may call; made by `jit(device=True)`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    @functools.cached_property
    def source(self) -> Source:
        return Source(self.function)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(f"{self.function.__name__} is a device function: only kernels can call it")


_device_function = functools.cache(DeviceFunction)


def jitted(value: Any) -> Callable[..., Any] | None:
    """The function of which numba's jit, or its simulator's, made this; None for anything else."""
    if isinstance(value, np.generic | type):
        return None
    found = getattr(value, "py_func", None) or getattr(value, "fn", None)
    return found if inspect.isfunction(found) else None


def meant(value: Any) -> Any:
    """What kernels see of a value: a device function in what numba's jit made, numbers in enums."""
    if isinstance(value, IntEnum):
        return int(value)
    if type(value) is tuple:
        return tuple(map(meant, value))
    function = jitted(value)
    return _device_function(function) if function else value


class Source:
    """A function's tree, parameters and local names."""

    def __init__(self, function: Callable[..., Any]) -> None:
        code = function.__code__
        self.function = function
        self.name = code.co_name
        self.file = code.co_filename
        self.line = code.co_firstlineno
        definition = _definitions(_text(code)).get((self.name, self.line))
        if definition is None:
            self.refuse(self.line, "its source is not in the file; a kernel is a def in a module")
        self.definition = definition
        arguments = definition.args
        if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.defaults:
            self.refuse(
                self.line,
                "parameters are positional, without defaults: a launch, or a call, gives them all",
            )
        self.parameters = tuple(a.arg for a in arguments.posonlyargs + arguments.args)
        self.stored = {
            node.id
            for node in ast.walk(definition)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        self.locals = self.stored | set(self.parameters)
        closure = (cell.cell_contents for cell in function.__closure__ or ())
        self.closure = dict(zip(code.co_freevars, closure, strict=True))

    def refuse(self, where: ast.AST | int, why: str) -> NoReturn:
        """Raise UnsupportedError about a node, or a line, of this function."""
        line = where if isinstance(where, int) else getattr(where, "lineno", self.line)
        raise UnsupportedError(f"{self.name} ({line_at(self.file, line)}): {why}")

    def resolve(self, node: ast.AST) -> tuple[Any, Names] | None:
        """What a name, or a dotted name, that is not local stands for; None for anything else.

        Attributes of modules and of enums are resolved: `math.pi` gives (3.14…, ()). Those of
        anything else are left to the caller: `cuda.shared.array` gives (cuda, ("shared", "array")).
        numba's cuda counts as ours, under any name, and what numba's jit made as a device function.
        """
        path: list[str] = []
        while isinstance(node, ast.Attribute):
            path.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id in self.locals:
            return None
        for names in (self.closure, self.function.__globals__, vars(builtins)):
            if node.id in names:
                value = names[node.id]
                break
        else:
            self.refuse(node, f"the name {node.id} is not defined")
        while (of_cuda := in_numba(value)) is None and path and isinstance(value, NAMESPACES):
            if not hasattr(value, path[0]):
                self.refuse(node, f"{getattr(value, '__name__', value)} has no {path[0]}")
            value = getattr(value, path.pop(0))
        if of_cuda is not None:
            return cuda, (*of_cuda, *path)
        return value if path else meant(value), tuple(path)

    def is_cuda(self, node: ast.AST, path: Names) -> bool:
        """Whether an expression names this of cuda."""
        value, found = self.resolve(node) or (None, ())
        return value is cuda and found == path

    def bind(self, parameters: Sequence[str], node: ast.Call) -> list[ast.expr]:
        """The arguments of a call, in the order of the parameters."""
        given = dict(zip(parameters, node.args, strict=False))
        given |= {str(keyword.arg): keyword.value for keyword in node.keywords}
        if set(given) != set(parameters) or len(node.args) + len(node.keywords) != len(parameters):
            self.refuse(node, f"{ast.unparse(node.func)} takes ({', '.join(parameters)})")
        return [given[parameter] for parameter in parameters]

    def refuse_result(self, node: ast.Return) -> None:
        """Refuse to return anything but None, as only device functions do."""
        if node.value and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self.refuse(node, "a kernel returns nothing")

    def refuse_parts(self, node: ast.expr) -> None:
        """Refuse cuda.threadIdx[0], and x, y, z = cuda.threadIdx."""
        if any(self.is_cuda(node, (name,)) for name in COORDINATES):
            name = ast.unparse(node)
            self.refuse(node, f"{name} is no tuple on a GPU: say {name}.x, {name}.y, {name}.z")

    def refuse_odd_index(self, index: ast.expr) -> None:
        """Refuse an index that is written as something else than an integer."""
        for part in parts(index):
            number = part.operand if isinstance(part, ast.UnaryOp) else part
            if isinstance(number, ast.Constant) and type(number.value) is not int:
                self.refuse(index, f"an index is an integer, not {ast.unparse(part)}")

    def constant(self, node: ast.expr) -> Any:
        """The value of an expression that numba must know when it compiles the kernel.

        It knows literals, and arithmetic with them; names from around the kernel; local names that
        are assigned such a value, once; and tuples of these. It does no arithmetic with names.
        """
        if isinstance(node, ast.Tuple):
            return tuple(map(self.constant, node.elts))
        if all(isinstance(part, NUMERIC) for part in ast.walk(node)):
            return eval(compile(ast.Expression(node), self.file, "eval"))
        if isinstance(node, ast.Name) and node.id in self.stored.difference(self.parameters):
            (*others, value) = self._given(node.id)
            if not others and value is not None:
                return self.constant(value)
        value, path = self.resolve(node) or (None, ("?",))
        if path:
            self.refuse(
                node,
                f"{ast.unparse(node)} must be a constant, or the name of one: "
                "it is needed when the kernel is compiled",
            )
        return value

    def _given(self, name: str) -> list[ast.expr | None]:
        """What is assigned to a local name: each time an expression, if it stands alone there."""
        values = {
            id(part.targets[0]): part.value
            for part in ast.walk(self.definition)
            if isinstance(part, ast.Assign) and len(part.targets) == 1
        }
        return [
            values.get(id(part))
            for part in ast.walk(self.definition)
            if isinstance(part, ast.Name) and part.id == name and isinstance(part.ctx, ast.Store)
        ]

    def array(self, node: ast.AST) -> np.ndarray[Any, Any] | None:
        """The array from around the function that an expression names; None for anything else."""
        value, path = self.resolve(node) or (None, ())
        return value if isinstance(value, np.ndarray) and not path else None

    def ndim(self, node: ast.Call) -> int:
        """Of how many axes cuda.grid or cuda.gridsize is asked."""
        (found,) = map(self.constant, self.bind(("ndim",), node))
        if found not in (1, 2, 3):
            self.refuse(node, "a grid has 1, 2 or 3 dimensions")
        return int(found)

    def shape(self, node: ast.expr, path: Names) -> tuple[int, ...]:
        """The shape that an array of the kernel's own is to have; (0,) only in dynamic memory."""
        found = self.constant(node)
        sizes = found if isinstance(found, tuple) else (found,)
        if sizes == DYNAMIC and path == SHARED:
            return DYNAMIC
        if not sizes or not all(type(n) is int and n >= 1 for n in sizes):
            self.refuse(node, f"a shape of positive constants is needed here, not {found!r}")
        return sizes


def _text(code: CodeType) -> str:
    """The file that a function was made of, though it may have been edited, and loaded anew."""
    text = "".join(linecache.getlines(code.co_filename))
    if code not in _codes(text):
        linecache.checkcache(code.co_filename)
        text = "".join(linecache.getlines(code.co_filename))
    return text


@functools.cache
def _codes(text: str) -> frozenset[CodeType]:
    """The code of all functions in a file."""
    found = [compile(text, "", "exec", dont_inherit=True)]
    for code in found:  # which grows meanwhile
        found += [part for part in code.co_consts if isinstance(part, CodeType)]
    return frozenset(found)


@functools.cache
def _definitions(text: str) -> dict[tuple[str, int], ast.FunctionDef]:
    """The functions of a file by name and first line, a decorator's if there is one."""
    return {
        (node.name, min([node.lineno, *(d.lineno for d in node.decorator_list)])): node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
    }
