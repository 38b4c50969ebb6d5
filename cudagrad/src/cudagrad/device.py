"""The one door to numba's cuda: `cuda` and `jit` for kernels, device memory, and where they run.

The executor is the GPU if there is one, driven by NVIDIA's package numba-cuda, else the emulator,
which compiles the same kernels for the CPU. CUDAGRAD_DEVICE=gpu or =emulator decides instead.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import sys
from typing import Any

import numba
import numpy as np

from . import emulator

Array = Any  # a device array: shape, dtype, ndim, size; its elements are only seen by kernels
Shape = tuple[int, ...]

INSTALL = "pip install './cudagrad[gpu]', in this project's root"


def _has_gpu() -> bool:
    """Whether NVIDIA's driver is there and sees a GPU; asked without numba."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    found = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return found and count.value > 0


def _find_gpu() -> tuple[Any, str]:
    """numba.cuda if kernels can run on a GPU, else None, and why they cannot."""
    if not _has_gpu():
        return None, "no GPU"
    if importlib.util.find_spec("numba_cuda") is None:
        return None, f"the GPU is not used, because numba-cuda is missing: {INSTALL}"
    os.environ.setdefault("NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS", "0")  # small arrays are no mistake
    numba.config.reload_config()
    numba_cuda = importlib.import_module("numba.cuda")
    if getattr(numba_cuda, "implementation", None) != "NVIDIA":
        return None, f"the GPU is not used, because numba.cuda is not NVIDIA's: {INSTALL}"
    if not numba_cuda.is_available():
        return None, f"the GPU is not used: {numba_cuda.cuda_error()}"
    return numba_cuda, ""


def _choose(wanted: str | None) -> tuple[Any, str]:
    """What _find_gpu finds, as far as CUDAGRAD_DEVICE (wanted) leaves the choice."""
    if wanted not in (None, "", "gpu", "emulator"):
        raise ValueError(f"CUDAGRAD_DEVICE={wanted} is unknown; known: gpu, emulator")
    if wanted == "emulator":
        return None, "CUDAGRAD_DEVICE asks for it"
    numba_cuda, why = _find_gpu()
    if wanted == "gpu" and numba_cuda is None:
        raise RuntimeError(
            f"CUDAGRAD_DEVICE=gpu, but {why}; unset it, or set it to emulator, to run on the CPU"
        )
    return numba_cuda, why


def _block_size(variable: str, default: int, largest: int) -> int:
    """A number of threads from the environment: a power of two, for trees over a block."""
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or int(text).bit_count() != 1 or int(text) > largest:
        raise ValueError(f"{variable}={text} must be a power of two, {largest} at most")
    return int(text)


_gpu, _why = _choose(os.environ.get("CUDAGRAD_DEVICE"))
EXECUTOR = "emulator" if _gpu is None else "gpu"
cuda: Any = _gpu or emulator.cuda

# Threads of a one-dimensional block, and along each side of a two-dimensional one. The emulator's
# are small, so that small arrays need many blocks, as large ones do on a GPU.
BLOCK = _block_size("CUDAGRAD_BLOCK", 256 if _gpu else 32, 1024)
TILE = _block_size("CUDAGRAD_TILE", 16 if _gpu else 8, 32)


def describe() -> str:
    """Where kernels run, and why, in one line."""
    if _gpu is None:
        return f"emulator: kernels compiled for the CPU by numba {numba.__version__}; {_why}"
    device = _gpu.get_current_device()
    major, minor = device.compute_capability
    name = device.name.decode() if isinstance(device.name, bytes) else device.name
    return f"gpu: {name}, compute capability {major}.{minor}, numba-cuda {_gpu.__version__}"


def jit(function: Any = None, *, device: bool = False) -> Any:
    """`@jit` makes a kernel, `@jit(device=True)` a function that kernels may call.

    Either is compiled when a kernel first meets arguments of a kind. A kernel is launched as
    `kernel[grid, block](*arguments)`, with device arrays, numbers and tuples of numbers; a grid
    without blocks is an error.
    """
    if _gpu is None:
        return emulator.jit(function, device=device)
    return _gpu.jit(function, device=device)


def to_device(array: Any) -> Array:
    """A C-contiguous copy in device memory."""
    array = np.array(array, order="C", copy=True)
    if _gpu is None:
        return emulator.DeviceArray(array)
    return _gpu.to_device(array) if array.size else empty(array.shape, array.dtype)


def empty(shape: Shape, dtype: Any) -> Array:
    """Device memory whose elements nobody has written yet; on the emulator NaN, or 0x6D6D…"""
    if _gpu is None:
        return emulator.empty(shape, dtype)
    return _gpu.device_array(shape, dtype)


def to_host(array: Array) -> np.ndarray[Any, Any]:
    """A copy as a NumPy array."""
    if _gpu is None:
        return array.memory.copy()
    return array.copy_to_host() if array.size else np.empty(array.shape, array.dtype)


def view(array: Array, shape: Shape) -> Array:
    """The same elements in another shape, not a copy."""
    return array.reshape(shape)
