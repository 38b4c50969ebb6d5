"""What the package promises as a whole: it is ours, it is pure, its examples are true."""

from __future__ import annotations

import ast
import doctest
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import micrograd

ROOT = Path(micrograd.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))

# Runs in an interpreter of its own, where whatever is not standard library cannot be imported.
PURE = """
import sys

class Ban:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top != "micrograd":
            raise ImportError(f"micrograd imports {name}")

sys.meta_path.insert(0, Ban())
from micrograd import gpt
model = gpt.GPT(gpt.GPTConfig(vocab_size=3, block_size=2, n_layer=1, n_head=1, n_embd=2))
model([[0, 1]], [[1, 2]])[1].backward()
print("pure")
"""


def test_is_this_project() -> None:
    """The package index has a namesake."""
    assert set(metadata.packages_distributions()["micrograd"]) == {"threegrad-micrograd"}


def test_needs_nothing_else() -> None:
    assert not metadata.requires("threegrad-micrograd")
    path = f"import sys; sys.path.insert(0, {str(ROOT.parent)!r})\n"
    done = subprocess.run([sys.executable, "-c", path + PURE], capture_output=True, text=True)

    assert done.stdout == "pure\n", done.stderr


def test_docstring_example() -> None:
    assert doctest.testmod(micrograd) == doctest.TestResults(failed=0, attempted=5)


def test_readme_examples() -> None:
    readme = Path(__file__).parents[1] / "README.md"
    found = doctest.testfile(str(readme), module_relative=False)

    assert found.attempted > 20
    assert found.failed == 0


def test_public_names() -> None:
    for module in (micrograd, micrograd.ops):
        for name in module.__all__:
            assert getattr(module, name).__doc__, f"{name} has no docstring"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_slopes_are_written_in_one_place(path) -> None:
    """Only the engine, which uses slopes, and the primitives, which give them, know of them."""
    written = re.findall(r"\w+", path.read_text())
    engine, primitives = ("engine", "groups"), ("scalar", "rowwise", "operators")

    assert ("slopes" in written) == (path.stem in (*engine, *primitives))


def test_the_engine_is_short_enough_to_be_read() -> None:
    assert len((ROOT / "engine.py").read_text().splitlines()) < 250


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_nothing_calls_itself(path) -> None:
    """Recursion would meet Python's limit in a deep graph, model or nested list."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef):
            calls = [n.func for n in ast.walk(function) if isinstance(n, ast.Call)]
            assert not [c for c in calls if isinstance(c, ast.Name) and c.id == function.name]
