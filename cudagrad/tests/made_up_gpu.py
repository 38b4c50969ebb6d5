"""A whole machine with a GPU, made up: kernels go through numba-cuda's and the driver's places.

install(), called before cudagrad is imported, lets it find a GPU. The driver is that of
made_up_driver; what a kernel does there is done by the emulator.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
from made_up_driver import Driver

DRIVER = Driver(1 << 30)
GPU = SimpleNamespace(name="made up", compute_capability=(9, 0), MULTIPROCESSOR_COUNT=4)


def install() -> None:
    find_spec, import_module, open_library = (
        importlib.util.find_spec,
        importlib.import_module,
        ctypes.CDLL,
    )

    def found(name: str, *args: Any) -> Any:
        return object() if name == "numba_cuda" else find_spec(name, *args)

    def imported(name: str, *args: Any) -> Any:
        return MADE_UP[name]() if name in MADE_UP else import_module(name, *args)

    def opened(name: Any, *args: Any, **kwargs: Any) -> Any:
        if name == "libcuda.so.1":
            return SimpleNamespace(cuInit=lambda flags: 0, cuDeviceGetCount=counted)
        return open_library(name, *args, **kwargs)

    def counted(count: Any) -> int:
        count._obj.value = 1
        return 0

    importlib.util.find_spec = found  # type: ignore[assignment]
    importlib.import_module = imported
    ctypes.CDLL = opened  # type: ignore[assignment,misc]


def numba_cuda() -> Any:
    """The emulator's own cuda, because kernels name it, with what numba-cuda's module has."""
    emulator = sys.modules["cudagrad.emulator"]
    emulator.cuda.implementation = "NVIDIA"
    emulator.cuda.is_available = lambda: True
    emulator.cuda.current_context = lambda: None
    emulator.cuda.get_current_device = lambda: GPU
    emulator.cuda.jit = jit
    return emulator.cuda


def jit(function: Any, *, device: bool = False, **options: Any) -> Any:
    emulator = sys.modules["cudagrad.emulator"]
    made = emulator.jit(function, device=device)
    if device:
        return made

    def run(dims: list[int], *args: Any) -> None:
        arrays = [emulator.DeviceArray(arg) if isinstance(arg, np.ndarray) else arg for arg in args]
        made[tuple(dims[:3]), tuple(dims[3:])](*arrays)

    kernel = DRIVER.kernel_of_dims(run)
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(kernel, name, getattr(made, name))
    return kernel


# Modules that are not what they are on a GPU; the last has the intrinsics, if there are any.
MADE_UP: dict[str, Any] = {
    "numba.cuda": numba_cuda,
    "cuda.bindings.driver": lambda: DRIVER,
    "cudagrad.ptx": lambda: sys.modules["cudagrad.emulator"].intrinsics,
}
