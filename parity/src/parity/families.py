"""The names of the spec's entries, read from its source: to import it takes as long as torch."""

from __future__ import annotations

import ast
from pathlib import Path

SPEC = Path(__file__).parent / "spec"


def families() -> dict[str, list[str]]:
    """The ops of each family, in the order of the spec.

    An op's name is the first argument of its entry, and a family's that of its file.
    """
    names = [ast.unparse(family) for family in _entries(SPEC / "__init__.py", "FAMILIES")]
    return {
        family: [
            ast.literal_eval(entry.args[0])
            for entry in _entries(SPEC / f"{family}.py", "OPS")
            if isinstance(entry, ast.Call)
        ]
        for family in names
    }


def parts() -> dict[str, list[str]]:
    """The names of the layers, optimizers, schedulers and models, by kind.

    A part is named after its class in torch, the first argument of its entry.
    """
    where = {
        "layer": ("layers.py", "LAYERS"),
        "optimizer": ("optimizers.py", "OPTIMIZERS"),
        "scheduler": ("optimizers.py", "SCHEDULERS"),
        "model": ("generation.py", "MODELS"),
    }
    return {
        kind: [
            ast.unparse(entry.args[0]).rpartition(".")[2].strip("'")
            for entry in _entries(SPEC / file, name)
            if isinstance(entry, ast.Call)
        ]
        for kind, (file, name) in where.items()
    }


def _entries(file: Path, name: str) -> list[ast.expr]:
    """What is in a tuple of a file."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            assert isinstance(node.value, ast.Tuple)
            return node.value.elts
    raise LookupError(f"{file} defines no {name}")
