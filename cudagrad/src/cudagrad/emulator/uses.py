"""Which arrays that threads share are used by statements, and which of them are written.

Arrays are looked at whole: who writes one element and who reads another use the same array.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from .refusals import REDUCTIONS
from .trees import Block, walk
from .uniform import ABOUT_ARRAYS, LIBRARIES, Uniformity

Uses = frozenset[tuple[str, bool]]  # arrays by name, and whether they are written
NOTHING: Uses = frozenset()
COPY = frozenset({"copy_async4", "copy_async8"})
WAIT = frozenset({"wait_but_latest"})
READS = REDUCTIONS | {"load4", "load8", "load_hinted", "rounded"}
READERS = LIBRARIES | {"_cmath", "_printing", "_warps"}
CHECKS = ("checked", "holding", "within")


def contended(before: Uses, after: Uses) -> set[str]:
    """The arrays that both use, and that at least one of them writes."""
    written = {name for name, is_written in before | after if is_written}
    return {name for name, _ in before} & {name for name, _ in after} & written


class Memory:
    """The arrays of a kernel."""

    def __init__(self, uniformity: Uniformity, body: Block) -> None:
        self.functions = uniformity.functions
        self.arrays = uniformity.arrays  # what is not among them is a thread's own
        calls = (node for node in walk(body) if isinstance(node, ast.Call))
        copying = (node for node in calls if self._comes_to(node.func, COPY))
        # Where asynchronous copies may be on their way.
        self._copied = NOTHING.union(*(self._parts_of(node.args, True) for node in copying))

    def uses(self, statements: Block) -> Uses:
        """What statements use themselves."""
        found = set()
        for node in walk(statements):
            if isinstance(node, ast.Subscript):
                found |= self._parts_of([node.value], isinstance(node.ctx, ast.Store))
            elif isinstance(node, ast.Call) and not _checks(node):
                found |= self._parts_of(self._given(node), self._writes(node.func))
            elif isinstance(node, ast.For):
                found |= self._parts_of([node.iter], False)
        return frozenset(found)

    def arrivals(self, statements: Block) -> Uses:
        """The arrays to which copies go, if statements wait for copies, which then arrive there.

        That is a use for what follows only: before the wait, any thread finds the copy's poison.
        """
        calls = (node for node in walk(statements) if isinstance(node, ast.Call))
        return self._copied if any(self._comes_to(node.func, WAIT) for node in calls) else NOTHING

    def _parts_of(self, nodes: Sequence[ast.expr], written: bool) -> set[tuple[str, bool]]:
        """The arrays of which some expressions are parts, or may be."""
        names = set().union(*map(_whole, nodes))
        return {(self.arrays[name], written) for name in names if name in self.arrays}

    def _given(self, node: ast.Call) -> list[ast.expr]:
        """Where in a call an array may stand that it uses; x[i] is a number to all but ours."""
        if isinstance(node.func, ast.Name) and node.func.id in self.functions:
            return node.args
        method = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        return [
            *node.args[:1],
            *(part for part in node.args if isinstance(part, ast.Name)),
            *method,
        ]

    def _comes_to(self, function: ast.expr, names: frozenset[str]) -> bool:
        """Whether a function is one of these names, or calls one."""
        if isinstance(function, ast.Attribute):
            return function.attr in names
        callee = self.functions.get(function.id) if isinstance(function, ast.Name) else None
        calls = (node for node in walk(callee.body if callee else []) if isinstance(node, ast.Call))
        return any(self._comes_to(node.func, names) for node in calls)

    def _writes(self, function: ast.expr) -> bool:
        """Whether a function may write to arrays that it is given."""
        if isinstance(function, ast.Attribute):
            return function.attr not in READS and getattr(function.value, "id", "") not in READERS
        callee = self.functions.get(function.id) if isinstance(function, ast.Name) else None
        for node in walk(callee.body if callee else []):  # nothing of Python's own writes
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
                return True
            if isinstance(node, ast.Call) and not _checks(node) and self._writes(node.func):
                return True
        return False


def _whole(node: ast.expr) -> set[str]:
    """The names of what an expression may be a part of: x, of x[i], x[i][j] and x.T[i]."""
    match node:
        case ast.Name(id=name):
            return {name}
        case ast.Attribute(value=value, attr=attr) if attr not in ABOUT_ARRAYS:
            return _whole(value)
        case ast.Subscript(value=value):
            return _whole(value)
        case ast.IfExp(body=first, orelse=second):
            return _whole(first) | _whole(second)
        case ast.Call(args=[array, *_]) if _checks(node):
            return _whole(array)
    return set()


def _checks(node: ast.expr) -> bool:
    """Whether this is what the transform makes of an index, or of an array with a constant one."""
    function = node.func if isinstance(node, ast.Call) else None
    return isinstance(function, ast.Attribute) and function.attr in CHECKS
