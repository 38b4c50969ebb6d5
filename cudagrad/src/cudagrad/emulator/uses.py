"""Which arrays that threads share are used by statements, and which of them are written.

Arrays are looked at whole: who writes one element and who reads another use the same array.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from .refusals import REDUCTIONS
from .trees import Block, walk
from .uniform import Uniformity

Uses = frozenset[tuple[str, bool]]  # arrays by name, and whether they are written
NOTHING: Uses = frozenset()
COPY = frozenset({"copy_async4", "copy_async8"})
WAIT = frozenset({"wait_but_latest"})
READS = REDUCTIONS | {"load4", "load_hinted"}
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
        self._copied = NOTHING.union(*(self._named(node.args, True) for node in copying))

    def uses(self, statements: Block) -> Uses:
        """What statements use themselves."""
        found = set()
        for node in walk(statements):
            if isinstance(node, ast.Subscript):
                among: list[ast.AST] = [node.value] if isinstance(node.value, ast.Name) else []
                if isinstance(node.value, ast.IfExp) or _checks(node.value):
                    among = list(ast.walk(node.value))
                found |= self._named(among, isinstance(node.ctx, ast.Store))
            elif isinstance(node, ast.Call) and not _checks(node):
                method = [node.func.value] if isinstance(node.func, ast.Attribute) else []
                found |= self._named([*node.args, *method], self._writes(node.func))
            elif isinstance(node, ast.For) and isinstance(node.iter, ast.Name | ast.IfExp):
                found |= self._named(list(ast.walk(node.iter)), False)
        return frozenset(found)

    def arrivals(self, statements: Block) -> Uses:
        """The arrays to which copies go, if statements wait for copies, which then arrive there.

        That is a use for what follows only: before the wait, any thread finds the copy's poison.
        """
        calls = (node for node in walk(statements) if isinstance(node, ast.Call))
        return self._copied if any(self._comes_to(node.func, WAIT) for node in calls) else NOTHING

    def _named(self, nodes: Sequence[ast.AST], written: bool) -> set[tuple[str, bool]]:
        names = (node.id for node in nodes if isinstance(node, ast.Name))
        return {(self.arrays[name], written) for name in names if name in self.arrays}

    def _comes_to(self, function: ast.expr, names: frozenset[str]) -> bool:
        """Whether a function is one of these names, or calls one."""
        if isinstance(function, ast.Attribute):
            return function.attr in names
        body = self.functions.get(function.id, []) if isinstance(function, ast.Name) else []
        calls = (node for node in walk(body) if isinstance(node, ast.Call))
        return any(self._comes_to(node.func, names) for node in calls)

    def _writes(self, function: ast.expr) -> bool:
        """Whether a function may write to arrays that it is given."""
        if isinstance(function, ast.Attribute) and function.attr in READS:
            return False
        if not (isinstance(function, ast.Name) and function.id in self.functions):
            return True
        for node in walk(self.functions[function.id]):
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
                return True
            if isinstance(node, ast.Call) and not _checks(node):
                given = any(isinstance(argument, ast.Name) for argument in node.args)
                if given and self._writes(node.func):
                    return True
        return False


def _checks(node: ast.expr) -> bool:
    """Whether this is what the transform makes of an index, or of an array with a constant one."""
    function = node.func if isinstance(node, ast.Call) else None
    return isinstance(function, ast.Attribute) and function.attr in CHECKS
