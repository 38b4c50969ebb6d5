"""Which executor catches a planted bug, by an error or by a number that is wrong."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from cudagrad import checker, emulator
from cudagrad.emulator import DeviceArray

BUGS = Path(__file__).with_name("bugs")


def load(path: Path) -> ModuleType:
    """A file of the catalogue."""
    spec = importlib.util.spec_from_file_location(f"bugs.{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def catalogue() -> dict[str, ModuleType]:
    return {path.stem: load(path) for path in sorted(BUGS.glob("*.py"))}


def emulated(order: str) -> Callable[..., None]:
    def launch(kernel: Any, configuration: Any, arguments: list[Any]) -> None:
        given = [DeviceArray(a) if isinstance(a, np.ndarray) else a for a in arguments]
        with emulator.order(order):
            emulator.jit(kernel)[configuration](*given)

    return launch


def checked(kernel: Any, configuration: Any, arguments: list[Any]) -> None:
    checker.check(kernel)[configuration](*arguments)


def configuration(bug: ModuleType) -> tuple[Any, ...]:
    """How its kernels are launched."""
    return bug.GRID, bug.BLOCK, 0, getattr(bug, "DYNAMIC_BYTES", 0)


def memory_of(argument: Any) -> Any:
    """An argument with its elements in sight, if it is an array."""
    return argument.memory if isinstance(argument, DeviceArray) else argument


COMPILER, SIMULATOR = "compiler", "numba's simulator"  # see bugs_elsewhere.py
EXECUTORS: dict[str, Callable[..., None]] = {
    "emulator": emulated("forward"),
    "emulator, reversed": emulated("reversed"),
    "emulator, random": emulated("random:0"),
    "checker": checked,
}


def outcome(bug: ModuleType, kernel: Any, executor: str) -> str:
    """The name of the error, "wrong number", or "" where all is right."""
    given = list(bug.arguments())
    plain = [copy.copy(memory_of(argument)) for argument in given]
    try:
        EXECUTORS[executor](kernel, configuration(bug), given)
    except (emulator.KernelError, IndexError) as error:
        return type(error).__name__
    return judged(bug, plain, memory_of(given[-1]))


def judged(bug: ModuleType, plain: list[Any], result: Any) -> str:
    """What a result is worth; plain: the arguments that there were."""
    want = bug.expected(*plain)
    if want is None:  # in any order
        return "" if sorted(result.tolist()) == sorted(plain[0].tolist()) else "wrong number"
    return "" if np.array_equal(result, want) else "wrong number"
