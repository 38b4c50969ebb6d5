"""Write cudagrad/docs/bugs.md, the table of planted kernel bugs; --check only says if it is stale.

python .ci/bugs.py [--check]

It is read off the files of cudagrad/tests/bugs: their docstrings, and what catches each, which the
tests of cudagrad hold them to.
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

{count} kernels that are wrong in one way each, beside the same kernel mended, and what each way of
looking at them without a GPU says: an error by its name, or that a number came out wrong, which
only somebody who knows the right one sees. An empty cell is a wrong kernel that got past. Emulator
and checker pass all mended kernels. Caught were, by the

{counts}

So it is one thing to run a kernel, and another to check it: where threads run one after the other
two of them cannot read the same count at once, and an order that happens to be right stays right.
The checker does not wait for a wrong number. It remembers who reached for each element, and says
which two threads have no order.

The compiler (`python -m cudagrad.compile`, for compute capability 9.0) knows nothing of races. It
says which figure of the machine code is above its limit, or is not what the kernel was written for,
and is so of the bug alone. Such a kernel is right and slow, or no GPU will take it: nobody who runs
it without one can tell.

Numba's simulator, of numba-cuda, is beside them for comparison, by the best of five runs. Its
threads are the system's, so that some races show at times. – is a kernel that it cannot run, or not
once it is mended, and what it lacks.

Nobody here sees bank conflicts, loads that do not lie side by side in memory, threads that wait for
one another without a barrier, or a block too small to keep a GPU busy: for that there are a GPU and
its own tools.

Written by `tox -e generate` from [the bugs themselves](../tests/bugs), which name what catches
them. The tests hold them to it for what is ours, `tox -e kernels` for the other two.
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
