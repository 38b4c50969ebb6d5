"""docs/kernels.md: the figures of every launch, and whether they are still those of the sources."""

from __future__ import annotations

import ast
import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import device, kernels
from . import limits, table
from .machine import Capability, Figures
from .table import Launch

MARK = "<!-- of sources "
INTRODUCTION = """\
# What the compiler makes of every kernel

Compiled, not run: these are figures of machine code, made on a machine without a GPU. They tell
what a kernel needs and asks for, not how long it takes.

{kernels} kernels in {launches} variants, which are all that the spec and the training of a GPT
launch, for blocks of {block} threads and of {tile} x {tile}. `tox -e kernels` compiles them anew,
fails where one is above its limit, and else writes this page.

{made_by}

| figure | what |
|---|---|
| registers | of a thread |
| spills | bytes stored and loaded because registers ran out |
| shared | memory of a block, in bytes |
| wide | loads of 128 bits, copies into shared memory among them |
| fused | multiply-adds |
| tensor | products of a warp's fragments, by tensor cores |
| local | loads and stores of what a thread keeps, but not in registers |
| generic | loads and stores that learn when they run what memory they mean, as those of arrays \
that need not be contiguous |
| float64 | instructions that compute in it, or convert from or to it |
| divisions | of 64 bits, each a routine of about a hundred instructions |
| instructions | of all kinds |

Where GPUs differ, a cell holds the figures for compute capability {capabilities},
in this order; – where a GPU lacks the instructions that a kernel is made of.

## At a glance

{glance}

## Limits

{limits}
"""


def digest() -> str:
    """That of all that the figures follow from: kernels, table and limits, comments left out."""
    folder = Path(kernels.__file__).parent
    sources = [*sorted(folder.rglob("*.py")), Path(limits.__file__)]
    texts = [code(path.read_text(encoding="utf-8")) for path in sources]
    texts.append(table.FILE.read_text(encoding="utf-8"))
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def code(text: str) -> str:
    """A module without comments and docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(
            node
        ):
            node.body[0] = ast.Pass()
    return ast.unparse(tree)


def is_stale(text: str) -> bool:
    """Whether a page is of other sources than those that are here."""
    return f"{MARK}{digest()} " not in text


def made_by(versions: Mapping[str, str]) -> str:
    """The sentence of a page that names its compilers."""
    return f"Made by {', '.join(f'{name} {version}' for name, version in versions.items())}."


def written(
    launches: Sequence[Launch],
    figures: Mapping[Capability, Sequence[Figures | None]],
    versions: Mapping[str, str],
) -> str:
    """The whole page; figures: of every launch, by compute capability."""
    introduction = INTRODUCTION.format(
        kernels=len({launch.kernel for launch in launches}),
        launches=len(launches),
        block=device.BLOCK,
        tile=device.TILE,
        made_by=made_by(versions),
        capabilities=", ".join(map(str, figures)),
        glance=_glance(figures),
        limits=_limits(),
    )
    parts = [f"{introduction}\n{MARK}{digest()} -->"]
    rows = zip(launches, zip(*figures.values(), strict=True), strict=True)
    for module, group in itertools.groupby(rows, lambda row: row[0].kernel.split(".")[0]):
        columns = Figures._fields
        head = f"| kernel | arguments | {' | '.join(columns)} |\n|---|---|{'--:|' * len(columns)}"
        lines = "\n".join(_row(launch, of_each) for launch, of_each in group)
        parts.append(f"## {module}\n\n{head}\n{lines}")
    return "\n\n".join(parts) + "\n"


def read(text: str, capabilities: Sequence[Capability]) -> dict[Launch, list[Figures | None]]:
    """The figures of every launch on a page, one after the other of its compute capabilities.

    Empty for a page of other capabilities.
    """
    if f"capability {', '.join(map(str, capabilities))},\nin this order" not in text:
        return {}
    found, module = {}, ""
    for line in text.splitlines():
        if line.startswith("## "):
            module = line.removeprefix("## ")
        row = re.fullmatch(r"\| `(.*)` \| `(.*)` \| ([^`]*) \|", line)
        if row:
            columns = [_values(cell, len(capabilities)) for cell in row[3].split(" | ")]
            found[Launch(f"{module}.{row[1]}", row[2])] = [
                None if None in of_each else Figures(*of_each)
                for of_each in zip(*columns, strict=True)
            ]
    return found


def _values(cell: str, count: int) -> list[Any]:
    """What _joined has joined."""
    values = [None if text == "–" else int(text) for text in cell.split()]
    return values if len(values) == count else values * count


def _glance(figures: Mapping[Capability, Sequence[Figures | None]]) -> str:
    """The largest of each figure, and how many launches have any of it."""
    names = Figures._fields
    lines = [f"| compute capability | {' | '.join(names)} |", f"|---|{'--:|' * len(names)}"]
    for capability, of_launches in figures.items():
        cells = []
        for values in zip(*filter(None, of_launches), strict=True):
            some = sum(value > 0 for value in values)
            cells.append(f"{max(values)} ({some})" if 0 < some < len(values) else f"{max(values)}")
        lines.append(f"| {capability} | {' | '.join(cells)} |")
    return (
        "\n".join(lines) + "\n\nThe largest there is, and in brackets how many variants have any."
    )


def in_words(of_each: Sequence[Figures | None]) -> str:
    """The figures of a launch for each compute capability, those that are 0 for all left out."""
    values = zip(Figures._fields, _by_name(of_each), strict=True)
    return ", ".join(f"{name} {_joined(of_name)}" for name, of_name in values if any(of_name))


def _by_name(of_each: Sequence[Figures | None]) -> Iterator[tuple[int | None, ...]]:
    """The figures of a launch, for each of their names."""
    nothing = (None,) * len(Figures._fields)
    return zip(*(figures or nothing for figures in of_each), strict=True)


def _joined(values: Sequence[int | None]) -> str:
    texts = ["–" if value is None else str(value) for value in values]
    return " ".join(texts if len(set(texts)) > 1 else texts[:1])


def _row(launch: Launch, of_each: Sequence[Figures | None]) -> str:
    cells = [f"`{launch.kernel.partition('.')[2]}`", f"`{launch.arguments}`"]
    cells += map(_joined, _by_name(of_each))
    return f"| {' | '.join(cells)} |"


def _limits() -> str:
    lines = ["| figure | at most | for |", "|---|--:|---|"]
    for name, limit in limits.LIMITS.items():
        all_but = "kernels that do not compute in float64" if name == "float64" else "all kernels"
        lines.append(f"| {name} | {limit} | {all_but} |")
    for names, figure, most, why in limits.ALLOWANCES:
        kernels = ", ".join(f"`{name}`" for name in names)
        lines.append(f"| {figure} | {most} | {kernels}: {why} |")
    lines += ["", "| figure | in | for |", "|---|--:|---|"]
    lines += [
        f"| {each.figure} | {each.least} to {each.most} | `{each.kernels}…`: {each.why} |"
        for each in limits.REQUIREMENTS
    ]
    return "\n".join(lines)
