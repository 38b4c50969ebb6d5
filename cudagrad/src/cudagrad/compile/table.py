"""Every kernel that ops and optimizers launch, and the types of its arguments.

launches.txt has a line for each: the kernel's name, which is its module, its function and the parts
that a factory makes it of, and the types as numba writes them. cudagrad's tests fail at a launch
that is missing there, and can write the file anew (see CONTRIBUTING.md).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import device, kernels
from ..kernels.matmul import TENSOR_CORES
from ..signatures import type_of

FILE = Path(__file__).with_name("launches.txt")
NEEDS = dict.fromkeys(
    ("matmul.tensor_core.", "matmul.stored."), TENSOR_CORES
)  # the compute capability, by how a name begins


class Launch(NamedTuple):
    """A kernel, by name, and the types of its arguments: what numba compiles once."""

    kernel: str
    arguments: str

    def __str__(self) -> str:
        return f"{self.kernel}: {self.arguments}"

    @classmethod
    def of(cls, kernel: Any, kinds: Iterable[Any]) -> Launch:
        """That of a kernel; kinds: of its arguments, as the emulator knows them."""
        return cls(name_of(kernel), ", ".join(map(type_of, kinds)))


def launches() -> list[Launch]:
    """The whole table, in the order of its file."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return [Launch(*line.split(": ", 1)) for line in lines]


def write(table: Iterable[Launch]) -> None:
    """Put this table in the place of the other."""
    FILE.write_text("".join(f"{launch}\n" for launch in sorted(set(table))), encoding="utf-8")


def name_of(kernel: Any) -> str:
    """The name by which `find` finds a kernel of cudagrad.kernels.

    Raises LookupError for one of a function that is no factory.
    """
    module = kernel.__module__.removeprefix(f"{kernels.__name__}.")
    function, *inside = kernel.__qualname__.split(".")
    if not inside:
        return f"{module}.{function}"
    if not hasattr(kernel, "made_of"):
        raise LookupError(f"{module}.{function} makes kernels: it must be a @factory")
    return f"{module}.{function}({', '.join(map(_name_of_part, kernel.made_of))})"


def _name_of_part(part: Any) -> str:
    if isinstance(part, int):
        return str(part)
    return part.__name__ if isinstance(part, type) else name_of(part)


def find(name: str) -> Any:
    """The kernel of a name, or LookupError."""
    head, made, rest = name.partition("(")
    found = _attribute(head)
    return found(*map(_part, _split(rest.removesuffix(")")))) if made else found


def _part(name: str) -> Any:
    if name.isdecimal():
        return int(name)
    return find(name) if "." in name else getattr(np, name)


def _split(parts: str) -> list[str]:
    """At the commas that are within no brackets."""
    found, depth = [""], 0
    for char in parts:
        depth += (char == "(") - (char == ")")
        if char == "," and not depth:
            found.append("")
        else:
            found[-1] += char
    return [part.strip() for part in found]


def _attribute(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(f"{kernels.__name__}.{module}"), attribute)
    except (ImportError, AttributeError):
        raise LookupError(f"there is no kernel {name}") from None


def needs(name: str) -> tuple[int, int]:
    """The compute capability that a kernel asks for."""
    return next((most for start, most in NEEDS.items() if name.startswith(start)), (0, 0))


def warm_up() -> None:
    """Compile the whole table for the GPU there is, so that no launch has to wait for it.

    Raises RuntimeError where kernels run on no GPU.
    """
    if device.EXECUTOR != "gpu":
        raise RuntimeError(f"nothing to warm up: {device.describe()}")
    for launch in launches():
        if device.has(needs(launch.kernel)):
            find(launch.kernel).compile(f"void({launch.arguments})")
