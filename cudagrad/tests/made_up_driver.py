"""A GPU's driver as far as it can be made up: its memory is the host's, its kernels are Python's.

A kernel is a function of the arrays and numbers that the driver would find where a launch says its
parameters are.
"""

from __future__ import annotations

import ctypes
import itertools
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

# How a number lies in memory, and what it is in Python.
NUMBERS: dict[str, tuple[Any, Any]] = {
    "float32": (ctypes.c_float, np.float32),
    "float64": (ctypes.c_double, float),
    "int32": (ctypes.c_int32, np.int32),
    "int64": (ctypes.c_int64, int),
    "uint16": (ctypes.c_uint16, np.uint16),
    "uint64": (ctypes.c_uint64, np.uint64),
    "boolean": (ctypes.c_bool, bool),
}


class Driver:
    """What cuda.bindings.driver is asked, answered as it would be; calls: the names of all."""

    CUresult = SimpleNamespace(CUDA_ERROR_OUT_OF_MEMORY=2, CUDA_ERROR_NOT_READY=600)
    CUstream_flags = SimpleNamespace(CU_STREAM_NON_BLOCKING=1)
    CUevent_flags = SimpleNamespace(CU_EVENT_DEFAULT=0)
    CUfunction_attribute = SimpleNamespace(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES=8)
    CUpointer_attribute = SimpleNamespace(CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL=9)
    CUkernelNodeAttrID = SimpleNamespace(CU_LAUNCH_ATTRIBUTE_COOPERATIVE=2)
    CUDA_KERNEL_NODE_PARAMS = CUkernelNodeAttrValue = SimpleNamespace
    CUkernel = int

    def __init__(self, total: int = 1 << 24) -> None:
        self.total = total
        self.calls: list[str] = []
        self.memory: dict[int, Any] = {}
        self.functions: dict[int, tuple[Callable[..., None], list[str]]] = {}
        self.dynamic: dict[int, int] = {}  # bytes of shared memory that a function may be given
        self.graphs: dict[int, list[Any]] = {}
        self.unfinished: set[int] = set()  # events and streams that are not over
        self.numbers = itertools.count(1)

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("cu"):
            self.calls.append(name)
        return super().__getattribute__(name)

    def cuGetErrorString(self, error: int) -> Any:  # noqa: N802
        return 0, f"error {error}".encode()

    def cuMemAlloc(self, size: int) -> Any:  # noqa: N802
        if size > self.total - sum(map(len, self.memory.values())):
            return (2,)
        memory = ctypes.create_string_buffer(size)
        self.memory[ctypes.addressof(memory)] = memory
        return 0, ctypes.addressof(memory)

    def cuMemFree(self, pointer: int) -> Any:  # noqa: N802
        del self.memory[pointer]
        return (0,)

    def cuMemGetInfo(self) -> Any:  # noqa: N802
        return 0, 0, self.total

    def cuCtxGetDevice(self) -> Any:  # noqa: N802
        return 0, 0

    def cuMemcpyHtoDAsync(self, to: int, source: int, size: int, stream: int) -> Any:  # noqa: N802
        ctypes.memmove(to, source, size)
        return (0,)

    cuMemcpyDtoHAsync = cuMemcpyHtoDAsync  # noqa: N815

    def cuStreamCreate(self, flags: int) -> Any:  # noqa: N802
        return 0, next(self.numbers)

    cuEventCreate = cuStreamCreate  # noqa: N815

    def cuStreamQuery(self, handle: int) -> Any:  # noqa: N802
        return (600 if handle in self.unfinished else 0,)

    cuEventQuery = cuStreamQuery  # noqa: N815

    def done(self, *args: Any) -> Any:
        return (0,)

    cuStreamSynchronize = cuCtxSynchronize = cuStreamWaitEvent = done  # noqa: N815
    cuEventRecord = cuEventDestroy = cuEventSynchronize = done  # noqa: N815
    cuGraphExecDestroy = cuGraphDestroy = done  # noqa: N815

    def cuEventElapsedTime(self, start: int, end: int) -> Any:  # noqa: N802
        return 0, float(end - start)

    def cuKernelGetFunction(self, handle: int) -> Any:  # noqa: N802
        return 0, handle

    def cuFuncGetAttribute(self, attribute: int, function: int) -> Any:  # noqa: N802
        return 0, self.dynamic.get(function, 48 << 10)

    def cuFuncSetAttribute(self, function: int, attribute: int, value: int) -> Any:  # noqa: N802
        self.dynamic[function] = value
        return (0,)

    def cuPointerGetAttribute(self, attribute: int, pointer: int) -> Any:  # noqa: N802
        return 0, 0

    def cuLaunchKernel(self, function: int, *rest: Any) -> Any:  # noqa: N802
        *dims, shared, _, parameters, _ = rest
        if shared > self.dynamic.get(function, 48 << 10):
            return (1,)
        self.run(function, dims, self.read(function, parameters))
        return (0,)

    def cuLaunchCooperativeKernel(self, function: int, *rest: Any) -> Any:  # noqa: N802
        return self.cuLaunchKernel(function, *rest, 0)

    def cuGraphCreate(self, flags: int) -> Any:  # noqa: N802
        graph = next(self.numbers)
        self.graphs[graph] = []
        return 0, graph

    def cuGraphAddKernelNode(self, graph: int, before: list[int], count: int, node: Any) -> Any:  # noqa: N802
        nodes = self.graphs[graph]
        assert before == [len(nodes) - 1] * count
        assert count == bool(nodes)
        nodes.append(self.node(node))
        return 0, len(nodes) - 1

    def cuGraphKernelNodeSetAttribute(self, node: int, name: int, value: Any) -> Any:  # noqa: N802
        assert (name, value.cooperative) == (2, 1)
        return (0,)

    def cuGraphInstantiate(self, graph: int, flags: int) -> Any:  # noqa: N802
        return 0, graph

    def cuGraphExecKernelNodeSetParams(self, graph: int, index: int, node: Any) -> Any:  # noqa: N802
        self.graphs[graph][index] = self.node(node)
        return (0,)

    def cuGraphLaunch(self, graph: int, stream: int) -> Any:  # noqa: N802
        for node in self.graphs[graph]:
            self.run(*node)
        return (0,)

    def node(self, node: Any) -> tuple[int, list[int], list[Any]]:
        dims = [getattr(node, f"{name}Dim{axis}") for name in ("grid", "block") for axis in "XYZ"]
        return node.func, dims, self.read(node.func, node.kernelParams)

    def read(self, function: int, parameters: int) -> list[Any]:
        """The arguments, where the driver would read them: now, because they do not stay."""
        args: list[Any] = []
        pointers = ctypes.cast(parameters, ctypes.POINTER(ctypes.c_void_p))
        place = itertools.count()

        def word(kind: Any) -> Any:
            return kind.from_address(pointers[next(place)]).value

        def number(type_: str) -> Any:
            kind, python = NUMBERS[type_]
            return python(word(kind))

        for type_ in self.functions[function][1]:
            if type_.startswith("UniTuple"):
                part, count = type_.removeprefix("UniTuple(").removesuffix(")").split(", ")
                args.append(tuple(number(part) for _ in range(int(count))))
                continue
            if not type_.endswith("]"):
                args.append(number(type_))
                continue
            dtype, ndim = (
                np.dtype(type_.split("[")[0].replace("boolean", "bool")),
                type_.count(",") + 1,
            )
            meminfo, parent, size, itemsize, pointer, *rest = (
                word(ctypes.c_uint64) for _ in range(5 + 2 * ndim)
            )
            shape, strides = tuple(rest[:ndim]), tuple(rest[ndim:])
            assert (meminfo, parent, itemsize) == (0, 0, dtype.itemsize)
            assert size == np.prod(shape)
            memory = (ctypes.c_char * (size * itemsize)).from_address(pointer)
            array = np.ndarray(shape, dtype, memory)
            assert not size or array.strides == strides
            args.append(array)
        return args

    def run(self, function: int, dims: list[int], args: list[Any]) -> None:
        self.functions[function][0](dims, *args)

    def kernel(self, function: Callable[..., None], waits: bool = False) -> Any:
        """What numba-cuda would make of a kernel, which here is a function of whole arrays.

        waits: for the whole grid.
        """
        return self.kernel_of_dims(lambda dims, *args: function(*args), waits)

    def kernel_of_dims(self, function: Callable[..., None], waits: bool = False) -> Any:
        """The same of a function that is told of the grid and the block first: 6 numbers."""
        driver = self
        compiled: dict[str, Any] = {}

        def compile_(signature: str) -> Any:
            if signature in compiled:
                return compiled[signature]
            handle = next(driver.numbers)
            inside = signature.removeprefix("void(").removesuffix(")")
            driver.functions[handle] = function, re.split(r", (?!\d+\))", inside)
            cufunc = SimpleNamespace(kernel=SimpleNamespace(handle=handle))
            library = SimpleNamespace(get_cufunc=lambda: cufunc)
            made = SimpleNamespace(bind=lambda: None, _codelibrary=library, cooperative=waits)
            compiled[signature] = made
            return made

        return SimpleNamespace(compile=compile_, compiled=compiled)
