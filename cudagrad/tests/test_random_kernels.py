"""Random kernels compute the same in both of the emulator's forms, in any order, and when checked.

python test_random_kernels.py [SECONDS [SEED]] tries as many as there is time for, in a minute.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_writer import BLOCK, Writer

from cudagrad.checker import check
from cudagrad.emulator import DeviceArray, generators, jit, order

GRID, RESULTS = 2, 7


def kernel_of(seed: int, folder: Path) -> Callable[..., Any]:
    """The kernel of a seed, from a file of its own."""
    path = folder / f"random_kernel_{seed}.py"
    path.write_text(Writer(seed).text(), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kernel: Callable[..., Any] = module.kernel
    return kernel


def inputs(seed: int) -> tuple[np.ndarray, int, np.ndarray]:
    draw = np.random.default_rng(seed)
    out = np.full((GRID * BLOCK, RESULTS), -1)
    return draw.integers(0, 1024, BLOCK), int(draw.integers(0, 8)), out


def emulated(kernel: Any, seed: int) -> np.ndarray:
    x, n, out = inputs(seed)
    made = DeviceArray(out)
    kernel[GRID, BLOCK](DeviceArray(x), n, made)
    return made.memory


def results(seed: int, folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """What each way of running makes of the kernel of a seed."""
    kernel = kernel_of(seed, folder)
    x, n, out = inputs(seed)
    check(kernel)[GRID, BLOCK](x, n, out)
    yield "checker", out
    for form, way in (("in step", contextlib.nullcontext), ("generators", generators)):
        compiled = jit(kernel)
        for name in ("forward", "reversed", "random"):
            with way(), order(name):
                yield f"{form}, {name}", emulated(compiled, seed)


def differences(seed: int, folder: Path) -> list[str]:
    (_, expected), *others = results(seed, folder)
    return [way for way, made in others if not np.array_equal(made, expected)]


@pytest.mark.parametrize("seed", range(8, 14))  # in which all is that Writer writes
def test_every_way_of_running_makes_the_same_of_a_kernel(seed: int, tmp_path: Path) -> None:
    assert differences(seed, tmp_path) == [], Writer(seed).text()


def main(seconds: float = 60, seed: int = 0) -> int:
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as name:
        while time.monotonic() < end:
            different = differences(seed, Path(name))
            if different:
                print(f"seed {seed}: {', '.join(different)} not as the checker\n")
                print(Writer(seed).text())
                return 1
            seed += 1
    print(f"the same in every way: all kernels before seed {seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
