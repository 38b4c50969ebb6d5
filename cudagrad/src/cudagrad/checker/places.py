"""Where something stands in a kernel, for messages."""

from __future__ import annotations

import ast

from ..emulator.places import line_at


class Place:
    """An expression of a kernel; name: of the variable that it is assigned to."""

    __slots__ = ("file", "line", "name", "text")

    def __init__(self, file: str, node: ast.expr, name: str = "") -> None:
        self.file = file
        self.line = node.lineno
        self.name = name
        self.text = ast.unparse(node)

    def __str__(self) -> str:
        return f"{self.text} at {line_at(self.file, self.line)}"
