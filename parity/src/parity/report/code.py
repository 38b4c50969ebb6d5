"""Find the source code of an op or a part in an engine, and of the functions that it calls."""

from __future__ import annotations

import ast
import inspect
import operator
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

from ..engines import Adapter
from ..spec import BUILT

SPACES = {
    "layer": "nn",
    "optimizer": "optim",
    "scheduler": "optim.lr_scheduler",
    "model": "gpt",
}
# Modules whose functions are shown, the arithmetic first. Functions in LAUNCHING, which launch
# kernels, are searched for calls but not shown, and those in other modules are ignored.
COMPUTING = ("scalar", "rowwise", "kernels", "ops")
LAUNCHING = ("arrays", "random", "windows")
STORAGE = ["kernels", "storage"]  # ignored: conversions of bfloat16, which every kernel has
DEPTH = 4  # the most calls between an op and a kernel or slope
MOST = 12  # functions shown in addition to the op


@dataclass(frozen=True)
class Piece:
    """The source code of a function or class, and where it is."""

    name: str
    file: str
    line: int
    text: str


def pieces(engine: Adapter, name: str) -> list[Piece]:
    """The source of an op or a part, then of the functions it calls; empty if there is none."""
    try:
        found = _found(engine, name)
        first = found if inspect.isclass(found) else function(found)
        if first is None:
            return []
        seen = {first: _piece(first)}
        if not inspect.isclass(first):
            for called in _called(first, engine):
                if len(seen) <= MOST:
                    seen.setdefault(called, _piece(called))
    except (AttributeError, OSError, TypeError):  # there is no such op, or no source code
        return []
    return list(seen.values())


def formula(engine: Adapter, name: str) -> str:
    """The docstring of an op in an engine."""
    try:
        return inspect.getdoc(_found(engine, name)) or ""
    except AttributeError:
        return ""


def _found(engine: Adapter, name: str) -> Any:
    """An engine's op or part; raises AttributeError if it has none of this name."""
    space = SPACES[BUILT[name].kind] if name in BUILT else "ops"
    return operator.attrgetter(f"{space}.{name}")(engine.package)


def function(value: Any) -> FunctionType | None:
    """The original function inside wrappers such as caches and compilers."""
    for name in ("function", "py_func"):  # attributes of the emulator's wrapper and of numba's
        value = getattr(value, name, value)
    unwrapped = inspect.unwrap(value) if callable(value) else None
    return unwrapped if isinstance(unwrapped, FunctionType) else None


def _piece(value: Any) -> Piece:
    lines, line = inspect.getsourcelines(value)
    module = value.__module__
    within = "/__init__" if hasattr(sys.modules[module], "__path__") else ""
    file = f"{module.replace('.', '/')}{within}.py"
    return Piece(value.__name__, file, line, textwrap.dedent("".join(lines)).rstrip())


def _called(first: FunctionType, engine: Adapter) -> Iterator[FunctionType]:
    """The engine's functions that first uses, directly or indirectly; the nearest first."""
    waiting, seen = [first], {first}
    for _ in range(DEPTH):
        found = []
        for each in waiting:
            for called in _named(each):
                if called not in seen and _computes(called, engine) and _on_the_way(each, called):
                    seen.add(called)
                    found.append(called)
        waiting = sorted(found, key=_room)
        yield from (called for called in waiting if _room(called) < len(COMPUTING))


def _named(caller: FunctionType) -> Iterator[FunctionType]:
    """The functions that a function refers to by name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(caller)))
    for node in ast.walk(tree):
        found: Any = None
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = caller.__globals__.get(node.value.id)
            found = getattr(module, node.attr, None) if isinstance(module, ModuleType) else None
        elif isinstance(node, ast.Name):
            found = caller.__globals__.get(node.id)
        # Kernels to choose from are kept as a tuple of lambdas.
        parts = found if isinstance(found, tuple) else ()
        candidates = [found, *(each for part in parts for each in _within(part))]
        yield from (named for each in candidates if (named := function(each)) is not None)


def _within(part: Any) -> Iterator[Any]:
    """The objects that a lambda refers to; for any other function, itself."""
    if not isinstance(part, FunctionType) or part.__name__ != "<lambda>":
        yield part
        return
    names = part.__code__.co_names
    for found in map(part.__globals__.get, names):
        if isinstance(found, ModuleType):
            yield from (getattr(found, name, None) for name in names)
        else:
            yield found


def _computes(called: FunctionType, engine: Adapter) -> bool:
    package, *rooms = called.__module__.split(".")
    found = package == engine.package.__name__ and rooms and rooms[0] in (*COMPUTING, *LAUNCHING)
    return bool(found) and rooms != STORAGE


def _on_the_way(caller: FunctionType, called: FunctionType) -> bool:
    """Whether to follow a call: not from one launching helper to one in another file."""
    launches = all(_room(each) >= len(COMPUTING) for each in (caller, called))
    return not launches or caller.__module__ == called.__module__


def _room(called: FunctionType) -> int:
    return (*COMPUTING, *LAUNCHING).index(called.__module__.split(".")[1])
