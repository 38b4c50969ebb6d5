"""Which values are the same in every thread of a block, as far as that can be proven.

Statements here are those that transform made. Uniform is what is computed from number arguments,
shapes, block coordinates and constants alone. What is read from memory never counts as uniform, and
what a device function returns only if that function uses neither memory nor thread coordinates.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

ABOUT_ARRAYS = {"shape", "size", "ndim", "dtype"}
ABOUT_BLOCKS = {"blockIdx", "blockDim", "gridDim", "record"}
VOTES = {"syncthreads_count", "syncthreads_and", "syncthreads_or"}
UNIFORM_CALLS = {  # of runtime, warps
    *("checked", "gridsize1", "gridsize2", "gridsize3", "turned_together"),
    *VOTES,
}
LIBRARIES = {"_math", "_numpy"}
ARITHMETIC = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Tuple)
SYMBOLS = (ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context)

Block = Sequence[ast.stmt]


class Uniformity:
    """What is known of the local names of a function, after a look at all of its statements."""

    def __init__(
        self,
        body: Block,
        arrays: set[str],
        tuples: set[str],
        functions: Mapping[str, Block],
    ) -> None:
        """arrays, tuples: parameters that are such; functions: the bodies of device functions."""
        self.tuples = tuples
        self.functions = functions
        self.arrays = _aliases(body, arrays)  # every name of an array, and the array's own
        self.varying: set[str] = set()
        known = -1
        while known < len(self.varying):  # what varies makes more vary, until nothing changes
            known = len(self.varying)
            self._mark(body)

    def _mark(self, statements: Block) -> None:
        for statement in statements:
            if not is_control(statement):
                if not self.statement(statement):
                    self.varying |= stored(statement)
                continue
            if isinstance(statement, ast.For) and not self.expression(statement.iter):
                self.varying |= stored(statement.target)
            for part in blocks(statement):
                self._mark(part)

    def statement(self, node: ast.stmt) -> bool:
        """Whether a statement does nothing but give uniform values to uniform names."""
        targets = getattr(node, "targets", [getattr(node, "target", ast.Tuple([]))])
        if any(isinstance(part, ast.Subscript) for target in targets for part in ast.walk(target)):
            return False
        names = set().union(*map(stored, targets))
        if names & self.arrays.keys():
            return isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)
        if names & self.varying:
            return False
        match node:
            case ast.Assign() | ast.AugAssign():
                known = self.expression(node.value)
            case ast.Return():
                known = node.value is None or self.expression(node.value)
            case ast.If() | ast.While():
                known = self.expression(node.test)
            case ast.For():
                known = self.expression(node.iter)
            case _:
                known = isinstance(node, ast.Pass | ast.Break | ast.Continue)
        return known and all(self.statement(part) for block in blocks(node) for part in block)

    def expression(self, node: ast.AST) -> bool:
        """Whether an expression has the same value in all threads."""
        match node:
            case ast.Name(id=name):
                return name not in self.varying and name not in self.arrays
            case ast.Attribute(value=ast.Name(id="_thread"), attr=name):
                return name in ABOUT_BLOCKS
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                about = attribute in ABOUT_ARRAYS and name not in self.varying
                return about or name in LIBRARIES or self.expression(node.value)
            case ast.Attribute():
                return self.expression(node.value)
            case ast.Subscript(value=ast.Name(id=name)):
                return name in self.tuples and self.expression(node.slice)
            case ast.Subscript(value=ast.Attribute(attr="shape")):
                return self.expression(node.value) and self.expression(node.slice)
            case ast.Subscript(
                value=ast.Call(func=ast.Attribute(attr="holding"), args=[ast.Name(id=name), *_])
            ):
                return name in self.tuples
            case ast.Subscript(value=ast.Call(args=arguments)):  # of numbers a tuple of numbers
                numbers = not any(getattr(part, "id", "") in self.arrays for part in arguments)
                return numbers and self.expression(node.value) and self.expression(node.slice)
            case ast.Call():
                return self._call(node)
        if isinstance(node, ARITHMETIC):
            return all(map(self.expression, ast.iter_child_nodes(node)))
        return isinstance(node, (ast.Constant, *SYMBOLS))

    def _call(self, node: ast.Call) -> bool:
        parts: list[ast.AST] = [*node.args, *(keyword.value for keyword in node.keywords)]
        match node.func:
            case ast.Attribute(value=ast.Name(id="_runtime" | "_warps"), attr=name):
                if name not in UNIFORM_CALLS:
                    return False
                parts = parts[1:2]  # of checked the index; the other numbers are generated
            case ast.Name(id=name) if name in self.functions:
                if not self._is_pure(name):
                    return False
                parts = [part for part in parts if not self._is_handle(part)]
            case ast.Name(id="len"):
                parts = [part for part in parts if not self._is_handle(part)]
            case ast.Name():  # of a builtin, or of a type
                parts.append(node.func)
            case _:
                parts.append(node.func)
        return all(map(self.expression, parts))

    def _is_handle(self, node: ast.AST) -> bool:
        """Whether this is an array, or the hidden argument, as a whole."""
        return isinstance(node, ast.Name) and (node.id in self.arrays or node.id == "_thread")

    def _is_pure(self, name: str) -> bool:
        """Whether a device function makes uniform values of uniform ones."""
        body = self.functions[name]
        inside = Uniformity(body, set(), set(), self.functions)
        return all(map(inside.statement, body))


def _aliases(body: Block, arrays: set[str]) -> dict[str, str]:
    """The names of arrays, with the array each stands for; one is given to a name only once."""
    found = {name: name for name in arrays}
    names = [n.id for n in walk(body) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    for node in walk(body):
        match node:
            case ast.Assign(targets=[ast.Name(id=new)], value=ast.Name(id=old)) if old in found:
                if names.count(new) == 1:
                    found[new] = found[old]
    return found


def walk(body: Block) -> Iterator[ast.AST]:
    """All nodes, each statement before those that follow it."""
    for statement in body:
        yield statement
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.stmt):
                yield from walk([child])
            else:
                yield from ast.walk(child)


def blocks(node: ast.stmt) -> list[list[ast.stmt]]:
    """The blocks of a compound statement."""
    return [getattr(node, name) for name in ("body", "orelse") if getattr(node, name, None)]


def quote(node: ast.stmt) -> str:
    """A statement's first line, and where it came from, for messages."""
    line = ast.unparse(ast.fix_missing_locations(node)).splitlines()[0]
    return f"`{line}` ({node.origin})" if hasattr(node, "origin") else f"`{line}`"


def is_barrier(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield)


def is_warp_barrier(node: ast.stmt) -> bool:
    """Whether only the threads of a warp wait for each other."""
    return is_barrier(node) and isinstance(node.value.value, ast.UnaryOp)  # type: ignore[attr-defined]


def is_control(node: ast.stmt) -> bool:
    """Whether all threads of a block must go through a statement together.

    It has a barrier in it, or leaves a loop that has; asked of a statement outside all other loops.
    """
    return any(isinstance(part, ast.Yield) for part in ast.walk(node)) or _jumps(node)


def _jumps(node: ast.stmt) -> bool:
    if isinstance(node, ast.For | ast.While):
        return False
    if isinstance(node, ast.Break | ast.Continue):
        return True
    return any(_jumps(part) for block in blocks(node) for part in block)


def stored(node: ast.AST) -> set[str]:
    """The names that are given a value."""
    names = (part for part in ast.walk(node) if isinstance(part, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Store)}
