"""Write the text that follows from the sources, between its markers; --check only says if stale.

python .ci/generate.py [--check]

In each engine's ops/__init__.py the imports and __all__, and in README.md the table of ops: both
list the public functions of the family files, in the order of parity's spec.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "parity" / "src"))  # it need not be installed
from parity.families import families  # noqa: E402

ENGINES = ("micrograd", "minigrad", "cudagrad")
BEGIN, END = "generated: begin", "generated: end"


def ops_folder(engine: str) -> Path:
    return ROOT / engine / "src" / engine / "ops"


def exports(engine: str) -> str:
    """The imports, as the formatter writes them, and __all__ of an engine's ops/__init__.py."""
    imports, names = [], []
    for family, members in families().items():
        path = ops_folder(engine) / f"{family}.py"
        defined = {
            node.name
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef)
        }
        ops = [name for name in members if name in defined]
        names += ops
        line = f"from .{family} import {', '.join(sorted(ops))}"
        if len(line) > 100:
            listed = "".join(f"    {name},\n" for name in sorted(ops))
            line = f"from .{family} import (\n{listed})"
        imports.append(line)
    listed = "".join(f'    "{name}",\n' for name in names)
    return "\n".join(sorted(imports)) + f"\n\n__all__ = [\n{listed}]"


def table() -> str:
    """The ops of each family, and where they are in each engine."""
    lines = [f"| family | ops | {' | '.join(ENGINES)} |", f"|---|---|{'---|' * len(ENGINES)}"]
    for family, members in families().items():
        files = [f"{engine}/src/{engine}/ops/{family}.py" for engine in ENGINES]
        links = " | ".join(f"[source]({file})" for file in files)
        ops = " ".join(f"`{name}`" for name in members)
        lines.append(f"| [{family}](parity/src/parity/spec/{family}.py) | {ops} | {links} |")
    return "\n".join(lines)


def rewritten(path: Path, generated: str) -> str:
    """The text of path with generated between the lines that hold its markers."""
    lines = path.read_text(encoding="utf-8").splitlines()
    begin = next(i for i, line in enumerate(lines) if BEGIN in line)
    end = next(i for i, line in enumerate(lines) if END in line)
    return "\n".join([*lines[: begin + 1], generated, *lines[end:]]) + "\n"


def kept(wanted: dict[Path, str], check: bool) -> int:
    """Write the files that are not as wanted, or, to check, say which; 1 if they are stale."""
    stale = []
    for path, text in wanted.items():
        if not path.exists() or text != path.read_text(encoding="utf-8"):
            stale.append(str(path.relative_to(ROOT)))
            if not check:
                path.write_text(text, encoding="utf-8")
    if stale:
        print(f"{'stale, run tox -e generate:' if check else 'written:'} {', '.join(stale)}")
    return int(check and bool(stale))


def main(check: bool) -> int:
    generated = {ROOT / "README.md": f"\n{table()}\n"}
    generated |= {ops_folder(engine) / "__init__.py": exports(engine) for engine in ENGINES}
    return kept({path: rewritten(path, text) for path, text in generated.items()}, check)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
