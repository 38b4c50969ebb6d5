"""Make every mutant of an engine's gradients: the same code with one thing wrong."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ..spec import BY_NAME
from .conventions import (
    APPLY,
    ASSERTION,
    AXES,
    COMMUTATIVE,
    CONTAINERS,
    NAUGHT,
    OMITTED,
    OPS,
    PAIRS,
    PRODUCTS,
)
from .gradients import Gradients, functions, gradients, modules

Wrong = tuple[str, ast.AST]  # the kind of mutation, and the new node


@dataclass(frozen=True)
class Mutant:
    """One mutation of a function."""

    module: str
    function: str
    within: str  # qualified name of the innermost function around the mutation
    line: int
    kind: str
    original: str  # the statement or lambda around it, before and after
    mutated: str
    source: str  # the whole function, mutated

    @property
    def op(self) -> str | None:
        """The name of the op, if the function is one."""
        return self.function if f".{OPS}." in self.module and self.function in BY_NAME else None


def mutants(package: ModuleType) -> list[Mutant]:
    """All mutants of an engine, in the order of its source."""
    trees = modules(package)
    found = gradients(trees.values())
    return [
        mutant
        for module, tree in trees.items()
        for mutator in [Mutator(module, tree, found)]
        for function in functions(tree)
        for mutant in mutator.mutants(function)
    ]


@dataclass
class Place:
    """Where a node is in a syntax tree."""

    parent: ast.AST
    field: str
    index: int | None  # if the field is a list
    node: Any
    within: str  # qualified name of the innermost function around it
    shown: Callable[[], str]  # the current text of the statement or lambda around it

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


class Mutator:
    """Puts wrong nodes into the syntax tree of a module, one at a time."""

    def __init__(self, module: str, tree: ast.Module, found: Gradients) -> None:
        self.module, self.found = module, found
        self.imported = {
            alias.asname or alias.name
            for node in tree.body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }

    def mutants(self, function: ast.FunctionDef) -> Iterator[Mutant]:
        name = function.name
        function.decorator_list = []  # only the code object is replaced, inside the decorators
        seen = {ast.unparse(function)}
        for place in _places(function, name, str):
            original = place.shown()
            for kind, node in self.wrong(place.node):
                place.put(node)
                source, line, mutated = ast.unparse(function), place.node.lineno, place.shown()
                if source not in seen:
                    seen.add(source)
                    yield Mutant(
                        self.module, name, place.within, line, kind, original, mutated, source
                    )
            place.put(place.node)

    def wrong(self, node: Any) -> Iterator[Wrong]:
        if id(node) in self.found.single and not _is_zero(node):
            for kind, factor in (("sign flipped", -1), ("twice", 2), ("half", 0.5), ("zero", 0)):
                yield kind, self.product(node, factor)
            yield "None", ast.Constant(None)
        if id(node) in self.found.rows:
            for elements in _exchanged(node.elts):
                yield "gradients swapped", ast.Tuple(elements, ast.Load())
            for i in range(len(node.elts)):
                rest = [*node.elts[:i], ast.Constant(None), *node.elts[i + 1 :]]
                yield "None", ast.Tuple(rest, ast.Load())
        if id(node) in self.found.inside:
            yield from _wrong(node)
            if isinstance(node, ast.Call):
                yield from self.wrong_calls(node)

    def product(self, gradient: ast.expr, factor: float) -> ast.expr:
        """factor times gradient, written as the module's functions write products."""
        text = next(text for needed, text in PRODUCTS if needed <= self.imported)
        text = text.format(gradient=ast.unparse(gradient), factor=factor)
        return ast.parse(text, mode="eval").body

    def wrong_calls(self, call: ast.Call) -> Iterator[Wrong]:
        """Swap arguments, leave out an axis, or replace the call by one of its arguments."""
        called = _name(call.func)
        if called == APPLY:
            called = _name(call.args[0])
        if called in CONTAINERS:
            return
        if called not in COMMUTATIVE and not any(map(_is_text, call.args)):
            for args in _exchanged(call.args):
                yield "arguments swapped", ast.Call(call.func, args, call.keywords)
        for i, keyword in enumerate(call.keywords):
            if keyword.arg in AXES:
                rest = [*call.keywords[:i], *call.keywords[i + 1 :]]
                yield f"{keyword.arg} left out", ast.Call(call.func, call.args, rest)
        what = next((what for what, names in OMITTED.items() if called in names), "call omitted")
        receiver = [call.func.value] if isinstance(call.func, ast.Attribute) else []
        for part in (*receiver, *call.args):
            if isinstance(part, ast.Constant | ast.Tuple | ast.Starred):
                continue
            if ast.unparse(part).partition(".")[0] not in self.imported:  # np, math.pi, f.mul
                yield what, part


