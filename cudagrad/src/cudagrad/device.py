"""The one door to numba's cuda: `cuda` and `jit` for kernels, device memory, and the executor.

The executor is what runs kernels: the GPU if there is one, driven by NVIDIA's package numba-cuda,
else the emulator, which compiles the same kernels for the CPU. CUDAGRAD_DEVICE=gpu or =emulator
chooses one. With =checker kernels run as Python, slowly, under a race detector (see checker). With
=compiler they are compiled for any GPU, which need not be there, and cannot run (see compile).

On a GPU, launch from the thread that imports this: the GPU's context is current in no other, and
all launches of a kernel pack their arguments in the same memory. stream() holds for all threads;
no_grad(), autocast(), and the capture of a graph for the one that they are called in.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
import inspect
import math
import os
import sys
from collections.abc import Callable
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np

from . import checker, emulator, launches
from .allocator import Allocator
from .executors.checked import Checked
from .executors.emulated import Emulated
from .executors.nvidia import Nvidia
from .launches import counting as counting
from .launches import late as late
from .launches import live as live

Array = Any  # a device array: shape, dtype, ndim, size; its elements are only seen by kernels
Shape = tuple[int, ...]

EXECUTORS = ("gpu", "emulator", "checker", "compiler")
INSTALL = "pip install -c constraints.txt './cudagrad[{}]', in this project's root"


def _has_gpu() -> bool:
    """Whether NVIDIA's driver is there and sees a GPU; asked without numba."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    found = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return found and count.value > 0


def numba_cuda(extra: str) -> tuple[Any, str]:
    """NVIDIA's numba.cuda and "", or None and why it is not there; needs no driver.

    extra: which of this package's extras installs it.
    """
    install = INSTALL.format(extra)
    if importlib.util.find_spec("numba_cuda") is None:
        return None, f"numba-cuda is missing: {install}"
    os.environ.setdefault("NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS", "0")  # small arrays are no mistake
    numba.config.reload_config()
    module = importlib.import_module("numba.cuda")
    # By a .pth file numba-cuda replaces the old target that numba bundles; Python reads such a file
    # in its own site-packages only.
    if getattr(module, "implementation", None) != "NVIDIA":
        return None, f"numba.cuda is not NVIDIA's: {install}, into this Python's site-packages"
    return module, ""


def _find_gpu() -> tuple[Any, str]:
    """numba.cuda and "", or None and why kernels cannot run on a GPU."""
    if not _has_gpu():
        return None, "no GPU"
    module, why = numba_cuda("gpu")
    if not why and not module.is_available():
        why = str(module.cuda_error())
    return (None, f"the GPU is not used, because {why}") if why else (module, "")


def _choose(wanted: str | None) -> tuple[str, Any, str]:
    """The executor, numba.cuda unless that is the emulator, and why it is the emulator.

    wanted: CUDAGRAD_DEVICE.
    """
    if wanted and wanted not in EXECUTORS:
        raise ValueError(f"CUDAGRAD_DEVICE={wanted} is unknown; known: {', '.join(EXECUTORS)}")
    if wanted in ("emulator", "checker"):
        return wanted, None, "CUDAGRAD_DEVICE asks for it"
    module, why = numba_cuda("compile") if wanted == "compiler" else _find_gpu()
    if wanted and why:
        raise RuntimeError(
            f"CUDAGRAD_DEVICE={wanted}, but {why}; "
            "unset it, or set it to emulator, to run on the CPU"
        )
    return wanted or ("emulator" if why else "gpu"), module, why


def _block_size(variable: str, default: int, largest: int) -> int:
    """A number of threads from the environment: a power of two, for trees over a block."""
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or int(text).bit_count() != 1 or int(text) > largest:
        raise ValueError(f"{variable}={text} must be a power of two, {largest} at most")
    return int(text)


EXECUTOR, _cuda, _why = _choose(os.environ.get("CUDAGRAD_DEVICE"))
cuda: Any = _cuda or emulator.cuda


def _executor() -> Any:
    """The executor (see executors); None where kernels are only compiled."""
    if EXECUTOR == "gpu":
        return Nvidia(_cuda, importlib.import_module("cuda.bindings.driver"))
    if EXECUTOR == "compiler":
        return None
    return Checked() if EXECUTOR == "checker" else Emulated()


executor = _executor()
allocator = Allocator(executor)
# What kernels use beyond `cuda`: single instructions of a GPU, or their twins on the emulator.
intrinsics: Any = importlib.import_module(f"{__package__}.ptx") if _cuda else emulator.intrinsics

# Threads of a one-dimensional block, and along each side of a two-dimensional one. Blocks are small
# on the emulator, so that small arrays need many of them, as large arrays do on a GPU. No block has
# more than 256: a GPU's processor has 65,536 registers, and a thread may take 255 of them.
BLOCK = _block_size("CUDAGRAD_BLOCK", 256 if _cuda else 32, 256)
TILE = _block_size("CUDAGRAD_TILE", 16 if _cuda else 8, 16)


def describe() -> str:
    """Where kernels run, and why, in one line."""
    if EXECUTOR == "emulator":
        return f"emulator: kernels compiled for the CPU by numba {numba.__version__}; {_why}"
    if EXECUTOR == "checker":
        return f"checker: kernels run as Python, every access of memory watched; {_why}"
    if EXECUTOR == "compiler":
        return f"compiler: kernels compiled by numba-cuda {_version()}, and none can run"
    device = _cuda.get_current_device()
    major, minor = device.compute_capability
    name = device.name.decode() if isinstance(device.name, bytes) else device.name
    return f"gpu: {name}, compute capability {major}.{minor}, numba-cuda {_version()}"


