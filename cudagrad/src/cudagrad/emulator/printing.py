"""print, in kernels: a line at a time, in the format in which numba-cuda has a GPU print it."""
# ruff: noqa: ANN201 -- numba infers the types

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import Any, TypeGuard

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import RequireLiteralValue
from numba.extending import intrinsic

from .runtime import is_number
from .source import Source

MOST = 32  # values in a line
ONLY = "print shows numbers, tuples of them, and texts that stand in the call"


def is_print(node: ast.expr, source: Source) -> TypeGuard[ast.Call]:
    value, _ = (isinstance(node, ast.Call) and source.resolve(node.func)) or (None, ())
    return value is print


def pieces(source: Source, node: ast.Call) -> tuple[str, list[ast.expr]]:
    """What a call of print shows: a format, with %v for every value, and the values."""
    if node.keywords:
        source.refuse(node, "print has no keywords on a GPU: its values come with spaces between")
    if len(node.args) > MOST:
        source.refuse(node, f"print shows {MOST} values on a GPU, and {len(node.args)} are given")
    texts, values = list[str](), list[ast.expr]()
    for argument in node.args:
        text = getattr(argument, "value", None)
        if isinstance(argument, ast.Name | ast.Attribute):
            text, _ = source.resolve(argument) or (None, ())
        if isinstance(text, str):
            texts.append(text.replace("%", "%%"))
        else:
            texts.append("%v")
            values.append(argument)
    return " ".join(texts) + "\n", values


def filled(template: str, texts: Iterable[str], percent: str) -> str:
    """The template with a text in each place of a value. percent: what %% becomes."""
    rest = iter(texts)
    return re.sub("%[%v]", lambda found: next(rest) if found[0] == "%v" else percent, template)


def formatted(template: str, values: tuple[Any, ...]) -> str:
    """The line, of numbers of Python's and NumPy's."""
    return filled(template, map(_text, values), "%")


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))}{',' * (len(value) == 1)})"
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    return f"{value:f}" if isinstance(value, float | np.floating) else f"{value:d}"


def why_no_print(kind: Any) -> str:
    """Why a value of a numba type cannot be printed; "" if it can."""
    if isinstance(kind, types.BaseTuple):
        return next(filter(None, map(why_no_print, kind)), "")
    return "" if is_number(kind) else f"{ONLY}, not {types.unliteral(kind)}"


def _split(context: Any, builder: Any, kind: Any, value: Any) -> tuple[str, list[Any]]:
    """The format of a value, and the numbers that C prints for it."""
    if isinstance(kind, types.BaseTuple):
        parts = cgutils.unpack_tuple(builder, value)
        split = [_split(context, builder, *each) for each in zip(kind, parts, strict=True)]
        inside = ", ".join(text for text, _ in split)
        return f"({inside}{',' * (len(kind) == 1)})", [part for _, some in split for part in some]
    if isinstance(kind, types.Boolean):
        words = [context.insert_const_string(builder.module, word) for word in ("True", "False")]
        return "%s", [builder.select(context.cast(builder, value, kind, types.boolean), *words)]
    if isinstance(kind, types.Float):
        return "%f", [context.cast(builder, value, kind, types.float64)]
    wide = types.int64 if kind.signed else types.uint64
    return "%lld" if kind.signed else "%llu", [context.cast(builder, value, kind, wide)]


@intrinsic
def printed(typing_context, template, values):
    """Print values in the places that a template has for them."""
    if not isinstance(template, types.StringLiteral):
        raise RequireLiteralValue("template")

    def generate(context, builder, signature, args):
        if why_no_print(values):  # refusals.Refuse says so in words
            return context.get_dummy_value()
        parts = cgutils.unpack_tuple(builder, args[1])
        split = [_split(context, builder, *each) for each in zip(values, parts, strict=True)]
        line = filled(template.literal_value, [text for text, _ in split], "%%")
        # To Python's sys.stdout, which a notebook or a test may have replaced.
        known = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t], var_arg=True)
        write = cgutils.get_or_insert_function(builder.module, known, "PySys_WriteStdout")
        text = context.insert_const_string(builder.module, line)
        python = context.get_python_api(builder)
        held = python.gil_ensure()
        builder.call(write, [text, *(number for _, numbers in split for number in numbers)])
        python.gil_release(held)
        return context.get_dummy_value()

    return types.void(template, values), generate
