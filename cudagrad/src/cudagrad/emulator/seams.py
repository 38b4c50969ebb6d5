"""Finds where the cuts of fission would hide that a barrier is missing.

After a cut all threads of a block wait for each other at the end of every stretch, even where the
kernel has no barrier: before and after a loop with barriers, between two of its iterations, and
where only the threads of a warp wait. At such a seam threads of a GPU may be on both sides at the
same time. That is harmless if no array that one side writes is used on the other; otherwise a
kernel that lacks a barrier would pass here and fail there, so it must not be cut. Loops are assumed
to run at least once.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import NamedTuple

from .fission import Branch, Part, Stretch
from .uniform import Block, Uniformity, is_barrier, is_warp_barrier, quote, walk

Access = frozenset[tuple[str, bool]]  # arrays by name, and whether they are written
NOTHING: Access = frozenset()
COPY = frozenset({"copy_async4", "copy_async8"})
WAIT = frozenset({"wait_but_latest"})


class Span(NamedTuple):
    """What a part does to arrays up to its first barrier, and after its last one."""

    ahead: Access
    behind: Access
    is_open: bool = True  # whether there is a way through without a barrier


class Loop:
    """What threads may have done since a barrier where they leave a loop, or begin its next round.

    leave_open: whether they may leave without having come to a barrier.
    """

    def __init__(self) -> None:
        self.leave, self.again, self.leave_open = NOTHING, NOTHING, False


class Seams:
    """Looks for a seam that matters; found: one in words, or nothing."""

    def __init__(self, parts: list[Part], uniform: Uniformity, body: Block) -> None:
        """parts: those of a kernel's body."""
        self.uniform = uniform
        self.copied = self._copied(body)
        self.found = ""
        self._block(parts, NOTHING, Loop())

    def _block(self, parts: list[Part], before: Access, loop: Loop) -> Span:
        """before: what threads may have done since a barrier; loop: the one around the parts."""
        ahead, behind, is_open = NOTHING, NOTHING, True
        for part in parts:
            since = behind | before if is_open else behind
            if isinstance(part, ast.Break):
                loop.leave, loop.leave_open = loop.leave | since, loop.leave_open or is_open
                return Span(ahead, NOTHING, False)
            if isinstance(part, ast.Continue):
                loop.again |= since
                return Span(ahead, NOTHING, False)
            if isinstance(part, Stretch):
                access = self._access(part.statements)
                span = Span(access, access | self._arrived(part.statements))
            elif isinstance(part, Branch):
                span = self._branch(part, since, loop)
            else:
                of_block = is_barrier(part) and not is_warp_barrier(part)
                span = Span(NOTHING, NOTHING, not of_block)
            self._check(behind, span.ahead, part)
            ahead |= span.ahead if is_open else NOTHING
            behind = behind | span.behind if span.is_open else span.behind
            is_open = is_open and span.is_open
        return Span(ahead, behind, is_open)

    def _branch(self, part: Branch, before: Access, around: Loop) -> Span:
        if isinstance(part.node, ast.If):
            body = self._block(part.body, before, around)
            orelse = self._block(part.orelse, before, around)
            ahead, behind = body.ahead | orelse.ahead, body.behind | orelse.behind
            return Span(ahead, behind, body.is_open or orelse.is_open)
        loop = Loop()
        body = self._block(part.body, before, loop)
        self._check(body.behind | loop.again, body.ahead, part)
        behind = body.behind | loop.again | loop.leave
        return Span(body.ahead, behind, body.is_open or loop.leave_open)

    def _check(self, before: Access, after: Access, part: Part) -> None:
        written = {name for name, is_written in before | after if is_written}
        common = {name for name, _ in before} & {name for name, _ in after} & written
        if common and not self.found:
            node = part.statements[0] if isinstance(part, Stretch) else part
            where = quote(node.node if isinstance(node, Branch) else node)
            self.found = f"no barrier keeps apart what uses {min(common)} before and in {where}"

    def _access(self, statements: Block) -> Access:
        """The arrays that statements use; those of one thread alone do not count."""
        found = set()
        for node in walk(statements):
            if isinstance(node, ast.Subscript):
                among: list[ast.AST] = [node.value] if isinstance(node.value, ast.Name) else []
                if isinstance(node.value, ast.IfExp) or _checks(node.value):
                    among = list(ast.walk(node.value))
                found |= self._names(among, isinstance(node.ctx, ast.Store))
            elif isinstance(node, ast.Call) and not _checks(node):
                found |= self._names(node.args, self._writes(node.func))
        return frozenset(found)

    def _copied(self, body: Block) -> Access:
        """The arrays to which copies may be on their way."""
        calls = (node for node in walk(body) if isinstance(node, ast.Call))
        copying = (node for node in calls if self._comes_to(node.func, COPY))
        return NOTHING.union(*(self._names(node.args, True) for node in copying))

    def _arrived(self, statements: Block) -> Access:
        """The arrays that a thread writes by waiting.

        Only what comes behind it matters: who looks ahead of it finds what the copy has left.
        """
        calls = (node for node in walk(statements) if isinstance(node, ast.Call))
        return self.copied if any(self._comes_to(node.func, WAIT) for node in calls) else NOTHING

    def _comes_to(self, function: ast.expr, names: frozenset[str]) -> bool:
        """Whether a function is one of these names, or calls one."""
        if isinstance(function, ast.Attribute):
            return function.attr in names
        body = self.uniform.functions.get(function.id, []) if isinstance(function, ast.Name) else []
        calls = (node for node in walk(body) if isinstance(node, ast.Call))
        return any(self._comes_to(node.func, names) for node in calls)

    def _names(self, nodes: Sequence[ast.AST], written: bool) -> set[tuple[str, bool]]:
        names = (node.id for node in nodes if isinstance(node, ast.Name))
        return {(self.uniform.arrays[n], written) for n in names if n in self.uniform.arrays}

    def _writes(self, function: ast.expr) -> bool:
        """Whether a function may write to arrays that it is given."""
        if isinstance(function, ast.Attribute) and function.attr == "load4":
            return False
        if not (isinstance(function, ast.Name) and function.id in self.uniform.functions):
            return True
        for node in walk(self.uniform.functions[function.id]):
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
    return isinstance(function, ast.Attribute) and function.attr in ("checked", "holding", "within")
