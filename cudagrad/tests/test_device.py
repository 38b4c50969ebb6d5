"""Which executor is chosen, that it is said, and device memory."""
# ruff: noqa: ANN201 -- a kernel returns nothing

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cudagrad import device

IMPORT = "from cudagrad import device; print(device.describe(), device.BLOCK, device.TILE)"
WITHOUT = """
import importlib.abc, sys

class Ban(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "numba_cuda" or name.startswith("numba.cuda"):
            raise ImportError(name + " is banned")

sys.meta_path.insert(0, Ban())
"""


def python(code: str, **environment: str) -> tuple[str, str]:
    """What a process that sees no GPU prints, and the last line of its errors."""
    names = ("CUDAGRAD_DEVICE", "CUDAGRAD_BLOCK", "CUDAGRAD_TILE")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean | {"CUDA_VISIBLE_DEVICES": ""} | environment,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip(), (done.stderr.strip().splitlines() or [""])[-1]


def test_without_a_gpu_the_emulator_runs_and_says_so() -> None:
    out, error = python(IMPORT)

    assert not error
    assert out.startswith("emulator: kernels compiled for the CPU by numba ")
    assert out.endswith("; no GPU 32 8")


def test_import_needs_neither_numba_cuda_nor_numbas_own_target() -> None:
    out, error = python(WITHOUT + IMPORT)

    assert not error
    assert out.startswith("emulator: ")


def test_the_environment_decides() -> None:
    out, _ = python(IMPORT, CUDAGRAD_DEVICE="emulator", CUDAGRAD_BLOCK="64", CUDAGRAD_TILE="4")
    assert out.endswith("; CUDAGRAD_DEVICE asks for it 64 4")

    _, error = python(IMPORT, CUDAGRAD_DEVICE="gpu")
    assert error == (
        "RuntimeError: CUDAGRAD_DEVICE=gpu, but no GPU; "
        "unset it, or set it to emulator, to run on the CPU"
    )
    _, error = python(IMPORT, CUDAGRAD_DEVICE="tpu")
    assert error == "ValueError: CUDAGRAD_DEVICE=tpu is unknown; known: gpu, emulator"


@pytest.mark.parametrize("size", ["0", "33", "2048", "many", "-1"])
def test_a_block_is_a_power_of_two(size: str) -> None:
    _, error = python(IMPORT, CUDAGRAD_BLOCK=size)

    assert error == f"ValueError: CUDAGRAD_BLOCK={size} must be a power of two, 1024 at most"


# A machine with a GPU, as far as it can be made up


def numba_cuda(**attributes: Any) -> SimpleNamespace:
    """What device asks of numba.cuda."""
    h100 = SimpleNamespace(name="NVIDIA H100", compute_capability=(9, 0))
    good = {
        "implementation": "NVIDIA",
        "is_available": lambda: True,
        "get_current_device": lambda: h100,
        "__version__": "0.30.4",
    }
    return SimpleNamespace(**(good | attributes))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes up a machine with a GPU and this numba.cuda; None: numba-cuda is not installed."""

    def build(module: Any) -> None:
        monkeypatch.setattr(device, "_has_gpu", lambda: True)
        found = None if module is None else object()
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
        monkeypatch.setattr(importlib, "import_module", lambda name: module)

    return build


def test_a_gpu_is_used_when_numba_cuda_is_there(
    machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = numba_cuda()
    machine(module)

    assert device._choose(None) == (module, "")
    assert device._choose("gpu") == (module, "")
    assert device._choose("emulator") == (None, "CUDAGRAD_DEVICE asks for it")
    monkeypatch.setattr(device, "_gpu", module)
    assert device.describe() == "gpu: NVIDIA H100, compute capability 9.0, numba-cuda 0.30.4"


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (None, "numba-cuda is missing: pip install './cudagrad[gpu]'"),
        (numba_cuda(implementation="Built-in"), "numba.cuda is not NVIDIA's: pip install"),
        (numba_cuda(is_available=bool, cuda_error=lambda: "no context"), "not used: no context"),
    ],
)
def test_why_a_gpu_is_not_used(machine: Any, module: Any, why: str) -> None:
    machine(module)

    chosen, reason = device._choose(None)
    assert chosen is None
    assert why in reason
    with pytest.raises(RuntimeError, match="CUDAGRAD_DEVICE=gpu, but the GPU is not used"):
        device._choose("gpu")


# Memory


@pytest.mark.parametrize("shape", [(), (3,), (0, 2), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "bool"])
def test_memory_there_and_back(shape: tuple[int, ...], dtype: str) -> None:
    data = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    array = device.to_device(data)
    back = device.to_host(array)

    assert (array.shape, array.dtype, array.ndim, array.size) == (
        shape,
        data.dtype,
        data.ndim,
        data.size,
    )
    assert back.dtype == data.dtype
    assert back.shape == shape
    assert (back == data).all()
    assert device.empty(shape, dtype).shape == shape


def test_both_ways_copy() -> None:
    data = np.zeros((2, 3))
    array = device.to_device(data)
    data[:] = 1
    device.to_host(array)[:] = 2

    assert (device.to_host(array) == 0).all()


def test_to_device_makes_arrays_contiguous() -> None:
    data = np.arange(6.0).reshape(2, 3)

    assert device.to_host(device.to_device(data.T)).flags.c_contiguous
    assert (device.to_host(device.to_device(data[:, ::-1])) == data[:, ::-1]).all()


@device.jit
def fill(x):
    x[device.cuda.grid(1)] = 1


def test_a_view_shares_memory() -> None:
    array = device.to_device(np.zeros((2, 3)))
    view = device.view(array, (6,))
    fill[2, 2](view)

    assert view.shape == (6,)
    assert device.to_host(array).tolist() == [[1, 1, 1], [1, 0, 0]]
    with pytest.raises(ValueError, match="reshape"):
        device.view(array, (4,))
