"""The text of generated modules, as it grows: constants, functions, shared arrays, the entry.

There are two: what a kernel calls, and the kernel itself, anew for each kind of arguments.
"""

from __future__ import annotations

import ast
import cmath
import functools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.np.numpy_support import as_dtype

from . import cache
from .inference import Function
from .instructions import WHOLE
from .names import DYNAMIC
from .places import line_at
from .refusals import why_no_constant
from .trees import is_constant, parts

PARTS = (
    *("atomics", "copies", "inference", "instructions", "libdevice", "library", "loops"),
    *("printing", "refusals", "runtime", "warps", "wide"),
)
BUILTINS = (
    *(abs, bool, complex, divmod, enumerate, float, int, len, max, min, pow, range, round, type),
    zip,
)


class Place(NamedTuple):
    """Something of a kernel, for messages."""

    file: str
    node: ast.expr

    def __str__(self) -> str:
        return f"{ast.unparse(self.node)} at {line_at(self.file, self.node.lineno)}"


class Shared(NamedTuple):
    """An array that the threads of a block share.

    is_registers: on a GPU it is no array, but what a warp's instruction takes and gives.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    alignment: int
    is_registers: bool

    @property
    def is_dynamic(self) -> bool:
        return self.shape == DYNAMIC

    @property
    def memory(self) -> str:
        """What names the memory that it lies in: that of all dynamic arrays is the same."""
        return "dynamic shared memory" if self.is_dynamic else self.name


class Callee(NamedTuple):
    """A device function, rewritten. parameters: with the hidden one, which is the first."""

    name: str
    parameters: tuple[str, ...]
    body: list[ast.stmt]


class Module:
    """What the transform adds to, and `text` puts together."""

    def __init__(self) -> None:
        self.places: list[Place] = []  # generated code knows only their numbers, which start at 1
        self.shared: dict[Any, Shared] = {}  # by where they are declared
        self.functions: dict[Any, Callee] = {}  # by the device functions that they were
        self.copies = False  # whether any go on while their threads do
        self._constants: dict[str, str] = {}
        self._lines = [f"import {name} as _{name}" for name in ("cmath", "math", "numpy")]
        for name in PARTS:
            self._lines.append(f"from cudagrad.emulator import {name} as _{name}")
        self._count = 0

    def fresh(self, name: str) -> str:
        """A name that nothing else has."""
        self._count += 1
        return f"_{name}_{self._count}"

    def place(self, file: str, node: ast.expr) -> ast.expr:
        """The number of a new place."""
        self.places.append(Place(file, node))
        return ast.Constant(len(self.places))

    def constant(self, name: str, text: str) -> ast.expr:
        """The name of a constant, which is defined when first asked for."""
        if text not in self._constants:
            self._constants[text] = self.fresh(name)
            self._lines.append(f"{self._constants[text]} = {text}")
        return ast.Name(self._constants[text], ast.Load())

    def shared_array(self, key: Any, shared: Shared) -> ast.expr:
        """The parameter that stands for a shared array: the same for the same key."""
        return ast.Name(self.shared.setdefault(key, shared).name, ast.Load())

    @functools.cached_property
    def called(self) -> dict[str, Any]:
        """The names of the first module, which is complete: what the second one begins with."""
        return vars(cache.load("called", self.called_text, lambda: self.called_text))

    @property
    def called_text(self) -> str:
        functions = self.functions.values()
        lines = [line for callee in functions for line in defined(*callee, suspends=False)]
        return "\n".join([*self._lines, *lines]) + "\n"

    def text(
        self,
        parameters: Sequence[str],
        body: Sequence[ast.stmt],
        way: str,
        slots: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        """The second module. Its `launch` hands the function `body` to the loops of loops.py.

        way: the name of these; slots: arrays with a place for each thread, and how each is made.
        """
        shared = [array.name for array in self.shared.values()]
        hidden = ["_thread", "_threads", "_dims", "_record"] if way == "in_step" else ["_thread"]
        whole = "body", [*hidden, *parameters, *shared, *slots], list(body)
        given = parameters if way == "whole_grid" else [*parameters, *shared]  # one for each block
        args = [*(f"_runtime.borrow({name})" for name in given), *slots.values()]
        entry = f"""

_run = _loops.{way}(body)


