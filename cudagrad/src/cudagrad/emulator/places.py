"""How messages name a line of source: by file and number, or by the cell of a notebook."""

from __future__ import annotations

import sys
from typing import Any


def line_at(file: str, line: int) -> str:
    """FILE:LINE; of a notebook's cell, which is compiled from no file that anyone has, its number.

    IPython knows which cell it ran last under which made-up file name.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    known = getattr(getattr(shell, "compile", None), "format_code_name", lambda name: None)(file)
    return f"{known[1]}, line {line}" if known else f"{file}:{line}"


def counted(count: int, noun: str) -> str:
    """1 thread, 2 threads."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def waiting(count: int, first: Any, place: Any) -> str:
    """Where some threads are; first: the coordinates of the first of them."""
    who, are = (f"{first}", "is") if count == 1 else (f"{first} the first", "are")
    return f"{counted(count, 'thread')}, {who}, {are} at {place}"
