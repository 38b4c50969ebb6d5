"""Compiled kernels on disk: found again, by content, by any number of processes at once."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cudagrad.emulator import DeviceArray, jit

SCRIPT = """
import sys
import numba.core.event
import numpy as np

compiled = 0

class Count(numba.core.event.Listener):
    def on_start(self, event):
        global compiled
        compiled += event.data["dispatcher"].py_func.__name__ == "launch"

    def on_end(self, event):
        pass

from cudagrad.emulator import DeviceArray, jit, cuda
from module import scale

numba.core.event.register("numba:compile", Count())
x = DeviceArray(np.ones(4, sys.argv[1]))
scale[2, 2](x)
print(x.memory.tolist(), compiled)
"""

MODULE = """
from cudagrad.emulator import cuda, jit

FACTOR = {factor}

@jit
def scale(x):
    i = cuda.grid(1)
    x[i] *= FACTOR
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "script.py").write_text(SCRIPT)
    write(tmp_path, 3)
    return tmp_path


def write(folder: Path, factor: int, ahead: str = "") -> None:
    (folder / "module.py").write_text(ahead + MODULE.format(factor=factor))


def start(folder: Path, dtype: str = "float32", **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-B", str(folder / "script.py"), dtype],
        env=os.environ | {"CUDAGRAD_CACHE": str(folder / "cache")} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    assert not errors
    return out.strip()


def run(folder: Path, dtype: str = "float32", **environment: str) -> str:
    return finish(start(folder, dtype, **environment))


def test_a_second_process_compiles_nothing(folder: Path) -> None:
    assert run(folder) == "[3.0, 3.0, 3.0, 3.0] 1"
    assert run(folder) == "[3.0, 3.0, 3.0, 3.0] 0"
    write(folder, 3, ahead="# the kernel has moved down\n")
    assert run(folder) == "[3.0, 3.0, 3.0, 3.0] 0"


def test_a_constant_or_a_dtype_makes_another_kernel(folder: Path) -> None:
    run(folder)
    write(folder, 5)
    assert run(folder) == "[5.0, 5.0, 5.0, 5.0] 1"
    assert run(folder, "int64") == "[5, 5, 5, 5] 1"
    write(folder, 3)
    assert run(folder) == "[3.0, 3.0, 3.0, 3.0] 0"


def test_a_file_may_be_edited_and_is_loaded_anew_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "edited_kernels.py"
    monkeypatch.syspath_prepend(tmp_path)

    def product(kernel: Any) -> Any:
        x = DeviceArray(np.ones(1))
        kernel[1, 1](x)
        return x.memory[0]

    file.write_text(MODULE.format(factor=3))
    module = importlib.import_module(file.stem)
    assert product(module.scale) == 3
    file.write_text(MODULE.format(factor=3).replace("*=", "*= 10 *"))
    assert product(jit(module.scale.function)) == 3
    importlib.reload(module)
    assert product(module.scale) == 30


def test_processes_may_fill_the_cache_at_the_same_time(folder: Path) -> None:
    dtypes = ["float32", "float64", "float32", "float64"]
    outputs = [finish(process) for process in [start(folder, dtype) for dtype in dtypes]]

    assert all(output.startswith("[3.0, 3.0, 3.0, 3.0]") for output in outputs)
    assert not list((folder / "cache").glob("*.tmp"))
    assert run(folder, "float32").endswith(" 0")
    assert run(folder, "float64").endswith(" 0")


def test_a_cache_that_cannot_be_written_is_done_without(folder: Path) -> None:
    (folder / "file").write_text("")
    unwritable = str(folder / "file" / "cache")

    assert run(folder, CUDAGRAD_CACHE=unwritable) == "[3.0, 3.0, 3.0, 3.0] 1"


def test_the_users_cache_folder_is_the_default(folder: Path) -> None:
    run(folder, CUDAGRAD_CACHE="", XDG_CACHE_HOME=str(folder / "user"))

    assert list((folder / "user" / "cudagrad").glob("cudagrad_scale_*.py"))


def test_the_order_comes_from_the_environment(folder: Path) -> None:
    assert run(folder, CUDAGRAD_ORDER="reversed") == "[3.0, 3.0, 3.0, 3.0] 1"
    assert run(folder, CUDAGRAD_ORDER="random:7") == "[3.0, 3.0, 3.0, 3.0] 0"
    process = start(folder, CUDAGRAD_ORDER="sideways")
    _, errors = process.communicate()
    known = "forward, reversed, random, random:SEED"
    assert errors.endswith(f"ValueError: unknown order 'sideways'; known: {known}\n")
