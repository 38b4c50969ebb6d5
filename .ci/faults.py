"""Write parity/docs/faults.md, the table of planted faults; --check only says if it is stale.

python .ci/faults.py [--check]

It is read off the sources of parity/src/parity/faults: the decorator
and the docstring of each function, or class.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator

from generate import ROOT, kept

from parity.families import families

SOURCES = ROOT / "parity" / "src" / "parity" / "faults"
PARTS = SOURCES / "parts.py"
PAGE = ROOT / "parity" / "docs" / "faults.md"
DECORATORS = ("fault", "blind_case")
INTRODUCTION = """\
# Planted faults

{count} ways to be wrong, each in one respect only. The tests of parity put them one by one in the
place of minigrad's op, layer, optimizer or scheduler, and the checks named here must reject each,
and no others. In the rows marked "case" the op is right, and a case of it shows nothing. The rule
is the one of [How it judges](../README.md#how-it-judges) that the fault shows.

Written by `tox -e generate` from the faults themselves: those of [ops](../src/parity/faults), and
those of [layers, optimizers and schedulers](../src/parity/faults/parts.py).
"""


def rows(family: str) -> Iterator[str]:
    """A row for each fault in a family's file."""
    for node in ast.parse((SOURCES / f"{family}.py").read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for call in node.decorator_list:
            if isinstance(call, ast.Call) and ast.unparse(call.func) in DECORATORS:
                op, *checks = (ast.literal_eval(argument) for argument in call.args)
                given = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
                of_case = ast.unparse(call.func) == "blind_case"
                rule = given.get("rule", 6 if of_case else "")
                cells = [f"`{op}`", node.name.replace("_", " "), story(node), ", ".join(checks)]
                yield f"| {' | '.join(cells)} | {rule}{', case' if of_case else ''} |"


def rows_of_parts() -> Iterator[str]:
    """A row for each wrong layer, optimizer or scheduler."""
    tree, several = ast.parse(PARTS.read_text(encoding="utf-8")), {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            several[ast.unparse(node.targets[0])] = ast.literal_eval(node.value)
        if isinstance(node, ast.ClassDef) and node.bases:
            [call] = node.decorator_list
            checks: list[str] = []
            for argument in call.args[1:]:
                if isinstance(argument, ast.Starred):
                    checks += several[ast.unparse(argument.value)]
                else:
                    checks.append(ast.literal_eval(argument))
            name = re.sub(r"(?<!^)(?=[A-Z])", " ", node.name).lower()
            cells = [f"`{ast.unparse(node.bases[0])}`", name, story(node), ", ".join(checks)]
            yield f"| {' | '.join(cells)} |"


def story(node: ast.FunctionDef | ast.ClassDef | ast.Module) -> str:
    return " ".join((ast.get_docstring(node) or "").split()).replace("|", "\\|")


def table(title: str, head: str, found: list[str]) -> str:
    """A section of rows with as many cells as head."""
    return "\n".join([f"## {title}\n", head, "|---" * (head.count("|") - 1) + "|", *found])


def page() -> str:
    """The whole page."""
    parts, count = [], 0
    for family in families():
        found = list(rows(family))
        count += len(found)
        parts.append(table(family, "| op | fault | story | rejected by | rule |", found))
    found = list(rows_of_parts())
    count += len(found)
    title = "layers, optimizers, schedulers"
    parts.append(table(title, "| part | fault | story | rejected by |", found))
    return "\n".join([INTRODUCTION.format(count=count), *(f"{part}\n" for part in parts)])


if __name__ == "__main__":
    sys.exit(kept({PAGE: page()}, "--check" in sys.argv[1:]))
