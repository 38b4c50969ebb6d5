"""Which module may import which: the layers of the four packages, read from their source."""

from __future__ import annotations

import ast
import graphlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

# From the bottom up: a module imports from its own layer and from those below it. A folder that
# is named stands for all that is in it.
LAYERS = {
    "micrograd": (
        ("floats", "groups", "memory"),
        ("engine",),
        ("scalar", "lists", "arguments", "drawing", "random"),
        ("rowwise", "operators"),
        ("ops",),
        ("nn", "optim", "serialization", "sampling"),
        ("pretrained",),
        ("gpt",),
        ("__init__",),
    ),
    "minigrad": (
        ("capture", "dtypes", "arguments", "special", "memory", "silence", "windows"),
        ("random", "rows"),
        ("engine", "function", "graph"),
        ("ops",),
        ("nn", "optim", "serialization", "sampling"),
        ("pretrained",),
        ("gpt",),
        ("__init__",),
    ),
    "cudagrad": (
        ("emulator", "allocator", "signatures", "storage", "ptx"),
        ("dlpack",),
        ("checker",),
        ("launches", "executors"),
        ("device",),
        ("memory", "writes"),
        ("kernels",),
        ("compile",),
        ("precision",),
        ("arrays", "expressions", "random", "dtypes", "arguments"),
        ("flat", "windows", "capture"),
        ("engine", "function", "fusion", "indexing"),
        ("streams", "graph", "interop"),
        ("ops",),
        ("nn", "optim", "serialization", "sampling", "autocast"),
        ("pretrained",),
        ("gpt",),
        ("gpu", "timings", "overhead"),
        ("__init__",),
    ),
    "parity": (
        ("corpus", "environment", "families", "files", "models", "pool"),
        ("spec",),
        ("engines",),
        ("usage", "threads"),
        ("checks",),
        ("mutants", "faults", "fuzz", "tasks"),
        ("bench",),
        ("report",),
        ("adding", "listing"),
        ("cli", "plugin", "__init__"),
    ),
}

# What may be imported besides the standard library and the package itself, and where: a module or
# a folder; "" is everywhere.
OUTSIDE = {
    "micrograd": {},
    "minigrad": {"numpy": [""], "safetensors": ["serialization"]},
    "cudagrad": {
        "numpy": [""],
        "numba": ["device", "emulator", "checker", "ptx"],
        "llvmlite": ["emulator", "ptx"],
        "pytest": ["checker.plugin"],
        "safetensors": ["serialization"],
        "torch": ["gpu.rivals"],  # which is imported only where torch is, to be measured
    },
    "parity": {
        "numpy": [""],
        "torch": [
            "spec",
            "engines.torch",
            "engines.torch_gpt",
            "engines.torch_serialization",
            "checks.reference",
        ],
        "safetensors": ["engines.pretrained"],
        "micrograd": ["engines.micrograd"],
        "minigrad": ["engines.minigrad", "faults"],
        "cudagrad": ["engines.cudagrad"],
        "autograd": ["engines.autograd"],
        "jax": ["engines.jax"],
        "tinygrad": ["engines.tinygrad"],
        "sklearn": ["tasks.moons", "tasks.digits"],
        "hypothesis": ["fuzz"],
        "click": [
            "adding",
            "bench.commands",
            "cli",
            "listing",
            "report.commands",
            "usage",
            "tasks.commands",
            "tasks.data.commands",
            "tasks.launching",
            "tasks.options",
        ],
        "rich": ["bench.commands", "cli", "listing", "usage", "tasks.progress", "tasks.results"],
        "matplotlib": ["tasks.curve"],
        "mpi4py": ["tasks.parallel"],
        "threadpoolctl": ["threads"],
        "tokenizers": ["tasks.tokenizers"],
        "jinja2": ["report"],
        "markupsafe": ["report"],
        "plotly": ["report"],
        "pygments": ["report"],
        "pytest": ["plugin"],
    },
}

# Imports inside functions hide a layer: none, but for these reasons.
INSIDE = {
    "minigrad.serialization": "who only computes needs NumPy alone",
    "cudagrad.serialization": "who only computes needs NumPy and numba alone",
    "parity.cli": "the command must start, and refuse bad usage, without waiting for torch",
    "parity.bench.commands": "the command must start, and refuse bad usage, without NumPy",
    "parity.usage": "the command must start, and refuse bad usage, without waiting for NumPy",
    "parity.tasks.commands": "the command must start, and refuse bad usage, without NumPy",
    "parity.tasks.data.commands": "the command must start, and refuse bad usage, without NumPy",
    "parity.tasks.parallel": "only who trains in several processes needs the package",
    "parity.tasks.tokenizers": "only the user's own vocabulary needs the package",
    "parity.tasks.launching": "only who keeps a curve waits for matplotlib",
    "parity.adding": "the command must start without waiting for torch",
    "parity.listing": "the command must start without waiting for torch",
    "parity.report.commands": "the command must start, and refuse bad usage, without torch",
    "parity.report.work": "the faults stand in minigrad, which need not be installed",
    "parity.plugin": "pytest loads every plugin; only --engine may cost it torch",
}

