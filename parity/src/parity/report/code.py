"""How an engine does it: the source of an op or a part, and of what it calls."""

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
# Where an engine computes, the arithmetic itself first; what checks arguments and keeps books is
# not shown, what launches kernels is only walked through.
COMPUTING = ("scalar", "rowwise", "kernels", "ops")
LAUNCHING = ("arrays", "random", "windows")
STORAGE = ["kernels", "storage"]  # bfloat16 to float32 and back, which is in every kernel
DEPTH = 4  # calls from an op to the last kernel or slope
MOST = 12  # functions beside the first


@dataclass(frozen=True)
class Piece:
    """A function or a class, where it stands, and its text."""

    name: str
    file: str
    line: int
    text: str


def pieces(engine: Adapter, name: str) -> list[Piece]:
    """The source of an op or a part in an engine, then of what it calls; empty if there is none."""
    space = SPACES[BUILT[name].kind] if name in BUILT else "ops"
    try:
        found = operator.attrgetter(f"{space}.{name}")(engine.package)
        first = found if inspect.isclass(found) else function(found)
        if first is None:
            return []
        seen = {first: _piece(first)}
        if not inspect.isclass(first):
            for called in _called(first, engine):
                if len(seen) <= MOST:
                    seen.setdefault(called, _piece(called))
    except (AttributeError, OSError, TypeError):  # it lacks the op, or keeps its source to itself
        return []
    return list(seen.values())


def formula(engine: Adapter, name: str) -> str:
    """What an op computes, as the engine's own documentation says."""
    space = SPACES[BUILT[name].kind] if name in BUILT else "ops"
    try:
        found = operator.attrgetter(f"{space}.{name}")(engine.package)
    except AttributeError:
        return ""
    return inspect.getdoc(found) or ""


def function(value: Any) -> FunctionType | None:
    """The function as it was written, whatever was wrapped around it: a cache, a compiler."""
    for name in ("function", "py_func"):  # numba's, and that of cudagrad's emulator
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
    """The engine's own functions that first names, and those that these name; nearest first."""
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
    """What the names in a function stand for, as far as they are functions."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(caller)))
    for node in ast.walk(tree):
        found: Any = None
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = caller.__globals__.get(node.value.id)
            found = getattr(module, node.attr, None) if isinstance(module, ModuleType) else None
        elif isinstance(node, ast.Name):
            found = caller.__globals__.get(node.id)
        # A tuple is of kernels to choose among, each behind a lambda.
        parts = found if isinstance(found, tuple) else ()
        candidates = [found, *(each for part in parts for each in _within(part))]
        yield from (named for each in candidates if (named := function(each)) is not None)


def _within(part: Any) -> Iterator[Any]:
    """What the names in a lambda stand for; any other function is meant itself."""
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
    """Whether called leads to what caller computes: it is no launching helper of another file."""
    launches = all(_room(each) >= len(COMPUTING) for each in (caller, called))
    return not launches or caller.__module__ == called.__module__


def _room(called: FunctionType) -> int:
    return (*COMPUTING, *LAUNCHING).index(called.__module__.split(".")[1])
