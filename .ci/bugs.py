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
INTRODUCTION = """\
# Planted kernel bugs

{count} kernels that are wrong in one way each, beside the same kernel mended, and what each way of
running them without a GPU says: an error by its name, or that a number came out wrong, which only
somebody who knows the right one sees. An empty cell is a wrong kernel that got past. All of them
pass the mended kernels. Caught by the {counts}.

So it is one thing to run a kernel, and another to check it: where threads run one after the other
two of them cannot read the same count at once, and an order that happens to be right stays right.
The checker does not wait for a wrong number. It remembers who reached for each element, and says
which two threads have no order.

Written by `tox -e generate` from [the bugs themselves](../tests/bugs).
"""


def value(tree: ast.Module, name: str) -> dict[str, str]:
    """What a file assigns to a name."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            found: dict[str, str] = ast.literal_eval(node.value)
            return found
    raise LookupError(f"there is no {name}")


def page() -> str:
    """The whole page."""
    trees = {
        path.stem: ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(SOURCES.glob("*.py"))
    }
    caught = {name: value(tree, "CAUGHT") for name, tree in trees.items()}
    executors = sorted({each for found in caught.values() for each in found}, key=order)
    head = f"| bug | story | {' | '.join(executors)} |"
    rows = [
        f"| [{name.replace('_', ' ')}](../tests/bugs/{name}.py) | "
        f"{story(tree)} | "
        f"{' | '.join(caught[name].get(each, '') for each in executors)} |"
        for name, tree in trees.items()
    ]
    counts = "; ".join(
        f"{each}: {sum(each in found for found in caught.values())}" for each in executors
    )
    lines = [INTRODUCTION.format(count=len(trees), counts=counts), head]
    return "\n".join([*lines, "|---" * (head.count("|") - 1) + "|", *rows]) + "\n"


def order(executor: str) -> tuple[bool, str]:
    """The checker last."""
    return executor == "checker", executor


if __name__ == "__main__":
    sys.exit(kept({PAGE: page()}, "--check" in sys.argv[1:]))
