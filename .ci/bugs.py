"""Write cudagrad/docs/bugs.md, the table of planted kernel bugs; --check only says if it is stale.

python .ci/bugs.py [--check]

It is made from the files of cudagrad/tests/bugs: from their docstrings, and from what they say
catches each bug, which cudagrad's tests check.
"""

from __future__ import annotations

import ast
import sys

from faults import story
from generate import ROOT, kept

SOURCES = ROOT / "cudagrad" / "tests" / "bugs"
PAGE = ROOT / "cudagrad" / "docs" / "bugs.md"
COLUMNS = (
    *("emulator", "emulator, reversed", "emulator, random"),
    *("checker", "compiler", "numba's simulator"),
)
INTRODUCTION = """\
# Planted kernel bugs

{count} kernels, each wrong in one way and each next to the same kernel fixed; and what every way of
testing kernels without a GPU makes of them. A cell names the error that is raised, or says that a
number came out wrong, which only somebody who knows the right one notices. An empty cell is a bug
that went unnoticed. The emulator and the checker accept all fixed kernels. Bugs caught, by the

{counts}

So running a kernel and checking it are two different things. Where threads run one after the other,
two of them can never read the same count at once, and an order that happens to be right is right
every time. The checker does not wait for a wrong number. It remembers which threads accessed each
element, and names two whose accesses nothing puts in order.

The compiler (`python -m cudagrad.compile`, for compute capability 9.0) knows nothing of races. Its
cells name the figure of the machine code that exceeds its limit, or is not what the kernel was
written for; the fixed kernel passes. Such a bug makes a kernel correct but slow, or one that no GPU
accepts: running it without a GPU cannot show that.

Numba's simulator, from numba-cuda, is here for comparison, with the best of five runs. Its threads
are those of the operating system, so some races show at times. – marks a bug that it cannot run, or
not when fixed, and says what it lacks.

Nothing here notices bank conflicts, uncoalesced loads, threads that wait for one another without a
barrier, or a block too small to keep a GPU busy: that takes a GPU and its own tools.

Written by `tox -e generate` from [the bugs themselves](../tests/bugs), which name what catches
them. The tests check that for emulator and checker, `tox -e kernels` for the other two.
"""


def value(tree: ast.Module, name: str, default: dict[str, str] | None = None) -> dict[str, str]:
    """What a file assigns to a name, or else the default."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            found: dict[str, str] = ast.literal_eval(node.value)
            return found
    if default is None:
        raise LookupError(f"there is no {name}")
    return default


def cell(column: str, caught: dict[str, str], unable: dict[str, str]) -> str:
    return f"– ({unable[column]})" if column in unable else caught.get(column, "")


def page() -> str:
    """The whole page."""
    trees = {
        path.stem: ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(SOURCES.glob("*.py"))
    }
    caught = {name: value(tree, "CAUGHT") for name, tree in trees.items()}
    unable = {name: value(tree, "UNABLE", {}) for name, tree in trees.items()}
    head = f"| bug | story | {' | '.join(COLUMNS)} |"
    rows = [
        f"| [{name.replace('_', ' ')}](../tests/bugs/{name}.py) | "
        f"{story(tree)} | "
        f"{' | '.join(cell(each, caught[name], unable[name]) for each in COLUMNS)} |"
        for name, tree in trees.items()
    ]
    sums = [str(sum(each in found for found in caught.values())) for each in COLUMNS]
    rule = "|---:" * len(COLUMNS) + "|"
    counts = "\n".join([f"| {' | '.join(COLUMNS)} |", rule, f"| {' | '.join(sums)} |"])
    lines = [INTRODUCTION.format(count=len(trees), counts=counts), head]
    return "\n".join([*lines, "|---" * (head.count("|") - 1) + "|", *rows]) + "\n"


if __name__ == "__main__":
    sys.exit(kept({PAGE: page()}, "--check" in sys.argv[1:]))