def _version() -> str:
    return metadata.version("numba-cuda")


def has(capability: tuple[int, int]) -> bool:
    """Whether kernels may use the instructions of a compute capability; the emulator has all."""
    return EXECUTOR != "gpu" or _cuda.get_current_device().compute_capability >= capability


@functools.cache
def processors() -> float:
    """How many blocks a launch needs at least to keep all of the GPU busy.

    Infinitely many on the emulator, which is fastest with work cut as small as can be.
    """
    return _cuda.get_current_device().MULTIPROCESSOR_COUNT if EXECUTOR == "gpu" else math.inf


def jit(
    function: Any = None, *, device: bool = False, launch_bounds: tuple[int, int] | None = None
) -> Any:
    """`@jit` makes a kernel, `@jit(device=True)` a function that kernels may call.

    Either is compiled when a kernel first meets arguments of a kind. A kernel is launched as
    `kernel[grid, block](*arguments)`, with device arrays, numbers and tuples of these; a grid
    without blocks is an error. `kernel[grid, block, 0, bytes]` gives its blocks dynamic shared
    memory, of which they make arrays by `cuda.shared.array(0, dtype)`. launch_bounds: the threads
    of a kernel's largest block, and how many such blocks must find room on one of a GPU's
    processors, for which the compiler saves registers.
    """
    if function is None:
        return functools.partial(jit, device=device, launch_bounds=launch_bounds)
    if not inspect.isfunction(function):
        raise TypeError(f"jit: a kernel is a function, not {type(function).__name__}")
    maker = checker if EXECUTOR == "checker" else _cuda or emulator
    options = {"launch_bounds": launch_bounds} if _cuda and launch_bounds else {}
    made = maker.jit(function, device=device, **options)
    return made if device or executor is None else launches.Kernel(made, _launcher)


def _launcher(kernel: Any, configuration: Any) -> Callable[..., None]:
    launcher: Callable[..., None] = executor.launcher(kernel, configuration)
    return launcher


def factory(make: Callable[..., Any]) -> Callable[..., Any]:
    """`@factory` marks a function that makes a kernel out of parts: a dtype, device functions.

    It is called once for the same parts. The kernel keeps them as made_of, which tells it from the
    factory's other kernels (see compile.table.name_of).
    """

    @functools.cache
    @functools.wraps(make)
    def made(*parts: Any) -> Any:
        kernel = make(*parts)
        kernel.made_of = parts
        return kernel

    return made


def capabilities() -> list[tuple[int, int]]:
    """The compute capabilities that the compiler knows; needs the executor "compiler"."""
    return list(importlib.import_module("numba.cuda.cudadrv.nvrtc").get_supported_ccs())


def lto_ir(kernel: Any, arguments: str, capability: tuple[int, int]) -> list[bytes]:
    """numba-cuda's code of a kernel for a GPU of this compute capability, not linked yet.

    arguments: their types, as numba writes them in a signature. Needs the executor "compiler".
    """
    # When it compiles device functions, numba-cuda asks the GPU, which need not be there.
    dispatcher: Any = importlib.import_module("numba.cuda.dispatcher")
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=capability)
    signature = f"void({arguments})"
    bounds = kernel.targetoptions.get("launch_bounds")
    codes, _ = _cuda.compile_all(
        kernel.py_func,
        signature,
        device=False,
        abi="numba",
        cc=capability,
        output="ltoir",
        launch_bounds=bounds,
    )
    return [bytes(code) for code in codes]


def to_device(array: Any) -> Array:
    """A C-contiguous copy in device memory, in the byte order of this machine."""
    host = np.asarray(array, order="C")
    host = host.astype(host.dtype.newbyteorder("="), copy=False)
    out = empty(host.shape, host.dtype)
    write(host, out)
    return out


def empty(shape: Shape, dtype: Any) -> Array:
    """Device memory whose elements nobody has written yet; on the emulator NaN, or 0x6D6D…

    The allocator gets it back with the last reference to it.
    """
    if executor is None:
        raise RuntimeError("CUDAGRAD_DEVICE=compiler only compiles kernels; unset it to run them")
    dtype = np.dtype(dtype)
    if dtype.hasobject:
        raise TypeError(f"device memory holds numbers, not Python's objects, of dtype {dtype}")
    size = math.prod(shape) * dtype.itemsize
    if not size:
        return executor.without_memory(shape, dtype)
    recorder = launches.recorder.get()
    pool = None if recorder is None else recorder.allocating()
    return executor.array(shape, dtype, allocator.allocate(size, pool))


def write(host: np.ndarray[Any, Any], array: Array) -> None:
    """Copy a C-contiguous NumPy array over a device array of its shape and dtype."""
    launches.copied("to", host.nbytes)
    if host.size:
        executor.upload(host, array)


def to_host(array: Array) -> np.ndarray[Any, Any]:
    """A copy as a NumPy array."""
    launches.copied("from", array.size * array.dtype.itemsize)
    host: np.ndarray[Any, Any] = executor.download(array)
    return host


def part(array: Array, start: int, shape: Shape) -> Array:
    """The elements of a one-dimensional array from start on, in a shape, not a copy."""
    if start < 0 or start + math.prod(shape) > array.size:
        raise ValueError(f"no part of shape {shape} begins at {start} of {array.size} elements")
    return executor.part(array, start, shape)
