"""Which code of an engine only its gradients depend on: what mutants are made of."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType


@dataclass
class Gradients:
    """Nodes of the syntax trees, by their ids.

    inside: of all code that only gradients depend on. single: expressions that are a gradient.
    rows: tuples that hold one gradient for each argument, or the functions that compute them.
    """

    inside: set[int] = field(default_factory=set)
    single: set[int] = field(default_factory=set)
    rows: set[int] = field(default_factory=set)

    def cover(self, code: Iterable[ast.AST]) -> None:
        self.inside.update(id(node) for part in code for node in ast.walk(part))

    def enter(self, result: ast.expr) -> None:
        """Note a gradient down, or each of those that a tuple or a choice consists of."""
        if isinstance(result, ast.Tuple | ast.List):
            self.rows.add(id(result))
            for element in result.elts:
                self.enter(element)
        elif isinstance(result, ast.IfExp):
            self.enter(result.body)
            self.enter(result.orelse)
        elif not isinstance(result, ast.Starred):
            self.single.add(id(result))


class NegativeNumbers(ast.NodeTransformer):
    """Makes one number of a minus sign and a number, as in axis=-1."""

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        match node:
            case ast.UnaryOp(ast.USub(), ast.Constant(int(number) | float(number))):
                return ast.copy_location(ast.Constant(-number), node)
        return self.generic_visit(node)


def modules(package: ModuleType) -> dict[str, ast.Module]:
    """The source of an engine's families of ops, and of its primitives if it has any."""
    name = getattr(package, "__name__", "")  # torch's adapter has a package of its own making
    primitives = (f"{name}.scalar", f"{name}.rowwise")
    wanted = sorted(m for m in sys.modules if m.startswith(f"{name}.ops.") or m in primitives)
    return {module: parse(path(module).read_text(encoding="utf-8")) for module in wanted}


def parse(source: str) -> ast.Module:
    tree: ast.Module = NegativeNumbers().visit(ast.parse(source))
    return tree


def path(module: str) -> Path:
    return Path(sys.modules[module].__file__ or "")


def gradients(trees: Collection[ast.Module]) -> Gradients:
    """The pullbacks, the slopes, and then whatever is defined for the use of these alone."""
    found = Gradients()
    definitions: list[tuple[list[int], list[ast.AST]]] = []  # where it is read, and the code
    everywhere = _reads(trees)
    for function in (function for tree in trees for function in functions(tree)):
        _enter_gradients(function, found)
        definitions.append((everywhere[function.name], _body(function)))
        inside = _reads([function])
        for names, code in _definitions(function):
            definitions.append(([read for name in names for read in inside[name]], code))
    covered = -1
    while covered < len(found.inside):
        covered = len(found.inside)
        for reads, code in definitions:
            if reads and found.inside.issuperset(reads):
                found.cover(code)
    return found


def functions(tree: ast.Module) -> list[ast.FunctionDef]:
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


def _enter_gradients(function: ast.FunctionDef, found: Gradients) -> None:
    for node in ast.walk(function):
        if _is_pullback(node):
            found.cover(_body(node))
            for result in _results(node):
                found.enter(result)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "node":  # micrograd's
            found.cover(node.args[2:])
            for result in _slopes(node.args[2:], function):
                found.enter(result)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "each":  # of rows
            for column in node.args[1:]:
                if isinstance(column, ast.Tuple):
                    found.cover(column.elts[1:])
                    for result in _slopes(column.elts[1:], function):
                        found.enter(result)
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            for element in node.value.elts:
                _enter_pullbacks(element, function, found)


def _is_pullback(node: ast.AST) -> bool:
    """By the names that the engines have for one: it takes dout, or is called pullback."""
    if not isinstance(node, ast.FunctionDef | ast.Lambda):
        return False
    takes_dout = any(argument.arg == "dout" for argument in node.args.args)
    return takes_dout or getattr(node, "name", "").startswith("pullback")


def _enter_pullbacks(value: ast.expr, function: ast.FunctionDef, found: Gradients) -> None:
    """Note down a tuple of pullbacks in what an op returns."""
    named = {node.name for node in ast.walk(function) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(value):
        if isinstance(node, ast.Tuple):
            for element in node.elts:
                if isinstance(element, ast.Lambda) or getattr(element, "id", "") in named:
                    found.rows.add(id(node))


def _body(function: ast.AST) -> list[ast.AST]:
    body = function.body if isinstance(function, ast.FunctionDef | ast.Lambda) else []
    return list(body) if isinstance(body, list) else [body]


def _results(function: ast.AST) -> Iterator[ast.expr]:
    """What a function returns; not what the functions in it do."""
    if isinstance(function, ast.Lambda):
        yield function.body
    waiting = _body(function)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Return) and node.value is not None:
            yield node.value
        elif not isinstance(node, ast.FunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def _slopes(values: Iterable[ast.expr], function: ast.FunctionDef) -> Iterator[ast.expr]:
    """The tuple of slopes that an expression stands for, or what each of them is."""
    for value in values:
        match value:
            case ast.Tuple() | ast.List():
                yield value
            case ast.ListComp() | ast.GeneratorExp():
                yield value.elt
            case ast.IfExp():
                yield from _slopes([value.body, value.orelse], function)
            case ast.BinOp():
                yield from _slopes([value.left], function)
            case ast.Call():
                yield from _slopes(value.args, function)
            case ast.Name():
                for node in ast.walk(function):
                    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == value.id:
                        yield from _slopes([node.value], function)


def _definitions(function: ast.FunctionDef) -> Iterator[tuple[list[str], list[ast.AST]]]:
    """Names that a function gives, and the code of what it gives them to."""
    for node in ast.walk(function):
        if isinstance(node, ast.FunctionDef) and node is not function:
            yield [node.name], _body(node)
        elif isinstance(node, ast.Assign):
            parts = [part for target in node.targets for part in ast.walk(target)]
            if all(isinstance(part, ast.Name | ast.Tuple | ast.expr_context) for part in parts):
                yield [part.id for part in parts if isinstance(part, ast.Name)], [node.value]


def _reads(scopes: Iterable[ast.AST]) -> dict[str, list[int]]:
    """The nodes that read a name, or an attribute of that name, by the name."""
    found: dict[str, list[int]] = defaultdict(list)
    for scope in scopes:
        for node in ast.walk(scope):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found[node.id].append(id(node))
            elif isinstance(node, ast.Attribute):
                found[node.attr].append(id(node))
    return found
