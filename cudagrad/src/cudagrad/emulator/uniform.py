"""Which values are uniform, the same in every thread of a block, as far as that can be proven.

Statements here are those that transform made. Uniform is what is computed from number arguments,
shapes, block coordinates and constants alone:

    half = _thread.blockDim.x // 2    uniform
    t = _thread.threadIdx.x           varies
    mine = t < half                   varies, because t does
    first = x[0]                      varies, as far as is known: it is read from memory

What is read from memory never counts as uniform, and what a device function returns only if that
function uses neither memory nor thread coordinates. A name is uniform if all that it is ever given
is: `varying` holds those that are not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence

from .module import Callee
from .trees import Block, blocks, is_control, stored, walk

ABOUT_ARRAYS = {"shape", "size", "ndim", "dtype"}
ABOUT_BLOCKS = {"blockIdx", "blockDim", "gridDim", "record"}
VOTES = {"syncthreads_count", "syncthreads_and", "syncthreads_or"}
UNIFORM_CALLS = {  # of runtime, warps
    *("checked", "gridsize1", "gridsize2", "gridsize3", "turned_together"),
    *VOTES,
}
LIBRARIES = {"_instructions", "_libdevice", "_math", "_numpy"}
ARITHMETIC = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Tuple)
SYMBOLS = (ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context)


class Uniformity:
    """What is known of the local names of a function, after a look at all of its statements."""

    def __init__(
        self,
        body: Block,
        arrays: Mapping[str, str],
        tuples: set[str],
        functions: Iterable[Callee],
    ) -> None:
        """arrays: parameters that are such, or tuples of some; tuples: those that are of numbers.

        Each array comes with a name for the memory that it lies in.
        """
        self.tuples = tuples
        self.functions = {function.name: function for function in functions}
        self.arrays = _aliases(body, arrays)  # of every name of an array the memory
        self.varying: set[str] = set()
        known = -1
        while known < len(self.varying):  # what varies makes more vary, until nothing changes
            known = len(self.varying)
            self._mark(body)

    def _mark(self, statements: Block) -> None:
        """Add the names to which these statements give values that vary."""
        for statement in statements:
            if not is_control(statement):
                if not self.sets_uniform(statement):
                    self.varying |= stored(statement)
                continue
            if isinstance(statement, ast.For) and not self.is_uniform(statement.iter):
                self.varying |= stored(statement.target)
            for part in blocks(statement):
                self._mark(part)

    def sets_uniform(self, node: ast.stmt) -> bool:
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
                known = self.is_uniform(node.value)
            case ast.Return():
                known = node.value is None or self.is_uniform(node.value)
            case ast.If() | ast.While():
                known = self.is_uniform(node.test)
            case ast.For():
                known = self.is_uniform(node.iter)
            case _:
                known = isinstance(node, ast.Pass | ast.Break | ast.Continue)
        return known and all(self.sets_uniform(part) for block in blocks(node) for part in block)

    def is_uniform(self, node: ast.AST) -> bool:
        """Whether an expression has the same value in all threads."""
        match node:
            case ast.Name(id=name):
                return name not in self.varying and name not in self.arrays
            case ast.Attribute(value=ast.Name(id="_thread"), attr=name):
                return name in ABOUT_BLOCKS
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                about = attribute in ABOUT_ARRAYS and name not in self.varying
                return about or name in LIBRARIES or self.is_uniform(node.value)
            case ast.Attribute():
                return self.is_uniform(node.value)
            case ast.Subscript():
                return self._subscript(node)
            case ast.Call():
                return self._call(node)
        if isinstance(node, ARITHMETIC):
            return all(map(self.is_uniform, ast.iter_child_nodes(node)))
        return isinstance(node, (ast.Constant, *SYMBOLS))

    def _subscript(self, node: ast.Subscript) -> bool:
        """An element of a shape, or of a tuple of numbers; never one of an array."""
        match node.value:
            case ast.Name(id=name):
                return name in self.tuples and self.is_uniform(node.slice)
            case ast.Attribute(attr="shape"):
                return self.is_uniform(node.value) and self.is_uniform(node.slice)
            case ast.Call(func=ast.Attribute(attr="holding"), args=[ast.Name(id=name), *_]):
                return name in self.tuples
            case ast.Call(args=arguments):  # of numbers a tuple of numbers
                numbers = not any(getattr(part, "id", "") in self.arrays for part in arguments)
                return numbers and self.is_uniform(node.value) and self.is_uniform(node.slice)
        return False

    def _call(self, node: ast.Call) -> bool:
        parts: list[ast.AST] = [*node.args, *(keyword.value for keyword in node.keywords)]
        match node.func:
            case ast.Attribute(value=ast.Name(id="_runtime" | "_warps"), attr=name):
                if name not in UNIFORM_CALLS:
                    return False
                parts = parts[1:2]  # of checked the index; the other numbers are generated
            case ast.Name(id=name) if name in self.functions:
                if not self._is_pure(self.functions[name], parts):
                    return False
                parts = [part for part in parts if not self._is_handle(part)]
            case ast.Name(id="len"):
                parts = [part for part in parts if not self._is_handle(part)]
            case _:
                parts.append(node.func)
        return all(map(self.is_uniform, parts))

    def _is_handle(self, node: ast.AST) -> bool:
        """Whether this is an array, or the hidden argument, as a whole."""
        return isinstance(node, ast.Name) and (node.id in self.arrays or node.id == "_thread")

    def _is_pure(self, function: Callee, given: Sequence[ast.AST]) -> bool:
        """Whether a device function makes uniform values of uniform ones, and of arrays' shapes."""
        pairs = zip(function.parameters[1:], given[1:], strict=True)
        arrays = {name: name for name, part in pairs if self._is_handle(part)}
        inside = Uniformity(function.body, arrays, set(), self.functions.values())
        return all(map(inside.sets_uniform, function.body))


def _aliases(body: Block, arrays: Mapping[str, str]) -> dict[str, str]:
    """The names of arrays, with the memory of each; an array is given to a name only once."""
    found = dict(arrays)
    names = [n.id for n in walk(body) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    for node in walk(body):
        match node:
            case ast.Assign(targets=[ast.Name(id=new)], value=ast.Name(id=old)) if old in found:
                if names.count(new) == 1:
                    found[new] = found[old]
    return found
