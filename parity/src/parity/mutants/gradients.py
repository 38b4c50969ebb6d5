"""Find the code of an engine that only gradients depend on, which is the code to mutate."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from .conventions import COTANGENT, EACH, NODE, OP, OPS, PRIMITIVES, PULLBACK


class NothingToJudgeError(ValueError):
    """There is no code to mutate, or none that can be told, or the right code fails the spec."""


@dataclass
class Gradients:
    """Nodes of the syntax trees, by id()."""

    inside: set[int] = field(default_factory=set)  # all code that only gradients depend on
    single: set[int] = field(default_factory=set)  # expressions that are a gradient
    rows: set[int] = field(default_factory=set)  # tuples of one gradient (function) per argument

    def cover(self, code: Iterable[ast.AST]) -> None:
        self.inside.update(id(node) for part in code for node in ast.walk(part))

    def add(self, code: Iterable[ast.AST], results: Iterable[ast.expr]) -> None:
        """Record the code of some gradients, and the gradients themselves."""
        self.cover(code)
        for result in results:
            self.enter(result)

    def enter(self, result: ast.expr) -> None:
        """Record an expression as a gradient, or each gradient in a tuple or conditional."""
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
    """Merge a minus sign and a number into a constant, as in axis=-1."""

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        match node:
            case ast.UnaryOp(ast.USub(), ast.Constant(int(number) | float(number))):
                return ast.copy_location(ast.Constant(-number), node)
        return self.generic_visit(node)


def modules(package: ModuleType) -> dict[str, ast.Module]:
    """The syntax trees of an engine's ops, and of micrograd's primitives."""
    name = getattr(package, "__name__", "")  # torch's adapter has a namespace for a package
    primitives = [f"{name}.{module}" for module in PRIMITIVES]
    wanted = sorted(m for m in sys.modules if m.startswith(f"{name}.{OPS}.") or m in primitives)
    return {module: parse(path(module).read_text(encoding="utf-8")) for module in wanted}


def parse(source: str) -> ast.Module:
    tree: ast.Module = NegativeNumbers().visit(ast.parse(source))
    return tree


def path(module: str) -> Path:
    return Path(sys.modules[module].__file__ or "")


def gradients(trees: Collection[ast.Module]) -> Gradients:
    """Find pullbacks and slopes, then everything that only they use, until nothing is added."""
    found = Gradients()
    definitions: list[tuple[list[int], list[ast.AST]]] = []  # nodes that read a name, and its code
    everywhere = _reads(trees)
    for function in (function for tree in trees for function in functions(tree)):
        _require_pullbacks(function)
        _enter_gradients(function, found)
        if not _is_op(function):  # an op has callers of its own, whatever else is called like it
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
            found.add(_body(node), _results(node))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == NODE:
            found.add(node.args[2:], _slopes(node.args[2:], function))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == EACH:
            for column in node.args[1:]:
                if isinstance(column, ast.Tuple):
                    found.add(column.elts[1:], _slopes(column.elts[1:], function))
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            for element in node.value.elts:
                _enter_pullbacks(element, function, found)


def _is_pullback(node: ast.AST) -> bool:
    """Whether a function is a pullback, by its name or its argument's."""
    if not isinstance(node, ast.FunctionDef | ast.Lambda):
        return False
    takes_cotangent = any(argument.arg == COTANGENT for argument in node.args.args)
    return takes_cotangent or getattr(node, "name", "").startswith(PULLBACK)


def _is_op(function: ast.FunctionDef) -> bool:
    return OP in {ast.unparse(each).partition("(")[0] for each in function.decorator_list}


def _require_pullbacks(function: ast.FunctionDef) -> None:
    """Refuse an op whose pullback does not look like one: its mutants would be overlooked."""
    if not _is_op(function):
        return
    inside = {node.name: node for node in ast.walk(function) if isinstance(node, ast.FunctionDef)}
    for result in _results(function):
        if not isinstance(result, ast.Tuple):
            continue
        last = result.elts[-1]
        for each in last.elts if isinstance(last, ast.Tuple) else [last]:
            returned = inside.get(each.id) if isinstance(each, ast.Name) else each
            if isinstance(returned, ast.FunctionDef | ast.Lambda) and not _is_pullback(returned):
                first, *_ = ast.unparse(returned).splitlines()
                raise NothingToJudgeError(
                    f"{function.name} returns a pullback that does not take {COTANGENT}: {first}"
                )


def _enter_pullbacks(value: ast.expr, function: ast.FunctionDef, found: Gradients) -> None:
    """Record a tuple of pullbacks among an op's return values."""
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
    """The return values of a function, but not of functions inside it."""
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
    """The expressions of slopes behind these values: follows names, calls and conditionals."""
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
    """The names that a function defines, with the code that they are bound to."""
    for node in ast.walk(function):
        if isinstance(node, ast.FunctionDef) and node is not function:
            yield [node.name], _body(node)
        elif isinstance(node, ast.Assign):
            parts = [part for target in node.targets for part in ast.walk(target)]
            if all(isinstance(part, ast.Name | ast.Tuple | ast.expr_context) for part in parts):
                yield [part.id for part in parts if isinstance(part, ast.Name)], [node.value]


def _reads(scopes: Iterable[ast.AST]) -> dict[str, list[int]]:
    """The nodes that read each name, as a variable or as an attribute."""
    found: dict[str, list[int]] = defaultdict(list)
    for scope in scopes:
        for node in ast.walk(scope):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found[node.id].append(id(node))
            elif isinstance(node, ast.Attribute):
                found[node.attr].append(id(node))
    return found
