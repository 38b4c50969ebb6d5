"""Completeness is a test, not a promise: every op of the spec is in every engine, in its place."""

from __future__ import annotations

import importlib
import importlib.resources
import inspect
import operator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from parity.families import families, parts
from parity.spec import BUILT, FAMILIES, OPS, PARTS, Part

FIRST = "micrograd"  # the one with whose signatures and names the others are compared
SPACES = {"layer": "nn", "optimizer": "optim", "scheduler": "optim.lr_scheduler"}
BASES = {"Module", "ModuleList", "Parameter", "Optimizer", "LRScheduler"}


@pytest.fixture(params=["micrograd", "minigrad", "cudagrad"])
def engine(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


@pytest.fixture
def first() -> ModuleType:
    return importlib.import_module(FIRST)


def family(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def form(parameter: inspect.Parameter) -> tuple[Any, ...]:
    """What callers see of a parameter; annotations are each engine's own."""
    return parameter.name, parameter.kind, parameter.default


def test_ops_are_the_specs_in_its_order(engine: ModuleType) -> None:
    promised, exported = [op.name for op in OPS], engine.ops.__all__
    missing = [name for name in promised if name not in exported]
    unknown = [name for name in exported if name not in promised]

    assert not missing, f"{engine.__name__} has no {', '.join(missing)}; parity.spec promises them"
    assert not unknown, (
        f"{engine.__name__} has {', '.join(unknown)}, of which the spec says nothing"
    )
    assert list(exported) == promised, f"{engine.__name__}.ops.__all__ is not in the spec's order"


def test_families_are_read_as_the_spec_defines_them() -> None:
    assert families() == {family(module): [op.name for op in module.OPS] for module in FAMILIES}
    assert list(families()) == [family(module) for module in FAMILIES]


def test_parts_are_read_as_the_spec_defines_them() -> None:
    read = [(name, kind) for kind, names in parts().items() for name in names]
    assert read == [(part.name, part.kind) for part in BUILT.values()]


def test_families_are_the_specs_files(engine: ModuleType) -> None:
    directory = importlib.resources.files(f"{engine.__name__}.ops")
    found = {file.name for file in directory.iterdir() if file.name.endswith(".py")}

    assert found == {"__init__.py", *(f"{family(module)}.py" for module in FAMILIES)}


@pytest.mark.parametrize("name", ["minigrad", "cudagrad"])
def test_an_op_made_of_others_is_named_by_what_was_called(name: str) -> None:
    package = importlib.import_module(name)
    ops, x = package.ops, package.tensor([1.0])
    wrong: Any = [1.0]
    calls = {
        "var_mean": ((wrong,), (package.tensor([1]),)),
        "movedim": ((wrong, 0, 0),),
        "narrow": ((wrong, 0, 0, 1),),
        "select": ((wrong, 0, 0),),
        "unbind": ((wrong,),),
        "split": ((wrong, 1),),
        "chunk": ((wrong, 1),),
        "stack": (([wrong],), ([x, None],)),
        "cat": (([x, wrong],), ([None],), (wrong,)),
    }
    for called, several in calls.items():
        for args in several:
            with pytest.raises(TypeError, match=f"^{called}: expected a (floating )?tensor, not"):
                getattr(ops, called)(*args)


def test_what_is_found_along_a_dim_has_torchs_names(engine: ModuleType) -> None:
    x, ops = engine.tensor([[1.0, 3.0], [5.0, 2.0]]), engine.ops

    for found in (ops.max(x, 1), ops.min(x, 1), ops.topk(x, 1), ops.sort(x, 1)):
        values, indices = found
        assert found.values is values
        assert found.indices is indices


@pytest.mark.parametrize("module", FAMILIES, ids=family)
def test_each_op_is_in_the_file_of_its_family_in_order(
    engine: ModuleType, module: ModuleType
) -> None:
    promised = [op.name for op in module.OPS]
    source = importlib.import_module(f"{engine.__name__}.ops.{family(module)}")
    lines = {}
    for name in promised:
        assert hasattr(source, name), f"{source.__name__} does not define {name}"
        assert getattr(engine.ops, name) is getattr(source, name), f"two functions called {name}"
        lines[name] = inspect.getsourcelines(inspect.unwrap(getattr(source, name)))[1]

    assert sorted(lines, key=lambda name: lines[name]) == promised


@pytest.mark.parametrize("name", [op.name for op in OPS])
def test_signatures_are_equal(engine: ModuleType, first: ModuleType, name: str) -> None:
    own, other = (
        [form(p) for p in inspect.signature(getattr(e.ops, name)).parameters.values()]
        for e in (engine, first)
    )

    assert own == other, f"{engine.__name__} and {FIRST} differ in the arguments of {name}"


@pytest.mark.parametrize("name", [op.name for op in OPS])
def test_every_op_says_what_it_is(engine: ModuleType, name: str) -> None:
    op = getattr(engine.ops, name)

    assert inspect.getdoc(op), f"{engine.__name__}.ops.{name} has no docstring"
    assert inspect.signature(op).return_annotation != "Output", (
        f"help({engine.__name__}.ops.{name}) promises a pullback, which no caller gets"
    )


@pytest.mark.parametrize(
    "name",
    [
        "nn",
        "nn.init",
        "nn.utils",
        "optim",
        "optim.lr_scheduler",
        "gpt",
        "pretrained",
        "serialization",
    ],
)
def test_what_is_built_on_ops_has_the_same_names(
    engine: ModuleType, first: ModuleType, name: str
) -> None:
    own, other = (operator.attrgetter(name)(package) for package in (engine, first))

    assert public(own) == public(other)


@pytest.mark.parametrize("name", ["nn", "optim"])
def test_what_is_built_on_ops_is_in_the_same_files(
    engine: ModuleType, first: ModuleType, name: str
) -> None:
    own, other = (
        {
            path.name: public(importlib.import_module(f"{package.__name__}.{name}.{path.stem}"))
            for path in Path(getattr(package, name).__path__[0]).glob("[!_]*.py")
        }
        for package in (engine, first)
    )

    assert own == other
    assert engine.__dict__[name].__all__ == first.__dict__[name].__all__


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_every_part_takes_the_same_arguments_and_says_what_it_is(
    engine: ModuleType, first: ModuleType, part: Part
) -> None:
    own, other = (
        getattr(operator.attrgetter(SPACES[part.kind])(package), part.name)
        for package in (engine, first)
    )

    assert inspect.getdoc(own)
    for method in ("__init__", "forward", "step"):
        if hasattr(own, method):
            forms = [
                [form(p) for p in inspect.signature(getattr(cls, method)).parameters.values()]
                for cls in (own, other)
            ]
            assert forms[0] == forms[1], f"{part.name}.{method}"


@pytest.mark.parametrize("engine", ["minigrad", "cudagrad"], indirect=True)
def test_dtypes_have_torchs_names(engine: Any) -> None:
    two_bytes = [engine.bfloat16] if hasattr(engine, "bfloat16") else []
    for dtype in (*engine.dtypes.DTYPES, *two_bytes):
        assert getattr(engine, str(dtype)) is dtype
        assert engine.tensor([1.0]).to(dtype).dtype == dtype
        assert isinstance(getattr(torch, str(dtype)), torch.dtype)


def test_no_part_is_without_a_check(engine: ModuleType) -> None:
    """Every class of nn and optim, but those that hold others or are to be derived from."""
    found = {
        name
        for space in set(SPACES.values())
        for name, value in vars(operator.attrgetter(space)(engine)).items()
        if inspect.isclass(value) and name in public(operator.attrgetter(space)(engine))
    }

    assert found - BASES == {part.name for part in PARTS}


def public(module: ModuleType) -> set[str]:
    """What a module defines for others, or a package hands on."""
    if hasattr(module, "__all__"):
        return set(module.__all__)
    return {
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
    }
