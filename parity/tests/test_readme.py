"""The README's table, code and tree, and all generated text, are those of the repository."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_what_is_generated_is_fresh() -> None:
    command = [sys.executable, str(ROOT / ".ci" / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_its_code_stands_in_the_sources() -> None:
    sources = [path.read_text(encoding="utf-8") for path in ROOT.glob("*/src/**/*.py")]
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

    assert len(blocks) == 4
    for block in blocks:
        assert any(block in source for source in sources), f"no source has:\n{block}"


def test_its_links_and_tree_name_files_that_are_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link
    tree = re.search(r"## The tree\n\n```\n(.*?)```", README, re.DOTALL)

    assert tree is not None
    folders: list[str] = []
    for line in tree[1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names = re.split(r" {2,}", line.strip())[0].split(" ")
        folders = [*folders[:depth], names[0]]
        for name in names:
            path = ROOT.joinpath(*folders[:depth], name)
            assert path.is_dir() if name.endswith("/") else path.is_file(), path


def test_the_tree_of_parity_names_its_modules() -> None:
    source = ROOT / "parity" / "src" / "parity"
    text = (ROOT / "parity" / "README.md").read_text(encoding="utf-8")
    tree = text[text.index("## Where things are") :]

    names = {path.name for path in source.glob("*.py")} - {"__init__.py"}
    names |= {f"{path.parent.name}/" for path in source.glob("*/__init__.py")}
    assert {name for name in names if name not in tree} == set()
