"""parity new-op writes what fails until it is filled in, and refuses what it cannot write."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from parity import adding
from parity.cli import main
from parity.families import families as members
from parity.spec import FAMILIES

ROOT = Path(__file__).parents[2]
ENGINES = ("micrograd", "minigrad", "cudagrad")


def parity(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, with the sources of a copy."""
    sources = os.pathsep.join(str(root / package / "src") for package in (*ENGINES, "parity"))
    code = f"import sys; from parity.cli import main; sys.exit(main({list(arguments)!r}))"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": sources},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What there is to write into."""
    for package in (*ENGINES, "parity"):
        shutil.copytree(ROOT / package / "src", tmp_path / package / "src")
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    shutil.copy(ROOT / "README.md", tmp_path)
    return tmp_path


def test_a_new_op_fails_until_it_is_filled_in(copy: Path) -> None:
    done = parity(copy, "new-op", "mish", "--family", "activation")

    assert done.returncode == 0, done.stderr
    places = [line.rpartition(":")[0] for line in done.stdout.splitlines()[:4]]
    assert places[0] == "parity/src/parity/spec/activation.py"
    assert places[1:] == [f"{engine}/src/{engine}/ops/activation.py" for engine in ENGINES]
    assert f"Now fill them in, in {copy}: " in done.stdout  # called from another folder
    checked = parity(copy, "check", "--op", "mish")
    assert checked.returncode == 1
    for engine in ENGINES:
        assert f"✗ {engine} mish[0] forward" in checked.stdout
    assert "raised NotImplementedError: mish is not written yet" in checked.stdout

    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    path = copy / "minigrad/src/minigrad/ops/activation.py"
    (code,) = re.findall(rf"`{path.relative_to(copy)}`[^`]*```python\n(.*?)```", contributing, re.S)
    text = path.read_text(encoding="utf-8")
    stub = text[text.index("@op\ndef mish(") : text.index("is not written yet") + 21]
    path.write_text(text.replace(stub, textwrap.dedent(code)), encoding="utf-8")
    checked = parity(copy, "check", "--engine", "minigrad", "--op", "mish")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("family", [module.__name__.rpartition(".")[2] for module in FAMILIES])
def test_what_a_file_lacks_is_imported_once(family: str) -> None:
    for engine, (_, module, names) in adding.FUNCTIONS.items():
        text = (ROOT / engine / "src" / engine / "ops" / f"{family}.py").read_text(encoding="utf-8")
        found = adding.importing(text, module, names)

        for name in names:
            assert imported(found).count(name) == 1, (engine, family)
        assert adding.importing(found, module, names) == found
    text = (ROOT / "parity/src/parity/spec" / f"{family}.py").read_text(encoding="utf-8")
    for module, names in adding.IMPORTS.values():
        found = adding.importing(text, module, names)
        assert set(imported(found)) == {*imported(text), *(names or (module,))}


@pytest.mark.parametrize("family", [module.__name__.rpartition(".")[2] for module in FAMILIES])
def test_an_entry_is_the_last_of_its_file(family: str) -> None:
    text = (ROOT / "parity/src/parity/spec" / f"{family}.py").read_text(encoding="utf-8")
    entry = adding.ENTRY.format(name="mish", meaning="functional.mish")

    before, after = (ast.parse(each) for each in (text, adding.with_entry(text, entry)))
    ops = [
        next(n for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n).startswith("OPS"))
        for tree in (before, after)
    ]
    old, new = ([ast.unparse(op) for op in each.value.elts] for each in ops)
    assert new == [*old, "Op('mish', functional.mish, Case(randn(2, 3)))"]


def imported(text: str) -> list[str]:
    """The names that a source imports."""
    nodes = [n for n in ast.parse(text).body if isinstance(n, ast.Import | ast.ImportFrom)]
    return [alias.name for node in nodes for alias in node.names]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("new-op mish --family activations", "no family 'activations'; did you mean activation"),
        ("new-op softmax --family activation", "there is softmax already"),
        ("new-op megaop --family activation", "torch has no function megaop: add the op by hand"),
        ("new-op 1d --family activation", "'1d' is not a valid function name"),
        ("new-op mish", "Missing option '--family'."),
    ],
)
def test_what_cannot_be_written_is_refused(
    command: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command.split()) == 2
    assert capsys.readouterr().err.startswith(f"parity: {sentence}")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_function_stands_behind_the_last_op_of_its_file(engine: str) -> None:
    """Behind it come what ops of a family share."""
    text = (ROOT / engine / "src" / engine / "ops" / "activation.py").read_text(encoding="utf-8")
    ops = members()["activation"]
    found = adding.with_function(text, "def mish(x):\n    return x\n", ops)

    before, after = (
        [node.name for node in ast.parse(each).body if isinstance(node, ast.FunctionDef)]
        for each in (text, found)
    )
    place = after.index("mish")
    assert set(ops) & set(after[:place]) == set(ops) & set(before)
    assert not set(ops) & set(after[place:])
    assert [name for name in after if name != "mish"] == before
