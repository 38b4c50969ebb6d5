"""Which executor is chosen, that it is said, and device memory."""
# ruff: noqa: ANN201 -- a kernel returns nothing

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cudagrad import device

IMPORT = "from cudagrad import device; print(device.describe(), device.BLOCK, device.TILE)"
needs_numba_cuda = pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="needs numba-cuda"
)
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


def imported(path: Path) -> set[str]:
    """What a module imports, by a statement or by import_module."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names |= {str(arg.value) for arg in node.args if isinstance(arg, ast.Constant)}
    return names


def test_device_is_the_one_door_to_numbas_cuda() -> None:
    package = Path(device.__file__).parent
    users = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if any(f"{name}.".startswith("numba.cuda.") for name in imported(path))
    }

    # ptx is imported by device alone, and only for a GPU; timings measures the simulator.
    assert users == {"device.py", "ptx.py", "timings.py"}


def test_dropout_draws_the_same_bits_on_every_executor() -> None:
    code = (
        "import cudagrad; cudagrad.manual_seed(3);"
        "print(cudagrad.ops.dropout(cudagrad.ops.ones(100), 0.3).numpy().tobytes().hex())"
    )
    found = [python(code, CUDAGRAD_DEVICE=name) for name in ("emulator", "checker")]

    assert found[0] == found[1]
    assert len({found[0][0][i : i + 8] for i in range(0, 800, 8)}) == 2  # kept, and left out


def test_the_environment_decides() -> None:
    out, _ = python(IMPORT, CUDAGRAD_DEVICE="emulator", CUDAGRAD_BLOCK="64", CUDAGRAD_TILE="4")
    assert out.endswith("; CUDAGRAD_DEVICE asks for it 64 4")

    _, error = python(IMPORT, CUDAGRAD_DEVICE="gpu")
    assert error == (
        "RuntimeError: CUDAGRAD_DEVICE=gpu, but no GPU; "
        "unset it, or set it to emulator, to run on the CPU"
    )
    _, error = python(IMPORT, CUDAGRAD_DEVICE="tpu")
    known = "gpu, emulator, checker, compiler"
    assert error == f"ValueError: CUDAGRAD_DEVICE=tpu is unknown; known: {known}"

    out, _ = python(IMPORT, CUDAGRAD_DEVICE="checker")
    assert out.startswith("checker: kernels run as Python, every access of memory watched; ")


@pytest.mark.parametrize("size", ["0", "33", "512", "many", "-1"])
def test_a_block_is_a_power_of_two(size: str) -> None:
    _, error = python(IMPORT, CUDAGRAD_BLOCK=size)

    assert error == f"ValueError: CUDAGRAD_BLOCK={size} must be a power of two, 256 at most"


def test_no_block_has_more_threads_than_registers_for_them() -> None:
    """A launch that asks for more than 65,536 registers fails, and a kernel may take 255."""
    out, _ = python(IMPORT, CUDAGRAD_BLOCK="256", CUDAGRAD_TILE="16")
    assert out.endswith(" 256 16")

    _, error = python(IMPORT, CUDAGRAD_TILE="32")
    assert error == "ValueError: CUDAGRAD_TILE=32 must be a power of two, 16 at most"


# A machine with a GPU, as far as it can be made up


def numba_cuda(**attributes: Any) -> SimpleNamespace:
    """What device asks of numba.cuda."""
    h100 = SimpleNamespace(name="NVIDIA H100", compute_capability=(9, 0))
    good = {
        "implementation": "NVIDIA",
        "is_available": lambda: True,
        "get_current_device": lambda: h100,
    }
    return SimpleNamespace(**(good | attributes))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes up a machine with this numba.cuda; None: numba-cuda is not installed."""

    def build(module: Any, has_gpu: bool = True) -> None:
        monkeypatch.setattr(device, "_has_gpu", lambda: has_gpu)
        found = None if module is None else object()
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
        monkeypatch.setattr(importlib, "import_module", lambda name: module)

    return build


def test_a_gpu_is_used_when_numba_cuda_is_there(
    machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = numba_cuda()
    machine(module)

    assert device._choose(None) == ("gpu", module, "")
    assert device._choose("gpu") == ("gpu", module, "")
    assert device._choose("emulator") == ("emulator", None, "CUDAGRAD_DEVICE asks for it")
    monkeypatch.setattr(device, "EXECUTOR", "gpu")
    monkeypatch.setattr(device, "_cuda", module)
    monkeypatch.setattr(metadata, "version", lambda name: f"{name}'s")
    assert device.describe() == "gpu: NVIDIA H100, compute capability 9.0, numba-cuda numba-cuda's"


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (None, "numba-cuda is missing: pip install -c constraints.txt './cudagrad[gpu]'"),
        (numba_cuda(implementation="Built-in"), "numba.cuda is not NVIDIA's: pip install"),
        (SimpleNamespace(), "numba.cuda is not NVIDIA's: pip install"),
        (numba_cuda(is_available=bool, cuda_error=lambda: "no context"), "because no context"),
    ],
)
def test_why_a_gpu_is_not_used(machine: Any, module: Any, why: str) -> None:
    machine(module)

    executor, chosen, reason = device._choose(None)
    assert (executor, chosen) == ("emulator", None)
    assert why in reason
    with pytest.raises(RuntimeError, match="CUDAGRAD_DEVICE=gpu, but the GPU is not used"):
        device._choose("gpu")