EXCHANGED: dict[type, Any] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
EDGES: dict[type, Any] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
OPPOSITES: dict[type, Any] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
SIBLINGS = dict([*PAIRS, *(pair[::-1] for pair in PAIRS)])


def _wrong(node: ast.AST) -> Iterator[Wrong]:
    """The mutations of a node: wrong operators, operands, constants, conditions and so on."""
    match node:
        case ast.BinOp(left, op, right):
            if other := EXCHANGED.get(type(op)):
                yield "operator changed", ast.BinOp(left, other(), right)
            if isinstance(op, ast.Sub | ast.Div | ast.MatMult | ast.Pow):
                yield "operands swapped", ast.BinOp(right, op, left)
            if isinstance(op, ast.MatMult):
                yield "transposed", ast.BinOp(_transposed(left), op, right)
                yield "transposed", ast.BinOp(left, op, _transposed(right))
            else:
                what = "term dropped" if isinstance(op, ast.Add | ast.Sub) else "factor dropped"
                yield what, left
                yield what, ast.UnaryOp(ast.USub(), right) if isinstance(op, ast.Sub) else right
        case ast.UnaryOp(_, operand):
            yield "sign flipped", operand
        case ast.BoolOp(op, values):
            yield "condition changed", ast.BoolOp(EXCHANGED[type(op)](), values)
        case ast.Compare(left, [op], right):
            if edge := EDGES.get(type(op)):
                yield "comparison changed", ast.Compare(left, [edge()], right)
            yield "condition inverted", ast.Compare(left, [OPPOSITES[type(op)]()], right)
        case ast.IfExp(test, body, orelse):
            yield "condition inverted", ast.IfExp(test, orelse, body)
        case ast.If(test, body, orelse):
            yield "condition inverted", ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Constant(bool(value)):
            yield "constant changed", ast.Constant(not value)
        case ast.Constant(int(value) | float(value)):
            yield "constant changed", ast.Constant(value + 1 if value % 1 == 0 else 2 * value)
            if value < 0:
                yield "sign flipped", ast.Constant(-value)
        case ast.Attribute(value, "T" | "mT"):
            yield "transposition omitted", value
        case ast.Attribute(value, name) if name in SIBLINGS:
            yield "function changed", ast.Attribute(value, SIBLINGS[name], ast.Load())
        case ast.Subscript(value, _, ast.Load()):
            yield "index omitted", value
        case ast.AugAssign(target, op, value):
            if other := EXCHANGED.get(type(op)):
                yield "operator changed", ast.AugAssign(target, other(), value)
            yield "statement omitted", ast.Pass()
        case ast.Expr(ast.Call()) | ast.Assign([ast.Subscript()]):
            yield "statement omitted", ast.Pass()


def _is_zero(gradient: ast.expr) -> bool:
    """Whether a gradient is zero anyway, so that it can be left out."""
    return isinstance(gradient, ast.Call) and _name(gradient.func) in NAUGHT


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _transposed(matrix: ast.expr) -> ast.expr:
    return ast.parse(f"({ast.unparse(matrix)}).swapaxes(-1, -2)", mode="eval").body


def _exchanged(nodes: list[ast.expr]) -> Iterator[list[ast.expr]]:
    """The list with each pair of neighbours swapped, in turn."""
    for i in range(len(nodes) - 1):
        yield [*nodes[:i], nodes[i + 1], nodes[i], *nodes[i + 2 :]]


def _name(called: ast.expr) -> str:
    return ast.unparse(called).rpartition(".")[2]


def _places(node: ast.AST, within: str, shown: Callable[[], str]) -> Iterator[Place]:
    """Every place of an expression or a statement below node."""
    for field, value in ast.iter_fields(node):
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.expr | ast.stmt | ast.comprehension | ast.keyword):
                continue
            if isinstance(child, ast.keyword) and child.arg == ASSERTION:
                continue  # as in zip(…, strict=True)
            inner = within
            if isinstance(child, ast.stmt):
                shown = _text_at(value, index)
            yield Place(node, field, index, child, within, shown)
            if isinstance(child, ast.FunctionDef | ast.Lambda):
                inner = f"{within}.<locals>.{getattr(child, 'name', '<lambda>')}"
            lambdas = _text_at([child], 0) if isinstance(child, ast.Lambda) else shown
            yield from _places(child, inner, lambdas)


def _text_at(nodes: list[ast.AST], index: int | None) -> Callable[[], str]:
    def text() -> str:
        node = nodes[index or 0]
        return f"if {ast.unparse(node.test)}" if isinstance(node, ast.If) else ast.unparse(node)

    return text