@_library.entry
def launch({", ".join([*parameters, *shared, "_dims", "_record"])}):
    _threads = _dims[3] * _dims[4] * _dims[5]
    _args = {tuple_of(args)}
    _shared = {tuple_of(shared)}
    return _run(_args, _shared, _dims, _record)
"""
        lines = defined(*whole, suspends=way in ("together", "whole_grid"))
        return "\n".join(lines[2:]) + "\n" + entry

    def typed(self, parameters: Sequence[str], body: Sequence[ast.stmt]) -> Function:
        """A kernel with any body, as a function of which the types can be inferred."""
        shared = [array.name for array in self.shared.values()]
        whole = "body", ["_thread", *parameters, *shared], list(body)
        namespace = dict(self.called)
        exec("\n".join(defined(*whole, suspends=False)), namespace)
        function: Function = namespace["body"]
        return function


def defined(
    name: str, parameters: Iterable[str], body: list[ast.stmt], suspends: bool
) -> list[str]:
    """The lines of a function, with its decorator. suspends: it is a generator, for numba's jit."""
    definition = ast.parse(f"def {name}({', '.join(parameters)}): pass").body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.body = body or definition.body
    unchecked = any(map(is_unchecked, ast.walk(definition)))
    if suspends:
        decorator = "_refusals.slicing" if unchecked else "_refusals.compiled"
    else:
        decorator = "_inference.slicing" if unchecked else "_inference.Function"
    return ["", "", f"@{decorator}", *annotated(definition)]


def is_unchecked(node: ast.AST) -> bool:
    """Whether numba must check an index, as the transform does not: of slices, x.reshape(…)[i]."""
    match node:
        case ast.Subscript(value=ast.Name() | ast.Attribute(attr="shape" | "strides")):
            return False
        case ast.Subscript(slice=ast.Call(func=ast.Attribute(attr="checked"))):
            return False
        case ast.Subscript(value=ast.Call(), slice=index):  # mostly of a tuple
            return not all(map(is_constant, parts(index)))
    return isinstance(node, ast.Subscript | ast.Slice)


def annotated(definition: ast.FunctionDef) -> list[str]:
    """The lines of a function; a comment says where a statement came from, for numba's messages."""
    text = ast.unparse(ast.fix_missing_locations(definition))
    lines = text.splitlines()
    for old, new in zip(ast.walk(definition), ast.walk(ast.parse(text).body[0]), strict=True):
        if hasattr(old, "origin") and isinstance(new, ast.stmt):
            lines[new.lineno - 1] += f"  # {old.origin}"
    return lines


def tuple_of(parts: Iterable[str]) -> str:
    return f"({''.join(f'{part}, ' for part in parts)})"


def literal(value: Any) -> str | None:
    """The text that stands for a value in a generated module; None if kernels cannot have it."""
    if isinstance(value, np.generic) and value.dtype.kind in "biufc":
        return f"{literal(type(value))}({literal(value.item())})"
    if value is None or isinstance(value, bool | int | str):
        return repr(value)
    if isinstance(value, float):
        text = repr(value)
        return text if math.isfinite(value) else re.sub("inf|nan", r"_math.\g<0>", text)
    if isinstance(value, complex):
        return f"complex({literal(value.real)}, {literal(value.imag)})"
    if isinstance(value, tuple):
        parts = [literal(part) for part in value]
        return None if None in parts else tuple_of(map(str, parts))
    if isinstance(value, np.ndarray) and not why_no_constant(value):
        elements, dtype = literal(tuple(value.ravel().tolist())), literal(value.dtype.type)
        return f"_numpy.array({elements}, {dtype}).reshape({value.shape})"
    if isinstance(value, type) and issubclass(value, np.generic):
        return f"_numpy.{value.__name__}"
    if isinstance(value, types.Number | types.Boolean):
        return f"_numpy.{as_dtype(value).type.__name__}"
    name = getattr(value, "__name__", "")
    if any(value is function for function in WHOLE):
        return f"_instructions.{name}"
    if any(value is function for function in BUILTINS):
        return name
    for module in (math, cmath):
        if callable(value) and value is getattr(module, name, None):
            return f"_{module.__name__}.{name}"
    return f"_numpy.{name}" if isinstance(value, np.ufunc) else None
