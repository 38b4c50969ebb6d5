"""Pieces of syntax trees: made, and looked at."""

from __future__ import annotations

import ast


def parts(index: ast.expr) -> list[ast.expr]:
    return index.elts if isinstance(index, ast.Tuple) else [index]


def is_constant(index: ast.expr) -> bool:
    """Whether a part of an index is written as a number, which may be negative."""
    number = index.operand if isinstance(index, ast.UnaryOp) else index
    return isinstance(number, ast.Constant)


def parse(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def call(function: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(parse(function), list(arguments), [])


def assign(name: ast.Name, value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name.id, ast.Store())], value)
