"""That minigrad needs NumPy alone, is ours, and does what its documentation shows."""

from __future__ import annotations

import doctest
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import minigrad

IMPORT_WITH_NUMPY_ALONE = """
import sys

ALLOWED = {*sys.stdlib_module_names, "numpy", "minigrad"}


class Ban:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ALLOWED:
            raise ImportError(f"minigrad imported {name}")


sys.meta_path.insert(0, Ban())
import minigrad
"""


def test_numpy_is_all_it_imports() -> None:
    subprocess.run([sys.executable, "-c", IMPORT_WITH_NUMPY_ALONE], check=True)


def test_it_is_this_projects_minigrad() -> None:
    assert set(metadata.packages_distributions()["minigrad"]) == {"threegrad-minigrad"}


def test_the_examples_of_the_package_and_its_readme_run() -> None:
    readme = Path(__file__).parent.parent / "README.md"

    assert doctest.testmod(minigrad).failed == 0
    assert doctest.testmod(minigrad).attempted > 0
    assert doctest.testfile(str(readme), module_relative=False).failed == 0