def test_the_compiler_needs_numba_cuda_and_no_gpu(machine: Any) -> None:
    module = numba_cuda(is_available=bool)
    machine(module, has_gpu=False)

    assert device._choose("compiler") == ("compiler", module, "")
    machine(None, has_gpu=False)
    with pytest.raises(RuntimeError, match=r"=compiler, but .* is missing: .*cudagrad\[compile\]"):
        device._choose("compiler")


# numba-cuda, where it is installed: tox -e kernels


@needs_numba_cuda
def test_numba_cuda_without_a_gpu_is_not_imported() -> None:
    out, error = python(IMPORT + "; import sys; print('numba.cuda' in sys.modules)")

    assert not error
    assert out.endswith("; no GPU 32 8\nFalse")


@needs_numba_cuda
def test_the_compiler_runs_nothing_and_says_so() -> None:
    out, error = python(
        IMPORT + "; import cudagrad; cudagrad.tensor([1.0])", CUDAGRAD_DEVICE="compiler"
    )

    assert out.startswith("compiler: kernels compiled by numba-cuda ")
    assert out.endswith(", and none can run 256 16")
    assert error == (
        "RuntimeError: CUDAGRAD_DEVICE=compiler only compiles kernels; unset it to run them"
    )


@needs_numba_cuda
def test_numbas_own_target_is_refused() -> None:
    """Without site-packages' .pth files, which -S leaves out, numba.cuda is the old one."""
    paths = [path for path in sys.path if path]
    code = f"import sys; sys.path[:] = {paths}; from cudagrad import device"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env=os.environ | {"CUDAGRAD_DEVICE": "compiler"},
        capture_output=True,
        text=True,
    )

    assert "CUDAGRAD_DEVICE=compiler, but numba.cuda is not NVIDIA's" in done.stderr


@needs_numba_cuda
@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 1), (2, 3, 4)])
def test_arrays_on_a_gpu_are_compiled_as_contiguous(shape: tuple[int, ...]) -> None:
    devicearray = importlib.import_module("numba.cuda.cudadrv.devicearray")
    memory = SimpleNamespace(device_pointer=0, device_pointer_value=0, size=0)  # of a GPU
    strides = np.empty(shape, np.float32).strides
    array = devicearray.DeviceNDArray(shape, strides, np.float32, gpu_data=memory)

    assert array._numba_type_.layout == "C"


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


def test_a_kernel_is_a_function() -> None:
    for thing in (3, int):
        with pytest.raises(TypeError, match="a kernel is a function, not"):
            device.jit(thing)


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


def test_to_device_changes_the_byte_order_to_that_of_kernels() -> None:
    array = device.to_device(np.arange(3, dtype=">f4"))

    assert array.dtype.isnative
    assert device.to_host(array).tolist() == [0, 1, 2]


def test_device_memory_is_not_for_objects() -> None:
    with pytest.raises(TypeError, match=r"not Python's objects, of dtype object"):
        device.to_device(np.array([None, 1]))


@device.jit
def fill(x):
    x[device.cuda.grid(1)] = 1


def test_a_view_shares_memory() -> None:
    array = device.to_device(np.zeros((2, 3)))
    view = array.reshape((6,))
    fill[2, 2](view)

    assert view.shape == (6,)
    assert device.to_host(array).tolist() == [[1, 1, 1], [1, 0, 0]]
    with pytest.raises(ValueError, match="reshape"):
        array.reshape((4,))


def test_a_part_shares_memory() -> None:
    array = device.to_device(np.zeros(10, np.float32))
    part = device.part(array, 3, (2, 2))
    fill[1, 4](part.reshape((4,)))

    assert part.shape == (2, 2)
    assert device.to_host(array).tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0, 0]
    assert device.executor.address(part) == device.executor.address(array) + 12
    lease = device.executor.lease(part)
    assert lease is device.executor.lease(array)
    borrowed = device.executor.borrowed(part, lease.block)
    assert device.executor.address(borrowed) == device.executor.address(part)
    for start, shape in ((7, (2, 2)), (-1, (2,))):
        with pytest.raises(ValueError, match="no part of shape"):
            device.part(array, start, shape)
