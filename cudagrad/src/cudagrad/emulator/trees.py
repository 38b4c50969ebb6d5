"""Pieces of syntax trees: made, walked through, asked about."""

from __future__ import annotations

import ast
import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

Block = Sequence[ast.stmt]

# Made


def parse(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def call(function: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(parse(function), list(arguments), [])


def assign(name: ast.Name, value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name.id, ast.Store())], value)


def with_blocks(node: Any, body: Block, orelse: Block) -> ast.stmt:
    """A compound statement with other blocks."""
    new = copy.copy(node)
    new.body, new.orelse = list(body) or [ast.Pass()], list(orelse)
    return new


# Expressions


def parts(index: ast.expr) -> list[ast.expr]:
    return index.elts if isinstance(index, ast.Tuple) else [index]


def is_constant(index: ast.expr) -> bool:
    """Whether a part of an index is written as a number, which may be negative."""
    number = index.operand if isinstance(index, ast.UnaryOp) else index
    return isinstance(number, ast.Constant)


def known(test: ast.expr) -> bool | None:
    """Whether a test holds, if its constants alone decide that; else None."""
    match test:
        case ast.Constant(value=value):
            return bool(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            found = known(operand)
            return None if found is None else not found
        case ast.BoolOp(op=op, values=values):
            decides, each = isinstance(op, ast.Or), [known(value) for value in values]
            return decides if decides in each else None if None in each else not decides
        case ast.Compare(left=left, comparators=others) if all(
            isinstance(part, ast.Constant) for part in (left, *others)
        ):
            with contextlib.suppress(TypeError):
                return bool(eval(ast.unparse(test)))
    return None


def is_repeatable(array: ast.expr) -> bool:
    """Whether an array may be asked for twice: x, x[i], x.T, but not what a function makes."""
    return not any(isinstance(part, ast.Call) for part in ast.walk(array))


def from_front(array: ast.expr, index: ast.expr) -> ast.expr:
    """An index of several parts, of which those written as -1 and the like count from the front.

    Slices are given as calls, since this may become an argument.
    """
    if not isinstance(index, ast.Tuple):
        return index
    counted: list[ast.expr] = []
    for axis, part in enumerate(index.elts):
        match part:
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
                size = parse(f"{ast.unparse(array)}.shape[{axis}]")
                counted.append(ast.BinOp(size, ast.Add(), part))
            case ast.Slice(lower=lower, upper=upper, step=step):
                bounds = [bound or ast.Constant(None) for bound in (lower, upper)]
                counted.append(call("_runtime.between", *bounds, *([step] if step else [])))
            case _:
                counted.append(part)
    return ast.Tuple(counted, ast.Load())


# Statements


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


def loaded(node: ast.AST) -> set[str]:
    """The names whose values are asked for."""
    names = (part for part in ast.walk(node) if isinstance(part, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Load)}


def stored(node: ast.AST) -> set[str]:
    """The names that are given a value."""
    names = (part for part in ast.walk(node) if isinstance(part, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Store)}


def quote(node: ast.stmt) -> str:
    """A statement's first line, and where it came from, for messages."""
    line = ast.unparse(ast.fix_missing_locations(node)).splitlines()[0]
    return f"`{line}` ({node.origin})" if hasattr(node, "origin") else f"`{line}`"


# Barriers, which transform turns into `yield number`


def is_barrier(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield)


def is_warp_barrier(node: ast.stmt) -> bool:
    """Whether only the threads of a warp wait for each other: their barrier's number is -number."""
    return is_barrier(node) and isinstance(node.value.value, ast.UnaryOp)  # type: ignore[attr-defined]


def is_of_grid(barrier: ast.Yield) -> bool:
    """Whether all blocks of the grid wait for each other there."""
    return "GRID" in ast.unparse(barrier)


def is_for_some_lanes(node: ast.stmt) -> bool:
    """Whether it is a barrier of a warp whose mask may leave out lanes."""
    return is_barrier(node) and "SOME_LANES" in ast.unparse(node)


def is_control(node: ast.stmt) -> bool:
    """Whether all threads of a block must go through a statement together.

    It has a barrier in it, or leaves a loop that has; asked of a statement outside all other loops.
    """
    return any(isinstance(part, ast.Yield) for part in ast.walk(node)) or _jumps(node)


def _jumps(node: ast.stmt) -> bool:
    """Whether a statement has a break or continue of a loop around it."""
    if isinstance(node, ast.For | ast.While):
        return any(map(_jumps, node.orelse))
    if isinstance(node, ast.Break | ast.Continue):
        return True
    return any(_jumps(part) for block in blocks(node) for part in block)