PACKAGES = tuple(LAYERS)
each_package = pytest.mark.parametrize("package", PACKAGES)


@dataclass(frozen=True)
class Import:
    """module imports target, both by their full names; inside: in the body of a function."""

    module: str
    target: str
    line: int
    inside: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def source(package: str) -> Path:
    """The __init__.py that importing the package would run."""
    spec = importlib.util.find_spec(package)
    assert spec is not None, f"{package} is not installed"
    return Path(spec.origin or "").resolve()


def modules(package: str) -> dict[str, Path]:
    """Every module of a package by its full name; a folder's __init__ goes by its own name."""
    root = source(package).parent
    names = {}
    for path in sorted(root.rglob("*.py")):
        parts = [package, *path.relative_to(root).with_suffix("").parts]
        at_top = len(parts) == 2
        names[".".join(parts if at_top or parts[-1] != "__init__" else parts[:-1])] = path
    return names


def imports(package: str) -> Iterator[Import]:
    known = modules(package)
    for name, path in known.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
        inside = {id(node) for function in functions for node in ast.walk(function)}
        for node in ast.walk(tree):
            for target in targets(node, name, path, known):
                yield Import(name, target, getattr(node, "lineno", 0), id(node) in inside)


def targets(node: ast.AST, module: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The full names of what a statement imports: modules, where it names modules."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parents = module.split(".")
        up = node.level - (path.name == "__init__.py" and not module.endswith("__init__"))
        base = ".".join([*parents[: len(parents) - up], *filter(None, [node.module])])
        base = base if node.level else node.module or ""
        for alias in node.names:
            named = f"{base}.{alias.name}"
            yield named if named in known else base


def layer(package: str, module: str) -> int:
    """The number of a module's layer, from the bottom."""
    part = module.split(".")[1] if "." in module else "__init__"
    for i, parts in enumerate(LAYERS[package]):
        if part in parts:
            return i
    raise AssertionError(f"{module} has no layer yet: say in LAYERS where it belongs")


@each_package
def test_imports_go_down(package: str) -> None:
    ours = [i for i in imports(package) if i.target.split(".")[0] == package]

    assert ours
    for found in ours:
        assert layer(package, found.target) <= layer(package, found.module), f"{found}, above it"


@each_package
def test_no_module_imports_itself_through_others(package: str) -> None:
    known = modules(package)
    graph: dict[str, set[str]] = {name: set() for name in known}
    for found in imports(package):
        if found.target in known and found.target != found.module:
            graph[found.module].add(found.target)

    assert list(graphlib.TopologicalSorter(graph).static_order())  # a cycle raises CycleError


@each_package
def test_nothing_else_is_imported(package: str) -> None:
    for found in imports(package):
        top = found.target.split(".")[0]
        if top == package or top in sys.stdlib_module_names:
            continue
        places = [
            f"{package}.{place}" if place else package for place in OUTSIDE[package].get(top, [])
        ]
        allowed = any(found.module == p or found.module.startswith(f"{p}.") for p in places)
        assert allowed, str(found)


@each_package
def test_imports_are_at_the_top(package: str) -> None:
    hidden = {
        str(found) for found in imports(package) if found.inside and found.module not in INSIDE
    }

    assert not hidden


def test_every_reason_is_still_needed() -> None:
    hiding = {found.module for package in PACKAGES for found in imports(package) if found.inside}

    assert set(INSIDE) == hiding


@each_package
def test_no_star_imports(package: str) -> None:
    for name, path in modules(package).items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = node.names if isinstance(node, ast.ImportFrom) else []
            assert all(alias.name != "*" for alias in names), name


@each_package
def test_what_was_imported_is_ours(package: str) -> None:
    """The package index has namesakes: other projects are called micrograd and cudagrad."""
    distribution = metadata.distribution(f"threegrad-{package}")
    checkout = Path(__file__).parents[2] / package / "src"
    installed = Path(str(distribution.locate_file("")))

    assert set(metadata.packages_distributions()[package]) == {f"threegrad-{package}"}
    assert source(package) in {
        (folder / package / "__init__.py").resolve() for folder in (checkout, installed)
    }
