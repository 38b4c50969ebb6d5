"""parity new-op: write the skeleton of an op, in the spec and in every engine."""

from __future__ import annotations

import ast
import keyword
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import click

from . import files
from .families import families
from .usage import require_known

ROOT = Path(__file__).resolve().parents[3]
GENERATE = ROOT / ".ci" / "generate.py"
LINE = 100
IMPORTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "functional": ("torch.nn", ("functional",)),
    "torch": ("torch", ()),
}
ENTRY = """\
    Op(
        "{name}",
        {meaning},
        Case(randn(2, 3)),
    ),
)
"""
# The head of a function in each engine, and what its file must import.
FUNCTIONS = {
    "micrograd": ("def {name}(x: Tensor) -> Tensor:", "..lists", ("Tensor",)),
    "minigrad": ("@op\ndef {name}(x: Operand) -> Output:", "..engine", ("Operand", "Output", "op")),
    "cudagrad": ("@op\ndef {name}(x: Operand) -> Output:", "..engine", ("Operand", "Output", "op")),
}
BODY = '''
    """What {meaning} computes."""
    raise NotImplementedError("{name} is not written yet")
'''


@click.command("new-op")
@click.argument("name")
@click.option("--family", required=True, help="File to put it in, such as activation.")
def new_op(name: str, family: str) -> None:
    """Add the skeleton of a torch op to spec and engines.

    It is for you to fill in, and needs a checkout of this project.
    """
    if not GENERATE.exists():
        raise click.UsageError("new-op needs a checkout of the project: parity is installed alone")
    if not name.isidentifier() or keyword.iskeyword(name):
        raise click.UsageError(f"{name!r} is not a valid function name")
    every = families()
    require_known("family", [family], list(every))
    if name in [op for members in every.values() for op in members]:
        raise click.UsageError(f"there is {name} already: parity check --op {name}")
    from .engines.torch import home

    module = home(name)
    if not module:
        raise click.UsageError(
            f"torch has no function {name}: add the op by hand, as CONTRIBUTING.md shows"
        )
    for path, text in skeletons(name, family, module, every[family]).items():
        files.replace(path, [text.encode("utf-8")])
        before, _, _ = text.partition(f"def {name}(" if path.parent.name == "ops" else f'"{name}",')
        click.echo(f"{path.relative_to(ROOT)}:{before.count(chr(10)) + 1}")
    subprocess.run([sys.executable, str(GENERATE)], check=True)
    where = "" if Path.cwd() == ROOT else f", in {ROOT}"
    click.echo(
        f"Now fill them in{where}: at least four cases, one call that must be refused, and a call"
        " to time in _of_numbers of parity/src/parity/bench/workloads.py. Until then this fails:"
        f" parity check --op {name}"
    )


def skeletons(name: str, family: str, module: str, ops: Collection[str]) -> dict[Path, str]:
    """The family's files with an entry for the op and a function in each engine.

    module: where torch has the op. ops: the family's so far.
    """
    meaning = f"{module}.{name}"
    spec = ROOT / "parity" / "src" / "parity" / "spec" / f"{family}.py"
    text = importing(spec.read_text(encoding="utf-8"), *IMPORTS[module])
    text = importing(text, ".case", ("Case", "Op", "randn"))
    written = {spec: with_entry(text, ENTRY.format(name=name, meaning=meaning))}
    for engine, (head, source, names) in FUNCTIONS.items():
        path = ROOT / engine / "src" / engine / "ops" / f"{family}.py"
        text = importing(path.read_text(encoding="utf-8"), source, names)
        stub = (head + BODY).format(name=name, meaning=meaning)
        written[path] = with_function(text, stub, ops)
    return written


def importing(text: str, module: str, names: tuple[str, ...]) -> str:
    """Add an import to source code: of names from module, or of module itself if there are none."""
    lines = text.splitlines()
    imports = [n for n in ast.parse(text).body if isinstance(n, ast.Import | ast.ImportFrom)]
    for node in imports:
        if isinstance(node, ast.Import) and not names:
            if module in [alias.name for alias in node.names]:
                return text
        elif isinstance(node, ast.ImportFrom) and names:
            own = {alias.name for alias in node.names}
            if "." * node.level + (node.module or "") == module:
                if not own.issuperset(names):
                    wanted = sorted(own | set(names), key=lambda n: (not n[0].isupper(), n))
                    lines[node.lineno - 1 : node.end_lineno] = [_import(module, wanted)]
                return "\n".join(lines) + "\n"
    # Next to other imports of the same kind, relative or absolute; ruff sorts them.
    near = [n for n in imports if _relative(n) == module.startswith(".")] or imports
    lines.insert(near[-1].end_lineno or near[-1].lineno, _import(module, list(names)))
    return "\n".join(lines) + "\n"


def with_entry(text: str, entry: str) -> str:
    """Append an entry to OPS in the source code of a family."""
    (ops,) = (
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "OPS"
    )
    lines = text.splitlines(keepends=True)
    assert ops.end_lineno is not None
    return "".join([*lines[: ops.end_lineno - 1], entry, *lines[ops.end_lineno :]])


def with_function(text: str, function: str, ops: Collection[str]) -> str:
    """Insert a function after the last op in the source code of a family."""
    named = [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef) and n.name in ops]
    lines = text.splitlines(keepends=True)
    end = max((node.end_lineno or 0 for node in named), default=len(lines))
    return "".join([*lines[:end], "\n\n", function, *lines[end:]])


def _relative(node: ast.Import | ast.ImportFrom) -> bool:
    return isinstance(node, ast.ImportFrom) and node.level > 0


def _import(module: str, names: list[str]) -> str:
    if not names:
        return f"import {module}"
    line = f"from {module} import {', '.join(names)}"
    listed = "".join(f"    {name},\n" for name in names)
    return line if len(line) <= LINE else f"from {module} import (\n{listed})"
